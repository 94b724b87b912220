//! Queries of templates, answered from the tables of a session.

use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::{Emit, Event, Inputs};
use crate::compile::Queries;
use crate::engine::Session;
use crate::template::{Answer, Column, Relation};

/// Rows that a template can take from one query: they all live in memory.
const MOST_ROWS: usize = 1_000_000;

/// Answers `run_query` and its like from what is registered in a session.
pub struct Live {
    session: Session,
    emit: Emit,
}

impl Live {
    pub fn new(session: &Session, inputs: &Inputs) -> Self {
        Live {
            session: session.clone(),
            emit: inputs.emit.clone(),
        }
    }
}

impl Queries for Live {
    fn query(&self, sql: &str) -> Result<Answer, String> {
        let rows = self.session.rows_as_json(sql, MOST_ROWS);
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
