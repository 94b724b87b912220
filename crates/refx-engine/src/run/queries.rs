//! Queries of templates, answered from the tables of a session.

use std::collections::HashSet;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{Event, Inputs};
use crate::engine::{Name, Plan, Session};
use refx_core::compile::Queries;
use refx_core::diagnostic::Diagnostic;
use refx_core::manifest::NodeId;
use refx_core::template::{Answer, Column, Relation};

/// Rows that a template can take from one query: they all live in memory.
const MOST_ROWS: usize = 1_000_000;

/// Answers `run_query` and its like from what is registered in a session.
pub struct Live {
    session: Session,
    inputs: Inputs,
    /// Nodes that a text of no node refers to.
    referred: Mutex<Referred>,
    /// The table of the node whose template is rendered.
    own: Option<Name>,
    has_read_own: AtomicBool,
}

/// What a text referred to so far. Of a node's own text it is known before.
#[derive(Default)]
struct Referred {
    registered: HashSet<NodeId>,
    pending: Vec<NodeId>,
}

impl Live {
    pub fn new(session: &Session, inputs: &Inputs) -> Self {
        Live {
            session: session.clone(),
            inputs: inputs.clone(),
            referred: Mutex::default(),
            own: None,
            has_read_own: AtomicBool::new(false),
        }
    }

    /// The same for the template of a node with a table: it notes whether that is read.
    pub(super) fn of(session: &Session, inputs: &Inputs, own: &Relation) -> Self {
        Live {
            own: Some(Name::of(own)),
            ..Live::new(session, inputs)
        }
    }

    /// Whether an answer rests on the node's own table: on its rows, its columns, or that there is one.
    pub(super) fn has_read_own(&self) -> bool {
        self.has_read_own.load(Ordering::Relaxed)
    }

    /// Registers what the text referred to since the last call, directly and through macros.
    ///
    /// # Errors
    /// As [`Inputs::all`].
    pub async fn register_referred(&self) -> Result<(), Diagnostic> {
        let pending = mem::take(&mut self.referred().pending);
        self.inputs.all(&self.session, &pending).await
    }

    fn referred(&self) -> std::sync::MutexGuard<'_, Referred> {
        self.referred.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reads(&self, plan: &Plan) {
        if self.own.as_ref().is_some_and(|own| plan.reads(own)) {
            self.has_read_own.store(true, Ordering::Relaxed);
        }
    }
}

impl Queries for Live {
    fn query(&self, sql: &str) -> Result<Answer, String> {
        let rows = async {
            let registered = self.register_referred().await;
            registered.map_err(|diagnostic| diagnostic.message)?;
            if self.own.is_some()
                && let Ok(plan) = self.session.plan(sql).await
            {
                self.reads(&plan);
            }
            let rows = self.session.rows_as_json(sql, MOST_ROWS).await;
            rows.map_err(|error| error.to_string())
        };
        // Templates are rendered in the middle of a step; other steps go on meanwhile.
        let answer = block_in_place(|| Handle::current().block_on(rows));
        answer.map(|answer| Answer {
            columns: answer.columns,
            rows: answer.rows,
        })
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, String> {
        // Also where there is no table: then that is what the text rests on.
        if self.own.as_ref() == Some(&Name::of(relation)) {
            self.has_read_own.store(true, Ordering::Relaxed);
        }
        let sql = format!("select * from {relation}");
        let plan = async {
            let registered = self.register_referred().await;
            registered.map_err(|diagnostic| diagnostic.message)?;
            let plan = self.session.plan(&sql).await;
            plan.map_err(|error| error.to_string())
        };
        let plan = block_in_place(|| Handle::current().block_on(plan))?;
        Ok(plan
            .columns()
            .into_iter()
            .map(|column| Column {
                name: column.name,
                data_type: column.data_type,
            })
            .collect())
    }

    fn exists(&self, relation: &Relation) -> bool {
        self.columns(relation).is_ok()
    }

    fn refers_to(&self, node: &NodeId) {
        let mut referred = self.referred();
        if referred.registered.insert(node.clone()) {
            referred.pending.push(node.clone());
        }
    }

    fn log(&self, message: &str, to_terminal: bool) {
        if to_terminal {
            (self.inputs.emit)(Event::Message {
                text: message.to_string(),
                node: None,
            });
        }
    }
}
