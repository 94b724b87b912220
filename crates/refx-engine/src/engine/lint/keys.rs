//! `unproven-key`: a query that gives several rows of one key.
//!
//! Told where a key of the result is known, and it is larger than the primary key: by a `group by`,
//! by what a window numbers, or by keys of the tables that are joined.

use datafusion::sql::sqlparser::ast::Query;

use super::facts::{Facts, Relation};
use super::{Finding, Subject, listed, written};
use crate::engine::Plan;
use refx_core::diagnostic::Code;

pub(super) fn check(
    query: &Query,
    plan: &Plan,
    (result, facts): (&Relation, &Facts),
    subject: &Subject,
    found: &mut Vec<Finding>,
) {
    // Conditions on a key make another one that cannot be seen: `where rank = 1`.
    if subject.primary_key.is_empty() || result.picked {
        return;
    }
    let fields = plan.written.schema().fields();
    let position = |name: &String| fields.iter().position(|field| field.name() == name);
    // That a column of the key is missing altogether is told elsewhere.
    let Some(key) = subject
        .primary_key
        .iter()
        .map(position)
        .collect::<Option<Vec<_>>>()
    else {
        return;
    };
    let decided = facts.decided(key.iter().map(|column| result.columns[*column]));
    if decided.contains(&result.row) {
        return;
    }
    let Some(known) = facts.key(result) else {
        return;
    };
    let known: Vec<&String> = known.into_iter().map(|at| fields[at].name()).collect();
    let beyond: Vec<&String> = known
        .iter()
        .filter(|name| !subject.primary_key.contains(name))
        .copied()
        .collect();
    if beyond.is_empty() {
        return;
    }
    let place = subject
        .primary_key
        .first()
        .and_then(|name| written::output_column(query, name))
        .or_else(|| written::outermost_place(query));
    found.push(
        Finding::new(
            Code::UnprovenKey,
            place,
            format!(
                "the query gives a row for each {}, and the primary key is {} alone",
                listed(&known),
                listed(&subject.primary_key)
            ),
        )
        .help(format!(
            "aggregate to one row a key, or make {} a part of the primary key",
            listed(&beyond)
        )),
    );
}
