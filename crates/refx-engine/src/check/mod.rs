//! What can be known before a run: every query planned, and no data read.
//!
//! ```text
//! Manifest, Graph ─▶ each node, after what it reads:
//!     compile ─▶ a session of shapes (columns without rows) ─▶ engine::Plan ─▶ Planned, Diagnostics
//! ```
//!
//! What is planned here is what a run executes: the same compilation, functions, types and rules; only
//! the tables have no rows. A node that fails hides nothing but its own readers, and these are told as
//! not checked. What came out without a complaint is remembered, so that the next check plans what
//! changed.

mod columns;
pub mod contract;
pub mod diff;
mod forms;
pub mod hooks;
mod lint;
mod memory;
mod node;
mod queries;
mod source;

pub use columns::{Columns, Way, columns};
pub use lint::lint;
pub use memory::Memory;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use datafusion::arrow::datatypes::SchemaRef;
use serde::{Deserialize, Serialize};
use tokio::task::JoinSet;

use crate::engine::{Engine, Lineage, Meaning};
use refx_core::compile::Basis;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::graph::{Graph, NodeSet};
use refx_core::manifest::{Node, NodeId};
use refx_core::plan::{Facts, TableFacts};

/// Where the columns of sources come from that do not declare them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sources {
    /// Their files.
    Read,
    /// Their files; where these cannot be read, the last check.
    ReadOrRemembered,
    /// The last check. No file of data is looked at.
    Remembered,
}

impl Sources {
    pub fn of(offline: bool) -> Sources {
        match offline {
            true => Sources::Remembered,
            false => Sources::Read,
        }
    }
}

/// What a check rests on.
#[derive(Clone)]
pub struct Scope {
    /// Without tables: what a first run would find.
    pub fresh: Basis,
    /// With every table there: what the runs after it find.
    pub standing: Basis,
    pub graph: Arc<Graph>,
    pub engine: Engine,
    /// The project's folder: locations are relative to it.
    pub root: PathBuf,
    /// Where the columns of sources come from.
    pub sources: Sources,
    pub memory: Arc<Memory>,
    /// The sets of columns that identify the rows of each node.
    keys: Arc<BTreeMap<NodeId, Vec<Vec<String>>>>,
    /// The columns of each node that hold no NULL.
    filled: Arc<BTreeMap<NodeId, BTreeSet<String>>>,
}

impl Scope {
    /// `basis` is taken without its facts: a check does not depend on which tables are there.
    pub fn new(
        basis: Basis,
        graph: Arc<Graph>,
        engine: Engine,
        root: PathBuf,
        memory: Memory,
    ) -> Scope {
        let keys = Arc::new(lint::keys(&basis.manifest));
        let filled = Arc::new(lint::filled(&basis.manifest));
        let models = basis.manifest.nodes.values().filter_map(Node::as_model);
        let tables = models.filter(|model| model.materialization.lands());
        let there = tables.map(|model| {
            let facts = Facts {
                version: 0,
                committed_at: None,
                fingerprint: None,
                older_code: None,
                read_only: None,
            };
            (model.common.id.clone(), facts)
        });
        let standing = TableFacts {
            tables: there.collect(),
            broken: BTreeMap::new(),
        };
        Scope {
            fresh: Basis {
                facts: Arc::default(),
                ..basis.clone()
            },
            standing: Basis {
                facts: Arc::new(standing),
                ..basis
            },
            graph,
            engine,
            root,
            sources: Sources::Read,
            memory: Arc::new(memory),
            keys,
            filled,
        }
    }
}

/// A node whose query plans.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The columns that its readers see: those of the table where one lands, else the query's.
    pub shape: SchemaRef,
    /// What is known of its query; none of what has none, and of what nobody reads.
    pub query: Option<Query>,
    /// Changes when anything does that a reader's answer could depend on.
    pub digest: String,
}

/// What a model's query is made of, and what it means.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Query {
    /// In terms of the tables that it reads.
    pub lineage: Lineage,
    /// In terms of the tables that it reads: it changes when the model's own code does.
    pub own: Meaning,
    /// In terms of sources and seeds: it changes when a model above does, too.
    pub whole: Meaning,
    /// The meaning of the form that the model has where `is_incremental()` holds, if it asks.
    pub increment: Option<Meaning>,
    /// What lint finds in it, in both of its forms.
    pub findings: Vec<Diagnostic>,
}

/// How far a check of a node came.
#[derive(Clone, Debug)]
pub enum Outcome {
    Planned(Arc<Planned>),
    /// Its diagnostics say why.
    Failed,
    /// It reads, directly or not, a node that failed, or that cannot be known without data.
    NotChecked {
        because: NodeId,
    },
}

/// What a check says of one node.
#[derive(Clone, Debug)]
pub struct Checked {
    pub outcome: Outcome,
    pub diagnostics: Vec<Diagnostic>,
    /// Whether the answer is the last check's, on the same code and inputs.
    pub remembered: bool,
    /// What the answer depends on; none where it is not worth remembering.
    key: Option<String>,
}

impl Checked {
    /// The answer for a node that has this wrong with it.
    pub fn failed(diagnostic: Diagnostic) -> Checked {
        Checked {
            outcome: Outcome::Failed,
            diagnostics: vec![diagnostic],
            remembered: false,
            key: None,
        }
    }

    pub fn planned(&self) -> Option<&Arc<Planned>> {
        match &self.outcome {
            Outcome::Planned(planned) => Some(planned),
            Outcome::Failed | Outcome::NotChecked { .. } => None,
        }
    }
}

/// What a check says of every node that it looked at.
pub type Answers = BTreeMap<NodeId, Arc<Checked>>;

/// Checks nodes, and for that everything that they read.
pub async fn check(scope: &Arc<Scope>, nodes: &NodeSet) -> Answers {
    let wanted = with_inputs(scope, nodes);
    let mut waiting: HashMap<&NodeId, usize> = HashMap::new();
    let mut readers: HashMap<&NodeId, Vec<&NodeId>> = HashMap::new();
    let mut ready: Vec<&NodeId> = Vec::new();
    for id in &wanted {
        let inputs = inputs(scope, id, &wanted);
        for input in &inputs {
            readers.entry(*input).or_default().push(id);
        }
        match inputs.len() {
            0 => ready.push(id),
            count => _ = waiting.insert(id, count),
        }
    }
    let mut answers = Answers::new();
    let mut running = JoinSet::new();
    loop {
        while let Some(id) = ready.pop() {
            let known = inputs(scope, id, &wanted)
                .into_iter()
                .filter_map(|input| Some((input.clone(), answers.get(input)?.clone())))
                .collect();
            let (scope, id) = (Arc::clone(scope), id.clone());
            running.spawn(async move {
                let checked = node::check(&scope, &id, known).await;
                (id, checked)
            });
        }
        let (id, checked) = match running.join_next().await {
            None => break,
            Some(Ok(done)) => done,
            // A panic of the planner: the node that met it has no answer, and is told below.
            Some(Err(_)) => continue,
        };
        for reader in readers.get(&id).into_iter().flatten() {
            if let Some(left) = waiting.get_mut(reader) {
                *left -= 1;
                if *left == 0 {
                    ready.push(reader);
                }
            }
        }
        answers.insert(id, Arc::new(checked));
    }
    for id in &wanted {
        if !answers.contains_key(id) {
            answers.insert(id.clone(), Arc::new(unanswered(scope, id, &answers)));
        }
    }
    answers
}

/// A node that has no answer: its own planning broke off, or that of one that it reads.
fn unanswered(scope: &Scope, id: &NodeId, answers: &Answers) -> Checked {
    let Some(node) = scope.fresh.manifest.get(id) else {
        return Checked::failed(Diagnostic::error(
            Code::UnknownRef,
            format!("`{id}` is not in the manifest"),
        ));
    };
    let open = node.common().depends_on.iter();
    let open = open.filter(|input| scope.fresh.manifest.nodes.contains_key(*input));
    match open.clone().find(|input| !answers.contains_key(*input)) {
        Some(input) => Checked {
            outcome: Outcome::NotChecked {
                because: input.clone(),
            },
            diagnostics: Vec::new(),
            remembered: false,
            key: None,
        },
        None => Checked::failed(
            Diagnostic::error(
                Code::SqlError,
                format!("the planner broke off over `{}`", node.name()),
            )
            .at(node.common().span.clone())
            .help("please report this with the model's text"),
        ),
    }
}

/// The nodes, and all that they read.
fn with_inputs(scope: &Scope, nodes: &NodeSet) -> NodeSet {
    let mut wanted = nodes.clone();
    // Readers first: one walk for all of them.
    for id in scope.graph.order().iter().rev() {
        if wanted.contains(id) {
            wanted.extend(scope.graph.parents(id));
        }
    }
    wanted
}

fn inputs<'a>(scope: &'a Scope, id: &NodeId, wanted: &NodeSet) -> Vec<&'a NodeId> {
    let node = scope.fresh.manifest.get(id);
    let inputs = node.map_or(&[][..], |node| &node.common().depends_on);
    inputs
        .iter()
        .filter(|input| wanted.contains(*input))
        .collect()
}
