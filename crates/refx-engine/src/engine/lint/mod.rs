//! Lint: what a query does that its author can hardly mean.
//!
//! The text is looked at where the text decides (a clock, a comparison with NULL, a star), the plan
//! where names and types do (casts, joins, keys). Nothing is read but the plan: a finding says what
//! the query allows to happen, for whatever rows come.
//!
//! ```ignore
//! let plan = session.plan("select now() as at from orders").await?;
//! let findings = session.findings(sql, &plan, &Subject::default());
//! assert_eq!(findings[0].code, Code::WallClock);
//! ```
//!
//! | file | rules |
//! |---|---|
//! | `clock` | `wall-clock` |
//! | `order` | `no-order`, from the text |
//! | `ties` | `partial-order`, from what `facts` knows of the rows |
//! | `nulls` | `null-comparison` |
//! | `types` | `lossy-comparison`, `join-types`, `integer-division` |
//! | `unions` | `union-columns`, `union-types` |
//! | `ctes` | `unused-cte` |
//! | `star` | `select-star` |
//! | `keys`, `nullable` | `unproven-key`, `nullable-key` |
//! | `fan_out` | `fan-out` |
//! | `selves` | `self-comparison` |
//! | `undone` | `outer-join-undone` |
//! | `absent` | `nullable-not-in` |

mod absent;
mod clock;
mod ctes;
mod facts;
mod fan_out;
mod keys;
mod nullable;
mod nulls;
mod order;
mod selves;
mod star;
mod ties;
mod types;
mod undone;
mod unions;
mod written;

use std::collections::{BTreeMap, BTreeSet};

use datafusion::logical_expr::{Expr, LogicalPlan};

use super::{Name, Plan, Position, Session};
use facts::{Facts, Relation};
use refx_core::diagnostic::Code;

/// One thing that a query does and hardly means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub code: Code,
    /// Where in the SQL text that was given.
    pub position: Option<Position>,
    /// A sentence fragment in lower case.
    pub message: String,
    pub notes: Vec<String>,
    /// The way out.
    pub help: Option<String>,
}

impl Finding {
    fn new(code: Code, position: Option<Position>, message: impl Into<String>) -> Finding {
        Finding {
            code,
            position,
            message: message.into(),
            notes: Vec::new(),
            help: None,
        }
    }

    fn help(mut self, help: impl Into<String>) -> Finding {
        self.help = Some(help.into());
        self
    }
}

/// The sets of columns that identify a row of a table, each by itself.
pub type Keys = BTreeMap<Name, Vec<Vec<String>>>;

/// The columns of a table that hold no NULL.
pub type Filled = BTreeMap<Name, BTreeSet<String>>;

/// What is known of a query beside its text.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// Whether the rows become a table that others read.
    pub lands: bool,
    /// The primary key of that table; empty where it has none.
    pub primary_key: Vec<String>,
    /// Of the tables that the query reads, as far as they are known. A table that is absent may
    /// have any rows.
    pub keys: Keys,
    /// Of the same tables, as far as it is known.
    pub filled: Filled,
}

impl Session {
    /// What lint finds in a query that was planned from `sql`, in the order of the text.
    ///
    /// Positions are those of `sql` where the session knows what the query reads as tables. The
    /// places of a view that was merged into the plan would be those of the view's text.
    pub fn findings(&self, sql: &str, plan: &Plan, subject: &Subject) -> Vec<Finding> {
        let Some(query) = written::query(sql) else {
            return Vec::new();
        };
        let state = self.state();
        let mut found = Vec::new();
        clock::check(&query, &state, &mut found);
        order::check(&query, &state, &mut found);
        nulls::check(&query, &mut found);
        selves::check(&query, &mut found);
        ctes::check(&query, &mut found);
        if subject.lands {
            star::check(&query, &mut found);
        }
        types::check(&plan.written, &mut found);
        unions::check(&plan.written, &mut found);
        absent::check(&plan.written, &subject.filled, &mut found);
        let calls = written::calls(&query);
        let (result, facts) = Facts::of(&plan.written, &subject.keys, &mut |site, facts| {
            ties::check(site, facts, &calls, &mut found);
            fan_out::check(site, facts, &mut found);
            undone::check(site, &mut found);
        });
        keys::check(&query, plan, (&result, &facts), subject, &mut found);
        nullable::check(&query, plan, subject, &mut found);
        // A query that is read twice is in the plan twice.
        found.sort_by(|a, b| {
            (a.position, a.code, &a.message).cmp(&(b.position, b.code, &b.message))
        });
        found.dedup();
        found
    }
}

/// A step of a plan, and the rows that it takes.
struct Site<'a> {
    node: &'a LogicalPlan,
    inputs: &'a [Relation],
    /// Whether only the first of its rows are taken.
    limited: bool,
}

/// The first place in the text that an expression has.
fn place(expr: &Expr) -> Option<Position> {
    use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
    let mut first: Option<Position> = None;
    // The walk cannot fail: its step does not.
    let _ = expr.apply(|part| {
        if let Expr::Column(column) = part
            && let Some(span) = column.spans().first()
        {
            let line = usize::try_from(span.start.line).unwrap_or_default();
            let column = usize::try_from(span.start.column).unwrap_or_default();
            let here = Position { line, column };
            first = Some(first.map_or(here, |known| known.min(here)));
        }
        Ok(TreeNodeRecursion::Continue)
    });
    first
}

/// Words as a person lists them: `a`, `b` and `c`, each in backticks.
pub(crate) fn listed<T: AsRef<str>>(words: &[T]) -> String {
    let quoted: Vec<String> = words
        .iter()
        .map(|word| format!("`{}`", word.as_ref()))
        .collect();
    match quoted.split_last() {
        Some((last, before)) if !before.is_empty() => {
            format!("{} and {last}", before.join(", "))
        }
        Some((only, _)) => only.clone(),
        None => String::new(),
    }
}

#[cfg(test)]
mod tests;
