//! What the commands share that care for tables: which tables, some at a time, and Ctrl-C.

use std::collections::HashMap;
use std::future::Future;
use std::time::{Duration, Instant};

use tokio::task::{JoinError, JoinSet};

use super::run::listen;
use crate::cli::args::SelectionArgs;
use crate::cli::opened::Opened;
use crate::cli::report::{Did, Report, Totals};
use crate::cli::settings::{Settings, criteria};
use crate::cli::{Exit, Told, refuse};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Node, NodeId, ResourceType};
use refx_core::plan::TableFacts;
use refx_core::template::Relation;
use refx_engine::delta::{self, Location, PrimaryKey};
use refx_engine::engine::Session;
use refx_engine::run::Job;

/// What has tables.
const TABLES: [ResourceType; 2] = [ResourceType::Model, ResourceType::Seed];

/// A table that is to be cared for.
pub(super) struct Table {
    pub(super) location: Location,
    pub(super) session: Session,
    pub(super) run_id: String,
}

/// The name of a command, and what it says of the tables that it did something to.
pub(super) struct Care {
    pub(super) command: &'static str,
    pub(super) done: &'static str,
    pub(super) dry_run: bool,
}

/// Does the work for each table that the selection picks, and tells of each.
pub(super) async fn each<F, W>(
    report: Report,
    settings: &Settings,
    selection: &SelectionArgs,
    care: Care,
    work: F,
) -> anyhow::Result<Exit>
where
    F: Fn(Table) -> W,
    W: Future<Output = Result<Did, delta::Error>> + Send + 'static,
{
    let started = Instant::now();
    let opened = Opened::open(report, settings)?;
    let state = selection.state.as_deref();
    let picked = opened.pick(&criteria(selection), state, &TABLES)?;
    let job = opened.job(opened.basis(TableFacts::default()), opened.tables(), false)?;
    let manifest = &opened.loaded.manifest;
    let nodes = opened
        .graph
        .order()
        .iter()
        .filter(|id| picked.contains(*id));
    let nodes: Vec<&Node> = nodes.filter_map(|id| manifest.get(id)).collect();
    // Views among tables need no word; where nothing else is picked, that is the answer.
    let lands = |node: &&Node| landing(node).is_ok();
    let nodes: Vec<&Node> = match nodes.iter().any(lands) {
        true => nodes.into_iter().filter(lands).collect(),
        false => nodes,
    };

    listen(job.interrupt.clone());
    let mut totals = Totals {
        dry_run: care.dry_run,
        ..Totals::default()
    };
    let mut finish = |node: &Node, did: Did, elapsed: Duration| {
        let command = care.command;
        opened
            .report
            .maintained(manifest, node.id(), command, &did, elapsed);
        totals.add(did);
    };
    let mut waiting = nodes.into_iter();
    // Dropped at an interrupt, it gives up what runs.
    let mut running = JoinSet::new();
    let mut begun: HashMap<tokio::task::Id, (&Node, Instant)> = HashMap::new();
    let undone = loop {
        while running.len() < job.rules.threads
            && let Some(node) = waiting.next()
        {
            match table(&job, node) {
                Ok(table) => {
                    let task = running.spawn(work(table));
                    begun.insert(task.id(), (node, Instant::now()));
                }
                Err(did) => finish(node, did, Duration::ZERO),
            }
        }
        let (id, done) = tokio::select! {
            biased;
            () = job.interrupt.wait() => break running.len() + waiting.len(),
            next = running.join_next_with_id() => match next {
                None => break 0,
                Some(Ok((id, done))) => (id, Ok(done)),
                Some(Err(defect)) => (defect.id(), Err(defect)),
            },
        };
        if let Some((node, began)) = begun.remove(&id) {
            finish(node, ended(node, done), began.elapsed());
        }
    };
    totals.undone = undone as u64;
    opened
        .report
        .maintenance_ended(&totals, care.done, started.elapsed());
    Ok(
        match (job.interrupt.is_raised(), totals.failed.is_empty()) {
            (true, _) => Exit::Interrupted,
            (_, true) => Exit::Done,
            (_, false) => Exit::Failed,
        },
    )
}

fn table(job: &Job, node: &Node) -> Result<Table, Did> {
    let relation = landing(node).map_err(|what| Did::Skipped(format!("{what} has no table")))?;
    let location = job.tables.location(relation).map_err(Did::Failed)?;
    Ok(Table {
        location,
        session: job.engine.session(),
        run_id: job.info.invocation_id.to_string(),
    })
}

/// How the work on a table ended; a defect in it fails that table alone.
fn ended(node: &Node, ended: Result<Result<Did, delta::Error>, JoinError>) -> Did {
    match ended {
        Ok(Ok(did)) => did,
        Ok(Err(delta::Error::Missing { .. })) => Did::Skipped("no table yet".to_string()),
        Ok(Err(error)) => Did::Failed(error.into_diagnostic().at(node.common().span.clone())),
        Err(defect) => Did::Failed(defective(node, &defect)),
    }
}

pub(super) fn defective(node: &Node, defect: &JoinError) -> Diagnostic {
    Diagnostic::error(
        Code::TableFailed,
        format!("`{}` met a defect of refx: {defect}", node.name()),
    )
    .help("no commit is half made; please report this")
}

/// Where the node's table is, or what the node is instead of a table.
fn landing(node: &Node) -> Result<&Relation, &'static str> {
    match node {
        Node::Model(model) if model.materialization.lands() => Ok(&model.relation),
        Node::Model(model) => Err(match model.materialization.as_str() {
            "ephemeral" => "an ephemeral model",
            _ => "a view",
        }),
        Node::Seed(seed) => Ok(&seed.relation),
        Node::Source(_) => Err("a source"),
        Node::Test(_) | Node::UnitTest(_) => Err("a test"),
        Node::Exposure(_) => Err("an exposure"),
        Node::Analysis(_) => Err("an analysis"),
    }
}

/// The one table that a command is about.
pub(super) struct Only<'a> {
    pub(super) opened: Opened<'a>,
    pub(super) id: NodeId,
    pub(super) location: Location,
}

impl<'a> Only<'a> {
    /// # Errors
    /// [`Told`], where the word picks no table of the target, or more than one.
    pub(super) fn open(
        report: Report,
        settings: &'a Settings,
        word: &str,
    ) -> anyhow::Result<Only<'a>> {
        let opened = Opened::open(report, settings)?;
        let picked = opened.pick_one(word, &TABLES)?;
        let told = |diagnostic| Told(refuse(&opened.report, diagnostic));
        let mut ids = picked.iter();
        let id = match (ids.next(), ids.len()) {
            (Some(id), 0) => id.clone(),
            (None, _) => {
                let diagnostic =
                    Diagnostic::error(Code::EmptySelection, "the selection picks no table")
                        .help("`refx ls --resource-type model seed` lists what there is");
                return Err(told(diagnostic).into());
            }
            (Some(_), others) => {
                let diagnostic = Diagnostic::error(
                    Code::InvalidSelector,
                    format!(
                        "the selection picks {} nodes, and one is wanted",
                        others + 1
                    ),
                );
                return Err(told(diagnostic.help("name one model or seed")).into());
            }
        };
        let location = match opened.loaded.manifest.get(&id) {
            None => Err(Diagnostic::error(
                Code::UnknownRef,
                format!("`{id}` is not in the manifest"),
            )),
            Some(node) => match landing(node) {
                Ok(relation) => opened.tables().location(relation),
                Err(what) => Err(not_a_table(node, what)),
            },
        };
        let location = location.map_err(told)?;
        Ok(Only {
            opened,
            id,
            location,
        })
    }

    /// Prints why nothing could be done to the table.
    pub(super) fn refuse(&self, error: delta::Error) -> Exit {
        match error {
            delta::Error::Missing { location } => {
                let name = self
                    .opened
                    .loaded
                    .manifest
                    .get(&self.id)
                    .map_or("", Node::name);
                let diagnostic = Diagnostic::error(
                    Code::MissingTable,
                    format!("`{name}` has no table yet at `{location}`"),
                )
                .help(format!("make it first: `refx build --select {name}`"));
                refuse(&self.opened.report, self.at(diagnostic))
            }
            error => {
                let manifest = &self.opened.loaded.manifest;
                let node = manifest.get(&self.id);
                let personal = node.map(|node| manifest.personal(node)).unwrap_or_default();
                self.failed(error.masked(&personal).into_diagnostic())
            }
        }
    }

    /// Prints why the work on the table failed.
    pub(super) fn failed(&self, diagnostic: Diagnostic) -> Exit {
        self.opened.report.diagnostics(&[self.at(diagnostic)]);
        Exit::Failed
    }

    fn at(&self, diagnostic: Diagnostic) -> Diagnostic {
        match self.opened.loaded.manifest.get(&self.id) {
            Some(node) => diagnostic.at(node.common().span.clone()),
            None => diagnostic,
        }
    }

    /// The columns that identify a row of the table, where it has a key.
    pub(super) fn key(&self) -> Option<PrimaryKey> {
        match self.opened.loaded.manifest.get(&self.id)? {
            Node::Model(model) => PrimaryKey::new(&model.primary_key),
            Node::Seed(seed) => {
                let key = seed.config.primary_key.as_ref()?;
                PrimaryKey::new(key.value.iter())
            }
            _ => None,
        }
    }
}

fn not_a_table(node: &Node, what: &str) -> Diagnostic {
    let name = node.name();
    let diagnostic = Diagnostic::error(
        Code::InvalidSelector,
        format!("`{name}` is {what}: it has no table in the target"),
    )
    .at(node.common().span.clone());
    match node {
        Node::Model(_) => diagnostic.help("only models of `table` and `incremental` have one"),
        _ => diagnostic.help("name a model or a seed"),
    }
}
