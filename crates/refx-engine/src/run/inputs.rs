//! Makes what a node reads readable in its session.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::catalog::TableProvider;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::{Emit, Live, Tables};
use crate::delta::{self, Location};
use crate::engine::{self, Name, Session, SourceTable, located};
use refx_core::compile::{self, Asked, Basis};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Node, NodeId, Source};
use refx_core::template::Relation;

/// Registers tables, views and sources under the names that compiled SQL uses.
#[derive(Clone)]
pub struct Inputs {
    pub basis: Basis,
    pub tables: Arc<Tables>,
    pub root: Arc<Path>,
    pub emit: Emit,
    /// A table that is not published yet, read instead of its last version.
    pub candidate: Option<(NodeId, Arc<dyn TableProvider>)>,
    /// Whether a table that does not keep its key is refused; else it is read as it is.
    pub checks_keys: bool,
    /// What was registered so far.
    pub seen: Arc<Mutex<Seen>>,
}

/// What a session was given to read: it decides about the rows of a query, beside the query itself.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    /// Delta tables, each with its version and where it is.
    pub tables: BTreeMap<NodeId, (u64, Location)>,
    /// Of sources that are files, the digest of their list.
    pub files: BTreeMap<NodeId, String>,
    /// Views and ephemeral models, with what their templates asked for.
    pub inlined: BTreeMap<NodeId, Asked>,
}

impl Inputs {
    /// Registers everything that a node reads, and its own table where there is one.
    ///
    /// # Errors
    /// The diagnostic of the first input that cannot be read, at its own place.
    pub async fn of(&self, session: &Session, node: &Node) -> Result<(), Diagnostic> {
        self.all(session, &node.common().depends_on).await.map_err(
            |diagnostic| match diagnostic.code {
                Code::MissingTable => diagnostic.help(format!(
                    "build what it reads first: `refx build --select +{}`",
                    node.name()
                )),
                _ => diagnostic,
            },
        )?;
        if let Some(relation) = node.relation()
            && !matches!(node, Node::Source(_))
            && let Some(version) = self.tables.version(node.id())
        {
            self.table(session, relation, version).await?;
        }
        Ok(())
    }

    /// Registers nodes, and what they read in turn.
    ///
    /// # Errors
    /// As [`Inputs::of`].
    pub async fn all(&self, session: &Session, nodes: &[NodeId]) -> Result<(), Diagnostic> {
        let mut known = HashSet::new();
        for id in nodes {
            self.one(session, id, &mut known).await?;
        }
        Ok(())
    }

    fn one<'a>(
        &'a self,
        session: &'a Session,
        id: &'a NodeId,
        known: &'a mut HashSet<NodeId>,
    ) -> BoxFuture<'a, Result<(), Diagnostic>> {
        async move {
            let Some(node) = self.basis.manifest.get(id) else {
                return Ok(());
            };
            if !known.insert(id.clone()) {
                return Ok(());
            }
            if let (Some((candidate, table)), Some(relation)) = (&self.candidate, node.relation())
                && candidate == id
            {
                return session
                    .register_table(&Name::of(relation), table.clone())
                    .map_err(engine::Error::into_diagnostic);
            }
            match node {
                Node::Model(model) if !model.materialization.lands() => {
                    for input in &model.common.depends_on {
                        self.one(session, input, known).await?;
                    }
                    let queries = Live::new(session, self);
                    let compiled = compile::render(&self.basis, node, Some(Arc::new(queries)))?;
                    let asked = compiled.asked.clone();
                    self.note(|seen| seen.inlined.insert(id.clone(), asked));
                    session
                        .register_view(&Name::of(&model.relation), &compiled.sql)
                        .await
                        .map_err(|error| located(error, &compiled))
                }
                Node::Model(_) | Node::Seed(_) => {
                    let Some(relation) = node.relation() else {
                        return Ok(());
                    };
                    match self.tables.version(id) {
                        Some(version) => {
                            let location = self.tables.location(relation)?;
                            if self.checks_keys
                                && let Some(broken) = self.tables.broken_key(session, node).await
                            {
                                let what = format!("the table is read at version {version}");
                                return Err(broken.note(what));
                            }
                            self.note(|seen| seen.tables.insert(id.clone(), (version, location)));
                            self.table(session, relation, version).await
                        }
                        None => Err(self.tables.broken(id).unwrap_or_else(|| not_there(node))),
                    }
                }
                Node::Source(source) => self.source(session, source).await,
                Node::Test(_) | Node::UnitTest(_) | Node::Exposure(_) | Node::Analysis(_) => Ok(()),
            }
        }
        .boxed()
    }

    fn note<T>(&self, what: impl FnOnce(&mut Seen) -> T) {
        what(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }

    async fn table(
        &self,
        session: &Session,
        relation: &Relation,
        version: u64,
    ) -> Result<(), Diagnostic> {
        let location = self.tables.location(relation)?;
        let version = i64::try_from(version).unwrap_or(i64::MAX);
        let provider = delta::provider(session, &location, Some(version))
            .await
            .map_err(delta::Error::into_diagnostic)?;
        session
            .register_table(&Name::of(relation), provider)
            .map_err(engine::Error::into_diagnostic)
    }

    async fn source(&self, session: &Session, source: &Source) -> Result<(), Diagnostic> {
        let Some(place) = &source.place else {
            return Err(Diagnostic::error(
                Code::UnreadableSource,
                format!(
                    "the source `{}.{}` names no `location`",
                    source.source_name, source.common.name
                ),
            )
            .at(source.common.span.clone())
            .help("say where it is: `location: data/{name}/*.parquet`"));
        };
        let mut table = SourceTable::of(source, place, &self.root);
        let options = &place.storage_options.0;
        let registered = async {
            if table.version.is_none() {
                table.version = self.pinned(session, source, &table, options).await?;
            }
            let name = Name::of(&source.relation);
            let files = delta::register_source(session, &name, &table, options).await?;
            let id = source.common.id.clone();
            match (files, table.version, table.locations.as_slice()) {
                (Some(files), ..) => self.note(|seen| drop(seen.files.insert(id, files))),
                (None, Some(version), [root]) => {
                    let location = Location::new(root, options.clone())?;
                    let version = u64::try_from(version).unwrap_or_default();
                    self.note(|seen| drop(seen.tables.insert(id, (version, location))));
                }
                (None, ..) => {}
            }
            Ok(())
        };
        registered.await.map_err(|error: delta::Error| {
            let diagnostic = error.of_source().into_diagnostic();
            Diagnostic {
                code: Code::UnreadableSource,
                ..diagnostic
            }
            .at(place.span.clone())
        })
    }

    /// The version at which the run reads a source that is a Delta table: the one that the first of
    /// its readers found. None for files, which have no versions.
    async fn pinned(
        &self,
        session: &Session,
        source: &Source,
        table: &SourceTable,
        options: &BTreeMap<String, String>,
    ) -> Result<Option<i64>, delta::Error> {
        let id = &source.common.id;
        if session.source_format(table).await? != engine::Format::Delta {
            return Ok(None);
        }
        let version = match (self.tables.version(id), table.locations.as_slice()) {
            (Some(version), _) => version,
            (None, [root]) => {
                let location = self.tables.keep(Location::new(root, options.clone())?);
                let Some(found) = delta::inspect(&location).await? else {
                    return Ok(None);
                };
                let version = u64::try_from(found.version).unwrap_or_default();
                self.tables.pin_first(id, version)
            }
            (None, _) => return Ok(None),
        };
        Ok(i64::try_from(version).ok())
    }
}

fn not_there(node: &Node) -> Diagnostic {
    Diagnostic::error(
        Code::MissingTable,
        format!("`{}` has no table yet", node.name()),
    )
    .help(format!(
        "build it first: `refx build --select {}`",
        node.name()
    ))
}
