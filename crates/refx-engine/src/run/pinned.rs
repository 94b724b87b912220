//! Where the tables of a run are, and at which version it reads each.

use std::collections::{BTreeMap, HashMap};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::DateTime;
use futures::stream;
use futures::{FutureExt, StreamExt};
use tokio::sync::OnceCell;

use super::panics;
use crate::delta::{self, Location};
use crate::engine::Session;
use refx_core::diagnostic::Diagnostic;
use refx_core::manifest::{self, Manifest, Node, NodeId};
use refx_core::plan::{Facts, TableFacts};
use refx_core::template::Relation;

/// Tables that are looked at side by side before a run.
const AT_A_TIME: usize = 16;

/// The tables of a target. Each is pinned to the version that was found when the run began, and
/// moves on only by the run's own commits.
#[derive(Debug)]
pub struct Tables {
    root: String,
    options: BTreeMap<String, String>,
    /// The schema of relations that lie directly below the root.
    plain_schema: Option<String>,
    versions: Mutex<HashMap<NodeId, u64>>,
    /// Tables whose last commit does not say that they keep their key, with what a look at them found.
    unproven: Mutex<HashMap<NodeId, Arc<OnceCell<Option<Diagnostic>>>>>,
    /// Why tables that are there cannot be read. Their own steps fail, and so do their readers.
    broken: Mutex<HashMap<NodeId, Diagnostic>>,
    /// Kept for as long as the run, so that no part of a log is read twice.
    locations: Mutex<HashMap<String, Location>>,
}

impl Tables {
    /// `root` is an absolute path or a URL; relations of `plain_schema` lie directly below it,
    /// others in a folder of their schema's name.
    pub fn new(
        root: impl Into<String>,
        options: BTreeMap<String, String>,
        plain_schema: Option<String>,
    ) -> Self {
        Tables {
            root: root.into(),
            options,
            plain_schema,
            versions: Mutex::default(),
            unproven: Mutex::default(),
            broken: Mutex::default(),
            locations: Mutex::default(),
        }
    }

    /// Where a relation lands.
    ///
    /// # Errors
    /// [`Code::InvalidConfig`] for names that cannot be folders, [`Code::TableFailed`] for a root
    /// that is neither a path nor a URL.
    pub fn location(&self, relation: &Relation) -> Result<Location, Diagnostic> {
        let folders = manifest::folders(relation, self.plain_schema.as_deref())?;
        let location = Location::below(&self.root, &folders, self.options.clone());
        Ok(self.keep(location.map_err(delta::Error::into_diagnostic)?))
    }

    /// Whether commits of two writers can overwrite each other in the target. `None` where a local root
    /// is not made yet: nothing is made to find out.
    pub async fn prove(&self) -> Option<Result<(), Diagnostic>> {
        let root = Location::new(&self.root, self.options.clone());
        let proven = match root {
            Ok(root) if root.path().is_some_and(|path| !path.is_dir()) => return None,
            Ok(root) => root.prove().await,
            Err(error) => Err(error),
        };
        Some(proven.map_err(delta::Error::into_diagnostic))
    }

    /// The location of the same table that the run knows already, or else this one.
    pub(super) fn keep(&self, location: Location) -> Location {
        let mut known = self
            .locations
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match known.get(location.url()) {
            Some(known) if *known == location => known.clone(),
            _ => {
                known.insert(location.url().to_owned(), location.clone());
                location
            }
        }
    }

    /// The version to read a node's table at; none where it has no table.
    pub fn version(&self, id: &NodeId) -> Option<u64> {
        self.lock().get(id).copied()
    }

    pub(super) fn pin(&self, id: &NodeId, version: u64) {
        self.lock().insert(id.clone(), version);
    }

    /// Pins a table to a commit of the run, which has looked at the key.
    pub(super) fn pin_own(&self, id: &NodeId, version: u64) {
        let mut unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        unproven.remove(id);
        self.pin(id, version);
    }

    /// The tables whose last commit does not say that they keep their key.
    pub fn unproven(&self) -> Vec<NodeId> {
        let unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
        unproven.keys().cloned().collect()
    }

    /// What is wrong with the key of a node's table, where its last commit does not say that it holds. The
    /// rows are looked at once.
    pub async fn broken_key(&self, session: &Session, node: &Node) -> Option<Diagnostic> {
        let cell = {
            let unproven = self.unproven.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(unproven.get(node.id())?)
        };
        let look = async {
            let location = self.location(node.relation()?).ok()?;
            let version = i64::try_from(self.version(node.id())?).ok()?;
            let found = delta::check_key(session, &location, version, key_of(node)).await;
            let place = node.common().span.clone();
            let error = found.err()?.masked(&node.personal());
            Some(error.into_diagnostic().at(place))
        };
        cell.get_or_init(|| look).await.clone()
    }

    /// Why a node's table cannot be read; none where it can, or where there is none.
    pub(super) fn broken(&self, id: &NodeId) -> Option<Diagnostic> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.get(id).cloned()
    }

    /// Pins a table that no step of the run has read yet; one that is pinned stays where it is.
    pub(super) fn pin_first(&self, id: &NodeId, version: u64) -> u64 {
        *self.lock().entry(id.clone()).or_insert(version)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<NodeId, u64>> {
        self.versions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks at the table of every model and seed among the nodes: the one read that planning rests on.
/// Pins what it finds, and keeps why a table could not be read: one broken table is no reason not to
/// work on the others.
pub async fn inspect<'a>(
    manifest: &Manifest,
    nodes: impl IntoIterator<Item = &'a NodeId>,
    tables: &Tables,
) -> (TableFacts, Vec<Diagnostic>) {
    let mut looks = Vec::new();
    for node in nodes.into_iter().filter_map(|id| manifest.get(id)) {
        let relation = match node {
            Node::Model(model) if model.materialization.lands() => &model.relation,
            Node::Seed(seed) => &seed.relation,
            _ => continue,
        };
        looks.push(async move {
            let look = async {
                let location = tables.location(relation)?;
                let found = looked_at(&location, node).await;
                found.map_err(delta::Error::into_diagnostic)
            };
            // One table that makes a library panic is no reason not to look at the others.
            let found = AssertUnwindSafe(look).catch_unwind().await;
            let found = found.unwrap_or_else(|panic| {
                let what = format!("reading the table of `{}`", node.name());
                Err(panics::told(&what, panic.as_ref()))
            });
            (node, found)
        });
    }
    let mut facts = TableFacts::default();
    let mut diagnostics = Vec::new();
    let mut looks = stream::iter(looks).buffered(AT_A_TIME);
    while let Some((node, found)) = looks.next().await {
        match found {
            Ok(None) => {}
            Ok(Some(found)) => {
                if !proves(&found, key_of(node)) {
                    let mut unproven = tables
                        .unproven
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner);
                    unproven.insert(node.id().clone(), Arc::default());
                }
                let found = known(found);
                tables.pin(node.id(), found.version);
                facts.tables.insert(node.id().clone(), found);
            }
            Err(diagnostic) => {
                let diagnostic = diagnostic.at(node.common().span.clone());
                let why = diagnostic.message.clone();
                facts.broken.insert(node.id().clone(), why);
                let mut broken = tables.broken.lock().unwrap_or_else(PoisonError::into_inner);
                broken.insert(node.id().clone(), diagnostic.clone());
                diagnostics.push(diagnostic);
            }
        }
    }
    (facts, diagnostics)
}

/// The primary key that a node declares.
fn key_of(node: &Node) -> &[String] {
    match node {
        Node::Model(model) => &model.primary_key,
        Node::Seed(seed) => match &seed.config.primary_key {
            Some(key) => &key.value.0,
            None => &[],
        },
        _ => &[],
    }
}

/// Whether the last commit of a table says that it keeps a key.
fn proves(found: &delta::TableFacts, key: &[String]) -> bool {
    let has = |names: &[String], name: &String| {
        names.iter().any(|known| known.eq_ignore_ascii_case(name))
    };
    key.iter().all(|column| has(&found.proven_key, column))
        && (key.is_empty() || found.proven_key.iter().all(|column| has(key, column)))
}

/// The table of a node as it is now.
pub(super) async fn looked_at(
    location: &Location,
    node: &Node,
) -> Result<Option<delta::TableFacts>, delta::Error> {
    let Some(mut found) = delta::inspect(location).await? else {
        return Ok(None);
    };
    if found.record.is_none() {
        found.record = delta::record(location, found.version, node.id().as_str()).await?;
    }
    Ok(Some(found))
}

pub(super) fn known(found: delta::TableFacts) -> Facts {
    let record = found.record.unwrap_or_default();
    Facts {
        version: u64::try_from(found.version).unwrap_or_default(),
        committed_at: found.committed_at.and_then(DateTime::from_timestamp_millis),
        fingerprint: record.fingerprint,
        older_code: record
            .older_code
            .and_then(|version| u64::try_from(version).ok()),
        read_only: found.unwritable,
    }
}
