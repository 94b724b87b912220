//! `fan-out`: a sum that counts a row once for each of the rows that it was joined to.

use datafusion::common::tree_node::TreeNode;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::facts::{Facts, Part};
use super::{Finding, Site, place};
use refx_core::diagnostic::Code;

pub(super) fn check(site: &Site<'_>, facts: &Facts, found: &mut Vec<Finding>) {
    let (LogicalPlan::Aggregate(aggregate), Some(from)) = (site.node, site.inputs.first()) else {
        return;
    };
    // One table has its rows once; and without a key of the result nothing is known to repeat.
    if from.parts.len() < 2 || from.picked || facts.key(from).is_none() {
        return;
    }
    let schema = aggregate.input.schema();
    for expr in &aggregate.aggr_expr {
        let Expr::AggregateFunction(function) = expr else {
            continue;
        };
        if function.func.name() != "sum" || function.params.distinct {
            continue;
        }
        let Some(value) = function.params.args.first() else {
            continue;
        };
        let of = facts.attributes(value, schema, from);
        // `sum(case when … then 1 else 0 end)` counts the joined rows, and is meant to.
        let counts = value
            .exists(|part| Ok(matches!(part, Expr::Case(_))))
            .unwrap_or(true);
        if of.is_empty() || counts {
            continue;
        }
        let of_one = |part: &&Part| of.iter().all(|attribute| part.columns.contains(attribute));
        let repeated = from.parts.iter().find(of_one).filter(|part| {
            let decided = facts.decided([part.row]);
            !decided.contains(&from.row)
        });
        if let Some(Part { name, .. }) = repeated {
            found.push(
                Finding::new(
                    Code::FanOut,
                    place(value),
                    format!(
                        "the sum counts a row of `{name}` once for each row that it is joined to"
                    ),
                )
                .help(format!(
                    "aggregate the other side to one row of `{name}` first, and join then"
                )),
            );
        }
    }
}
