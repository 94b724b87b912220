//! `partial-order`: an order that leaves open which of two rows comes first.
//!
//! Only where a key of the rows is known can it be shown that the order does not hold one.

use std::collections::BTreeSet;

use datafusion::common::DFSchema;
use datafusion::logical_expr::expr::WindowFunction;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan, SortExpr};

use super::facts::{Attribute, Facts, Relation, window_function};
use super::written::{self, Call};
use super::{Finding, Site, listed, place};
use refx_core::diagnostic::Code;

pub(super) fn check(site: &Site<'_>, facts: &Facts, calls: &[Call], found: &mut Vec<Finding>) {
    let Some(from) = site.inputs.first() else {
        return;
    };
    match site.node {
        LogicalPlan::Window(window) => {
            let rows = Rows::new(facts, window.input.schema(), from, &window.input);
            for function in window.window_expr.iter().filter_map(window_function) {
                found.extend(rows.window(function, calls));
            }
        }
        LogicalPlan::Aggregate(aggregate) => {
            let rows = Rows::new(facts, aggregate.input.schema(), from, &aggregate.input);
            for expr in &aggregate.aggr_expr {
                if let Expr::AggregateFunction(function) = expr
                    && AGGREGATES.contains(&function.func.name())
                    && !function.params.distinct
                {
                    let picked = Picked {
                        name: function.func.name(),
                        args: &function.params.args,
                        groups: &aggregate.group_expr,
                        parts: &[],
                        order: &function.params.order_by,
                    };
                    found.extend(rows.picked(&picked, calls));
                }
            }
        }
        LogicalPlan::Sort(sort) if site.limited => {
            let rows = Rows::new(facts, sort.input.schema(), from, &sort.input);
            found.extend(rows.first(&sort.expr, "limit"));
        }
        LogicalPlan::Distinct(Distinct::On(on)) => {
            let rows = Rows::new(facts, on.input.schema(), from, &on.input);
            if let Some(order) = on
                .sort_expr
                .as_ref()
                .filter(|keys| keys.len() > on.on_expr.len())
            {
                found.extend(rows.first(order, "distinct on"));
            }
        }
        _ => {}
    }
}

/// Window functions that number rows, whatever their values are.
const NUMBERS: &[&str] = &["row_number", "ntile"];
/// Window functions that take the value of one row.
const PICKS: &[&str] = &["first_value", "last_value", "nth_value", "lag", "lead"];
/// Aggregates that take the value of one row, or all values in the order of the rows.
const AGGREGATES: &[&str] = &[
    "first_value",
    "last_value",
    "nth_value",
    "array_agg",
    "string_agg",
];

/// A call that takes rows by their order.
struct Picked<'a> {
    name: &'a str,
    args: &'a [Expr],
    /// What is the same for all rows that it compares: the groups of an aggregate, which are not
    /// written in the call, and the parts of a window, which are.
    groups: &'a [Expr],
    parts: &'a [Expr],
    order: &'a [SortExpr],
}

/// The rows that a step compares.
struct Rows<'a> {
    facts: &'a Facts,
    schema: &'a DFSchema,
    relation: &'a Relation,
    input: &'a LogicalPlan,
}

impl<'a> Rows<'a> {
    fn new(
        facts: &'a Facts,
        schema: &'a DFSchema,
        relation: &'a Relation,
        input: &'a LogicalPlan,
    ) -> Rows<'a> {
        Rows {
            facts,
            schema,
            relation,
            input,
        }
    }

    fn window(&self, function: &WindowFunction, calls: &[Call]) -> Option<Finding> {
        let name = function.fun.name();
        let numbers = NUMBERS.contains(&name);
        if !numbers && !PICKS.contains(&name) {
            return None;
        }
        let picked = Picked {
            name,
            // A number is of the row itself, and no value of it.
            args: if numbers { &[] } else { &function.params.args },
            groups: &[],
            parts: &function.params.partition_by,
            order: &function.params.order_by,
        };
        self.picked(&picked, calls)
    }

    fn picked(&self, picked: &Picked<'_>, calls: &[Call]) -> Option<Finding> {
        let constant = |key: &SortExpr| key.expr.column_refs().is_empty();
        if picked.order.iter().all(constant) {
            // Without an order there is more to say than that it is not total: `no-order`.
            return None;
        }
        let within = picked.groups.iter().chain(picked.parts);
        let within: Vec<Attribute> = within.filter_map(|expr| self.attribute(expr)).collect();
        let order = picked.order.iter();
        let order = order.filter_map(|key| self.attribute(&key.expr));
        let same = self.facts.decided(within.iter().copied());
        let decided = self.facts.decided(within.into_iter().chain(order));
        let value_is_decided = picked.args.first().is_some_and(|value| {
            let of = self.facts.attributes(value, self.schema, self.relation);
            of.iter().all(|attribute| decided.contains(attribute))
        });
        if decided.contains(&self.relation.row) || value_is_decided {
            return None;
        }
        let missing = self.missing(&same, &decided)?;
        let here = picked.order.iter().find_map(|key| place(&key.expr));
        let call = written::find(calls, picked.name, here, &self.columns_of(picked));
        Some(
            Finding::new(
                Code::PartialOrder,
                call.map(|call| call.place).or(here),
                format!(
                    "the order of `{}` does not tell all rows apart",
                    picked.name
                ),
            )
            .help(format!("order by {} as well", listed(&missing))),
        )
    }

    /// The columns that stand in the call, sorted.
    fn columns_of(&self, picked: &Picked<'_>) -> Vec<String> {
        let order = picked.order.iter().map(|key| &key.expr);
        let exprs = picked.args.iter().chain(picked.parts).chain(order);
        let mut columns: Vec<String> = exprs.flat_map(|expr| self.written(expr)).collect();
        columns.sort();
        columns.dedup();
        columns
    }

    /// The first of sorted rows.
    fn first(&self, order: &[SortExpr], what: &str) -> Option<Finding> {
        let keys = order.iter().filter_map(|key| self.attribute(&key.expr));
        let decided = self.facts.decided(keys);
        if decided.contains(&self.relation.row) {
            return None;
        }
        let missing = self.missing(&BTreeSet::new(), &decided)?;
        let here = order.iter().find_map(|key| place(&key.expr));
        Some(
            Finding::new(
                Code::PartialOrder,
                here,
                format!("the order before `{what}` does not tell all rows apart"),
            )
            .help(format!("order by {} as well", listed(&missing))),
        )
    }

    /// What an order has to hold to be total: the columns of the key that it does not decide. None
    /// where no key is known.
    fn missing(
        &self,
        same: &BTreeSet<Attribute>,
        decided: &BTreeSet<Attribute>,
    ) -> Option<Vec<String>> {
        let key = self.facts.key(self.relation)?;
        let missing: Vec<String> = key
            .into_iter()
            .filter(|column| {
                let attribute = self.relation.columns[*column];
                !same.contains(&attribute) && !decided.contains(&attribute)
            })
            .map(|column| self.schema.field(column).name().clone())
            .collect();
        // A key of many columns is that of rows which are merely distinct: it is no help to anyone.
        const MOST: usize = 4;
        (!missing.is_empty() && missing.len() <= MOST).then_some(missing)
    }

    fn attribute(&self, expr: &Expr) -> Option<Attribute> {
        self.facts.attribute(expr, self.schema, self.relation)
    }

    /// The names of columns as they were written: those of an aggregate's argument, not the
    /// aggregate's own.
    fn written(&self, expr: &Expr) -> Vec<String> {
        let mut names = Vec::new();
        for column in expr.column_refs() {
            let made = aggregate_below(self.input).and_then(|(aggregate, schema)| {
                let at = schema.maybe_index_of_column(column)?;
                aggregate.get(at.checked_sub(schema.fields().len() - aggregate.len())?)
            });
            match made {
                Some(made) => {
                    names.extend(
                        made.column_refs()
                            .into_iter()
                            .map(|column| column.name.clone()),
                    );
                }
                None => names.push(column.name.clone()),
            }
        }
        names
    }
}

/// The expressions of the aggregate that gives the rows, and its schema.
fn aggregate_below(plan: &LogicalPlan) -> Option<(&[Expr], &DFSchema)> {
    match plan {
        LogicalPlan::Aggregate(aggregate) => Some((&aggregate.aggr_expr, &aggregate.schema)),
        LogicalPlan::Filter(filter) => aggregate_below(&filter.input),
        _ => None,
    }
}
