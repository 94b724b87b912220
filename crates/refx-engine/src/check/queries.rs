//! Questions of templates about data, as far as they can be answered without data.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::Handle;
use tokio::task::block_in_place;

use crate::engine::Session;
use refx_core::compile::Queries;
use refx_core::template::{Answer, Column, Relation};

/// Answers with columns, and remembers whether rows were asked for.
pub(super) struct Shapes {
    session: Session,
    asked_for_rows: AtomicBool,
}

impl Shapes {
    pub(super) fn new(session: &Session) -> Shapes {
        Shapes {
            session: session.clone(),
            asked_for_rows: AtomicBool::new(false),
        }
    }

    /// Whether the text depends on rows, and so is not the one that a run would compile.
    pub(super) fn asked_for_rows(&self) -> bool {
        self.asked_for_rows.load(Ordering::Relaxed)
    }
}

impl Queries for Shapes {
    fn query(&self, _sql: &str) -> Result<Answer, String> {
        self.asked_for_rows.store(true, Ordering::Relaxed);
        Err("a check reads no data".to_owned())
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, String> {
        let sql = format!("select * from {relation}");
        let planned = block_in_place(|| Handle::current().block_on(self.session.plan(&sql)));
        let plan = planned.map_err(|error| error.to_string())?;
        let columns = plan.columns().into_iter();
        Ok(columns
            .map(|column| Column {
                name: column.name,
                data_type: column.data_type,
            })
            .collect())
    }

    fn exists(&self, relation: &Relation) -> bool {
        self.columns(relation).is_ok()
    }

    fn log(&self, _message: &str, _to_terminal: bool) {}
}
