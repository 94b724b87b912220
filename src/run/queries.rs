//! Queries of templates, answered from the tables of a session.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{Emit, Event, Inputs};
use crate::compile::Queries;
use crate::engine::{Name, Plan, Session};
use crate::template::{Answer, Column, Relation};

/// Rows that a template can take from one query: they all live in memory.
const MOST_ROWS: usize = 1_000_000;

/// Answers `run_query` and its like from what is registered in a session.
pub struct Live {
    session: Session,
    emit: Emit,
    /// The table of the node whose template is rendered.
    own: Option<Name>,
    has_read_own: AtomicBool,
}

impl Live {
    pub fn new(session: &Session, inputs: &Inputs) -> Self {
        Live {
            session: session.clone(),
            emit: inputs.emit.clone(),
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

    fn reads(&self, plan: &Plan) {
        if self.own.as_ref().is_some_and(|own| plan.reads(own)) {
            self.has_read_own.store(true, Ordering::Relaxed);
        }
    }
}

impl Queries for Live {
    fn query(&self, sql: &str) -> Result<Answer, String> {
        let rows = async {
            if self.own.is_some()
                && let Ok(plan) = self.session.plan(sql).await
            {
                self.reads(&plan);
            }
            self.session.rows_as_json(sql, MOST_ROWS).await
        };
        // Templates are rendered in the middle of a step; other steps go on meanwhile.
        let answer = block_in_place(|| Handle::current().block_on(rows));
        answer
            .map(|answer| Answer {
                columns: answer.columns,
                rows: answer.rows,
            })
            .map_err(|error| error.to_string())
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, String> {
        // Also where there is no table: then that is what the text rests on.
        if self.own.as_ref() == Some(&Name::of(relation)) {
            self.has_read_own.store(true, Ordering::Relaxed);
        }
        let sql = format!("select * from {relation}");
        let planned = block_in_place(|| Handle::current().block_on(self.session.plan(&sql)));
        let plan = planned.map_err(|error| error.to_string())?;
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

    fn log(&self, message: &str, to_terminal: bool) {
        if to_terminal {
            (self.emit)(Event::Message {
                text: message.to_string(),
                node: None,
            });
        }
    }
}
