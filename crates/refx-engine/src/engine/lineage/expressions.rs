//! What an expression is made of.

use std::collections::{BTreeMap, BTreeSet};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, TableReference};
use datafusion::logical_expr::expr::{AggregateFunctionParams, Sort, WindowFunctionParams};
use datafusion::logical_expr::{Between, Expr, Operator, Subquery, WindowFunctionDefinition};

use super::super::Name;
use super::super::scope::{Place, Scope};
use super::relations::{Relation, Walk};
use super::{How, Influence, Input, Role};

/// What a column is made of, on its way through the plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Origin {
    pub inputs: BTreeMap<Input, How>,
    pub decided_by: BTreeSet<Influence>,
    pub counts: BTreeSet<Name>,
}

impl Origin {
    pub fn scanned(table: &Name, column: &str) -> Origin {
        let input = Input {
            table: table.clone(),
            column: column.to_owned(),
        };
        Origin {
            inputs: [(input, How::Copied)].into(),
            ..Origin::default()
        }
    }

    /// Takes in what another column is made of, each input at least as strongly as `how`.
    pub fn absorb(&mut self, other: &Origin, how: How) {
        for (input, &own) in &other.inputs {
            let strongest = own.max(how);
            match self.inputs.get_mut(input) {
                Some(known) => *known = strongest.max(*known),
                None => {
                    self.inputs.insert(input.clone(), strongest);
                }
            }
        }
        self.decided_by.extend(other.decided_by.iter().cloned());
        self.counts.extend(other.counts.iter().cloned());
    }

    /// The same columns, as what decides about something else.
    pub fn influences(&self, role: Role) -> impl Iterator<Item = Influence> + '_ {
        let own = self.inputs.keys().map(move |input| Influence {
            input: input.clone(),
            role,
        });
        own.chain(self.decided_by.iter().cloned())
    }
}

pub(super) type Columns<'a> = Scope<'a, Origin>;

impl Walk<'_> {
    /// What the value of an expression is made of. A plain column stays what it is.
    pub(super) fn origin(
        &self,
        expression: &Expr,
        columns: &Columns,
        place: Place<Origin>,
    ) -> Origin {
        match expression {
            Expr::Alias(alias) => self.origin(&alias.expr, columns, place),
            Expr::Column(column) => columns.column(column).cloned().unwrap_or_default(),
            Expr::OuterReferenceColumn(_, column) => outer(column, columns),
            Expr::ScalarSubquery(subquery) => self.subquery(subquery, columns, place).value(),
            _ => {
                let mut origin = Origin::default();
                self.gather(expression, How::Derived, columns, place, &mut origin);
                origin
            }
        }
    }

    /// Adds everything that an expression names.
    fn gather(
        &self,
        expression: &Expr,
        how: How,
        columns: &Columns,
        place: Place<Origin>,
        into: &mut Origin,
    ) {
        // The walk cannot fail: its step does not.
        let _ = expression.apply(|part| {
            match part {
                Expr::Column(column) => {
                    if let Some(origin) = columns.column(column) {
                        into.absorb(origin, how);
                    }
                }
                Expr::OuterReferenceColumn(_, column) => into.absorb(&outer(column, columns), how),
                Expr::ScalarSubquery(subquery) => {
                    into.absorb(&self.subquery(subquery, columns, place).value(), how);
                }
                Expr::InSubquery(test) => {
                    into.absorb(&self.subquery(&test.subquery, columns, place).value(), how);
                }
                Expr::SetComparison(test) => {
                    into.absorb(&self.subquery(&test.subquery, columns, place).value(), how);
                }
                Expr::Exists(test) => {
                    let relation = self.subquery(&test.subquery, columns, place);
                    into.decided_by.extend(relation.rows);
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }

    fn subquery(&self, subquery: &Subquery, columns: &Columns, place: Place<Origin>) -> Relation {
        let inside = Place {
            outside: Some(columns),
            work: place.work,
        };
        self.relation(&subquery.subquery, inside)
    }

    /// An aggregate over the rows of `tables`.
    pub(super) fn aggregated(
        &self,
        params: &AggregateFunctionParams,
        columns: &Columns,
        place: Place<Origin>,
        tables: &BTreeSet<Name>,
    ) -> Origin {
        let mut origin = Origin::default();
        for argument in &params.args {
            self.gather(argument, How::Aggregated, columns, place, &mut origin);
        }
        if origin.inputs.is_empty() {
            origin.counts.extend(tables.iter().cloned());
        }
        let filter = params.filter.as_deref();
        self.decide(filter, Role::Filter, columns, place, &mut origin);
        let order = params.order_by.iter().map(|sort| &sort.expr);
        self.decide(order, Role::Order, columns, place, &mut origin);
        origin
    }

    pub(super) fn windowed(
        &self,
        function: &WindowFunctionDefinition,
        params: &WindowFunctionParams,
        columns: &Columns,
        place: Place<Origin>,
        tables: &BTreeSet<Name>,
    ) -> Origin {
        let how = match function {
            WindowFunctionDefinition::AggregateUDF(_) => How::Aggregated,
            // `lag` and `first_value` give the value of one row.
            WindowFunctionDefinition::WindowUDF(_) => How::Derived,
        };
        let mut origin = Origin::default();
        for argument in &params.args {
            self.gather(argument, how, columns, place, &mut origin);
        }
        if origin.inputs.is_empty() {
            origin.counts.extend(tables.iter().cloned());
        }
        let filter = params.filter.as_deref();
        self.decide(filter, Role::Filter, columns, place, &mut origin);
        self.decide(
            &params.partition_by,
            Role::Partition,
            columns,
            place,
            &mut origin,
        );
        let order = params.order_by.iter().map(|sort| &sort.expr);
        self.decide(order, Role::Order, columns, place, &mut origin);
        origin
    }

    fn decide<'e>(
        &self,
        expressions: impl IntoIterator<Item = &'e Expr>,
        role: Role,
        columns: &Columns,
        place: Place<Origin>,
        origin: &mut Origin,
    ) {
        for expression in expressions {
            let influences = self.influences(expression, role, columns, place);
            origin.decided_by.extend(influences);
        }
    }

    pub(super) fn influences(
        &self,
        expression: &Expr,
        role: Role,
        columns: &Columns,
        place: Place<Origin>,
    ) -> BTreeSet<Influence> {
        self.origin(expression, columns, place)
            .influences(role)
            .collect()
    }

    pub(super) fn sorted(
        &self,
        sorts: &[Sort],
        role: Role,
        columns: &Columns,
        place: Place<Origin>,
    ) -> BTreeSet<Influence> {
        let sorts = sorts.iter();
        sorts
            .flat_map(|sort| self.influences(&sort.expr, role, columns, place))
            .collect()
    }

    /// What a condition names, told apart by what each of its comparisons does.
    pub(super) fn condition(
        &self,
        condition: &Expr,
        columns: &Columns,
        place: Place<Origin>,
        into: &mut BTreeSet<Influence>,
    ) {
        match condition {
            Expr::BinaryExpr(both) if matches!(both.op, Operator::And | Operator::Or) => {
                self.condition(&both.left, columns, place, into);
                self.condition(&both.right, columns, place, into);
            }
            other => {
                let role = match joins(other) {
                    true => Role::JoinKey,
                    false => Role::Filter,
                };
                into.extend(self.influences(other, role, columns, place));
            }
        }
    }
}

fn outer(column: &Column, columns: &Columns) -> Origin {
    let found = columns.outer(column);
    found.map(|(_, origin)| origin.clone()).unwrap_or_default()
}

/// Whether a condition compares columns of one table with those of another.
fn joins(condition: &Expr) -> bool {
    let (left, right): (&Expr, Vec<&Expr>) = match condition {
        Expr::BinaryExpr(both) if compares(both.op) => (&both.left, vec![&both.right]),
        Expr::Between(Between {
            expr, low, high, ..
        }) => (expr, vec![low, high]),
        _ => return false,
    };
    let left = tables(left);
    let right: BTreeSet<_> = right.into_iter().flat_map(tables).collect();
    !left.is_empty() && !right.is_empty() && left.is_disjoint(&right)
}

/// The tables that an expression names, by their aliases. None stands for columns without one.
fn tables(expression: &Expr) -> BTreeSet<(bool, Option<&TableReference>)> {
    let mut found = BTreeSet::new();
    // The walk cannot fail: its step does not.
    let _ = expression.apply(|part| {
        match part {
            Expr::Column(column) => {
                found.insert((false, column.relation.as_ref()));
            }
            Expr::OuterReferenceColumn(_, column) => {
                found.insert((true, column.relation.as_ref()));
            }
            _ => {}
        }
        Ok(TreeNodeRecursion::Continue)
    });
    found
}

fn compares(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}
