//! What the columns and rows of each part of a plan are made of.

use std::collections::BTreeSet;

use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, Join, JoinType, Limit, LogicalPlan, Projection,
    RecursiveQuery, Sort, TableScan, Union, Unnest, Values, Window,
};

use super::super::Name;
use super::super::scope::{Place, Scanned, Scope, WorkTable};
use super::expressions::Origin;
use super::{How, Influence, Role};

/// What is known of a part of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    pub columns: Vec<Origin>,
    pub rows: BTreeSet<Influence>,
    pub tables: BTreeSet<Name>,
    /// The order of the rows, which matters to a limit above.
    order: BTreeSet<Influence>,
}

impl Relation {
    /// The value that a subquery stands for: its first column, and what decides about its rows.
    pub(super) fn value(mut self) -> Origin {
        let mut value = match self.columns.is_empty() {
            true => Origin::default(),
            false => self.columns.swap_remove(0),
        };
        value.decided_by.extend(self.rows);
        value
    }

    fn unordered(self) -> Relation {
        Relation {
            order: BTreeSet::new(),
            ..self
        }
    }
}

pub(super) struct Walk<'s> {
    state: &'s SessionState,
}

impl<'s> Walk<'s> {
    pub(super) fn new(state: &'s SessionState) -> Walk<'s> {
        Walk { state }
    }

    pub(super) fn top(&self, plan: &LogicalPlan) -> Relation {
        self.relation(plan, Place::top())
    }

    pub(super) fn relation(&self, plan: &LogicalPlan, place: Place<Origin>) -> Relation {
        let mut relation = match plan {
            LogicalPlan::Projection(projection) => self.projection(projection, place),
            LogicalPlan::Filter(filter) => {
                let mut relation = self.relation(&filter.input, place);
                let columns = place.scope(filter.input.schema(), &relation.columns);
                self.condition(&filter.predicate, &columns, place, &mut relation.rows);
                relation
            }
            LogicalPlan::Window(window) => self.window(window, place),
            LogicalPlan::Aggregate(aggregate) => self.aggregate(aggregate, place),
            LogicalPlan::Sort(sort) => self.sort(sort, place),
            LogicalPlan::Join(join) => self.join(join, place),
            LogicalPlan::Repartition(repartition) => self.relation(&repartition.input, place),
            LogicalPlan::Union(union) => self.union(union, place),
            LogicalPlan::TableScan(scan) => self.scan(scan, place),
            LogicalPlan::Subquery(subquery) => self.relation(&subquery.subquery, place),
            LogicalPlan::SubqueryAlias(alias) => self.relation(&alias.input, place),
            LogicalPlan::Limit(limit) => self.limit(limit, place),
            LogicalPlan::Values(values) => self.values(values, place),
            LogicalPlan::Distinct(Distinct::All(input)) => self.distinct(input, place),
            LogicalPlan::Distinct(Distinct::On(on)) => self.distinct_on(on, place),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest, place),
            LogicalPlan::RecursiveQuery(query) => self.recursive(query, place),
            // What only statements other than a SELECT are made of, and nothing.
            LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => Relation {
                columns: vec![Origin::default(); plan.schema().fields().len()],
                ..Relation::default()
            },
        };
        let width = plan.schema().fields().len();
        debug_assert_eq!(relation.columns.len(), width, "{}", plan.display());
        relation.columns.resize(width, Origin::default());
        relation
    }

    fn projection(&self, projection: &Projection, place: Place<Origin>) -> Relation {
        let input = self.relation(&projection.input, place);
        let columns = place.scope(projection.input.schema(), &input.columns);
        let origins = projection.expr.iter();
        let origins = origins
            .map(|expression| self.origin(expression, &columns, place))
            .collect();
        Relation {
            columns: origins,
            ..input
        }
    }

    fn window(&self, window: &Window, place: Place<Origin>) -> Relation {
        let mut relation = self.relation(&window.input, place);
        let columns = place.scope(window.input.schema(), &relation.columns);
        let origins: Vec<Origin> = window
            .window_expr
            .iter()
            .map(|expression| match unaliased(expression) {
                Expr::WindowFunction(function) => self.windowed(
                    &function.fun,
                    &function.params,
                    &columns,
                    place,
                    &relation.tables,
                ),
                other => self.origin(other, &columns, place),
            })
            .collect();
        relation.columns.extend(origins);
        relation
    }

    fn aggregate(&self, aggregate: &Aggregate, place: Place<Origin>) -> Relation {
        let input = self.relation(&aggregate.input, place);
        let columns = place.scope(aggregate.input.schema(), &input.columns);
        let keys = grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default();
        let mut origins: Vec<Origin> = keys
            .iter()
            .map(|key| self.origin(key, &columns, place))
            .collect();
        let grouped: BTreeSet<Influence> = origins
            .iter()
            .flat_map(|origin| origin.influences(Role::GroupKey))
            .collect();
        if matches!(aggregate.group_expr.as_slice(), [Expr::GroupingSet(_)]) {
            // Which of the sets a row belongs to, as `grouping()` tells it.
            origins.push(Origin {
                decided_by: grouped.clone(),
                ..Origin::default()
            });
        }
        origins.extend(
            aggregate
                .aggr_expr
                .iter()
                .map(|expression| match unaliased(expression) {
                    Expr::AggregateFunction(function) => {
                        self.aggregated(&function.params, &columns, place, &input.tables)
                    }
                    other => self.origin(other, &columns, place),
                }),
        );
        let mut rows = input.rows;
        rows.extend(grouped);
        Relation {
            columns: origins,
            rows,
            tables: input.tables,
            order: BTreeSet::new(),
        }
    }

    fn sort(&self, sort: &Sort, place: Place<Origin>) -> Relation {
        let mut relation = self.relation(&sort.input, place);
        let columns = place.scope(sort.input.schema(), &relation.columns);
        relation.order = self.sorted(&sort.expr, Role::Sort, &columns, place);
        match sort.fetch {
            Some(_) => cut(relation),
            None => relation,
        }
    }

    fn limit(&self, limit: &Limit, place: Place<Origin>) -> Relation {
        cut(self.relation(&limit.input, place))
    }

    fn join(&self, join: &Join, place: Place<Origin>) -> Relation {
        let left = self.relation(&join.left, place);
        let beside = Scope {
            lateral: true,
            ..place.scope(join.left.schema(), &left.columns)
        };
        let right = match is_lateral(&join.right) {
            true => Place {
                outside: Some(&beside),
                work: place.work,
            },
            false => place,
        };
        let right = self.relation(&join.right, right);

        let mut rows = BTreeSet::new();
        let on_left = place.scope(join.left.schema(), &left.columns);
        let on_right = place.scope(join.right.schema(), &right.columns);
        for (one, other) in &join.on {
            rows.extend(self.influences(one, Role::JoinKey, &on_left, place));
            rows.extend(self.influences(other, Role::JoinKey, &on_right, place));
        }
        if let Some(filter) = &join.filter {
            let both = [left.columns.as_slice(), right.columns.as_slice()].concat();
            // The schema of a semi join has the columns of one side only.
            if let Ok(schema) = join.left.schema().join(join.right.schema()) {
                let columns = place.scope(&schema, &both);
                self.condition(filter, &columns, place, &mut rows);
            }
        }
        rows.extend(left.rows);
        rows.extend(right.rows);
        Relation {
            columns: joined(join.join_type, left.columns, right.columns, &rows),
            rows,
            tables: left.tables.into_iter().chain(right.tables).collect(),
            order: BTreeSet::new(),
        }
    }

    fn union(&self, union: &Union, place: Place<Origin>) -> Relation {
        let inputs = union.inputs.iter();
        let inputs = inputs.map(|input| self.relation(input, place).unordered());
        inputs
            .reduce(|mut all, one| {
                for (column, other) in all.columns.iter_mut().zip(&one.columns) {
                    column.absorb(other, How::Copied);
                }
                all.rows.extend(one.rows);
                all.tables.extend(one.tables);
                all
            })
            .unwrap_or_default()
    }

    fn scan(&self, scan: &TableScan, place: Place<Origin>) -> Relation {
        let fields = scan.projected_schema.fields();
        let nothing = || vec![Origin::default(); fields.len()];
        let mut relation = match Scanned::of(scan, self.state) {
            Scanned::Table(table) => Relation {
                columns: fields
                    .iter()
                    .map(|field| Origin::scanned(&table, field.name()))
                    .collect(),
                tables: [table].into(),
                ..Relation::default()
            },
            Scanned::WorkTable(name) => {
                let columns = place.work.and_then(|work| work.named(name));
                Relation {
                    columns: columns.map_or_else(nothing, <[Origin]>::to_vec),
                    ..Relation::default()
                }
            }
            Scanned::Function => Relation {
                columns: nothing(),
                ..Relation::default()
            },
        };
        let columns = place.scope(&scan.projected_schema, &relation.columns);
        for filter in &scan.filters {
            self.condition(filter, &columns, place, &mut relation.rows);
        }
        relation
    }

    fn values(&self, values: &Values, place: Place<Origin>) -> Relation {
        let mut origins = vec![Origin::default(); values.schema.fields().len()];
        let columns = place.scope(&values.schema, &[]);
        for row in &values.values {
            for (origin, value) in origins.iter_mut().zip(row) {
                origin.absorb(&self.origin(value, &columns, place), How::Derived);
            }
        }
        Relation {
            columns: origins,
            ..Relation::default()
        }
    }

    fn distinct(&self, input: &LogicalPlan, place: Place<Origin>) -> Relation {
        let mut relation = self.relation(input, place).unordered();
        let columns = relation.columns.iter();
        let influences = columns.flat_map(|origin| origin.influences(Role::Distinct));
        relation.rows.extend(influences);
        relation
    }

    fn distinct_on(&self, on: &DistinctOn, place: Place<Origin>) -> Relation {
        let mut relation = self.relation(&on.input, place).unordered();
        let columns = place.scope(on.input.schema(), &relation.columns);
        for key in &on.on_expr {
            let influences = self.influences(key, Role::Distinct, &columns, place);
            relation.rows.extend(influences);
        }
        let sorts = on.sort_expr.as_deref().unwrap_or_default();
        let order = self.sorted(sorts, Role::Sort, &columns, place);
        let selected = on.select_expr.iter();
        let selected = selected
            .map(|expression| self.origin(expression, &columns, place))
            .collect();
        relation.rows.extend(order);
        relation.columns = selected;
        relation
    }

    fn unnest(&self, unnest: &Unnest, place: Place<Origin>) -> Relation {
        let mut relation = self.relation(&unnest.input, place);
        let spread: BTreeSet<usize> = unnest
            .list_type_columns
            .iter()
            .map(|(index, _)| *index)
            .collect();
        let taken_apart =
            |index: &usize| spread.contains(index) || unnest.struct_type_columns.contains(index);
        let columns = unnest
            .dependency_indices
            .iter()
            .map(|index| {
                let input = relation.columns.get(*index).cloned().unwrap_or_default();
                match taken_apart(index) {
                    true => {
                        let mut origin = Origin::default();
                        origin.absorb(&input, How::Derived);
                        origin
                    }
                    false => input,
                }
            })
            .collect();
        for index in &spread {
            if let Some(list) = relation.columns.get(*index) {
                relation.rows.extend(list.influences(Role::Unnest));
            }
        }
        relation.columns = columns;
        relation
    }

    /// What the recursive term adds may depend on what it added before, so it is walked until
    /// nothing is new. Each turn adds to finite sets, so there is an end.
    fn recursive(&self, query: &RecursiveQuery, place: Place<Origin>) -> Relation {
        let mut relation = self.relation(&query.static_term, place).unordered();
        loop {
            let work = WorkTable {
                name: &query.name,
                columns: &relation.columns,
                outside: place.work,
            };
            let inside = Place {
                outside: place.outside,
                work: Some(&work),
            };
            let step = self.relation(&query.recursive_term, inside);
            let mut next = relation.clone();
            for (column, other) in next.columns.iter_mut().zip(&step.columns) {
                column.absorb(other, How::Copied);
            }
            next.rows.extend(step.rows);
            next.tables.extend(step.tables);
            if next.columns == relation.columns && next.rows == relation.rows {
                break;
            }
            relation = next;
        }
        if query.is_distinct {
            let columns = relation.columns.iter();
            let influences = columns.flat_map(|origin| origin.influences(Role::Distinct));
            relation.rows.extend(influences);
        }
        relation
    }
}

/// The first rows of a relation: its order decides which.
fn cut(mut relation: Relation) -> Relation {
    let order = std::mem::take(&mut relation.order);
    relation.rows.extend(order);
    relation
}

fn joined(
    join_type: JoinType,
    left: Vec<Origin>,
    right: Vec<Origin>,
    rows: &BTreeSet<Influence>,
) -> Vec<Origin> {
    let mark = || Origin {
        decided_by: rows.clone(),
        ..Origin::default()
    };
    match join_type {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {
            left.into_iter().chain(right).collect()
        }
        JoinType::LeftSemi | JoinType::LeftAnti => left,
        JoinType::RightSemi | JoinType::RightAnti => right,
        JoinType::LeftMark => left.into_iter().chain([mark()]).collect(),
        JoinType::RightMark => right.into_iter().chain([mark()]).collect(),
    }
}

/// Whether a table of a FROM may name columns of those before it.
pub(in crate::engine) fn is_lateral(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::SubqueryAlias(alias) => is_lateral(&alias.input),
        other => matches!(other, LogicalPlan::Subquery(_)),
    }
}

pub(in crate::engine) fn unaliased(expression: &Expr) -> &Expr {
    match expression {
        Expr::Alias(alias) => unaliased(&alias.expr),
        other => other,
    }
}
