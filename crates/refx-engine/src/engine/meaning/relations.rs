//! The digests of what each part of a plan gives: its columns, and what decides about its rows.

use std::collections::HashMap;

use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::utils::grouping_set_to_exprlist;
use datafusion::logical_expr::{
    Aggregate, Distinct, DistinctOn, Expr, Filter, Limit, LogicalPlan, Projection, RecursiveQuery,
    Sort, TableScan, Union, Unnest, Values, Window,
};

use super::super::Name;
use super::super::lineage::unaliased;
use super::super::scope::{Place, Scanned, WorkTable};
use super::expressions::{Value, or_null};
use super::taken::Taken;
use super::{ColumnKind, Digest, Meaning, Rows};

/// What is known of a part of a plan.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    pub columns: Vec<Value>,
    pub rows: Rows,
    /// The order of the rows, which matters to a limit above.
    pub order: Vec<Digest>,
}

impl Relation {
    /// Of the first column over these rows: what a subquery in an expression stands for.
    pub(super) fn value(&self) -> Digest {
        let column = self.columns.iter().take(1).map(|value| value.digest);
        let column: Vec<Digest> = column.collect();
        Digest::of("query")
            .list(&column)
            .digest(self.rows.digest())
            .end()
    }

    fn digests(&self) -> Vec<Digest> {
        self.columns.iter().map(|value| value.digest).collect()
    }
}

pub(super) struct Walk<'s> {
    state: &'s SessionState,
    known: &'s dyn Fn(&Name) -> Option<Meaning>,
}

impl<'s> Walk<'s> {
    pub(super) fn new(
        state: &'s SessionState,
        known: &'s dyn Fn(&Name) -> Option<Meaning>,
    ) -> Walk<'s> {
        Walk { state, known }
    }

    pub(super) fn top(&self, plan: &LogicalPlan) -> Relation {
        self.relation(plan, Place::top(), &mut Taken::default())
    }

    pub(super) fn relation(
        &self,
        plan: &LogicalPlan,
        place: Place<Value>,
        taken: &mut Taken,
    ) -> Relation {
        match plan {
            LogicalPlan::Projection(projection) => self.projection(projection, place, taken),
            LogicalPlan::Filter(filter) => self.filter(filter, place, taken),
            LogicalPlan::Window(window) => self.window(window, place, taken),
            LogicalPlan::Sort(sort) => self.sort(sort, place, taken),
            LogicalPlan::Join(join) => self.join(join, place, taken),
            LogicalPlan::Repartition(same) => self.relation(&same.input, place, taken),
            LogicalPlan::Subquery(subquery) => self.relation(&subquery.subquery, place, taken),
            LogicalPlan::SubqueryAlias(alias) => self.relation(&alias.input, place, taken),
            LogicalPlan::Unnest(unnest) => self.unnest(unnest, place, taken),
            LogicalPlan::Aggregate(aggregate) => taken.add(self.aggregate(aggregate, place)),
            LogicalPlan::Union(union) => taken.add(self.union(union, place)),
            LogicalPlan::TableScan(scan) => self.scan(scan, place, taken),
            LogicalPlan::Limit(limit) => taken.add(self.limit(limit, place)),
            LogicalPlan::Values(values) => taken.add(self.values(values, place)),
            LogicalPlan::Distinct(Distinct::All(input)) => taken.add(self.distinct(input, place)),
            LogicalPlan::Distinct(Distinct::On(on)) => taken.add(self.distinct_on(on, place)),
            LogicalPlan::RecursiveQuery(query) => taken.add(self.recursive(query, place)),
            LogicalPlan::EmptyRelation(empty) => {
                let rows = Digest::of("no table").flag(empty.produce_one_row).end();
                self.told_by_text(plan, rows)
            }
            // What only statements other than a SELECT are made of.
            LogicalPlan::Statement(_)
            | LogicalPlan::Explain(_)
            | LogicalPlan::Analyze(_)
            | LogicalPlan::Extension(_)
            | LogicalPlan::Dml(_)
            | LogicalPlan::Ddl(_)
            | LogicalPlan::Copy(_)
            | LogicalPlan::DescribeTable(_) => {
                let text = plan.display_indent().to_string();
                self.told_by_text(plan, Digest::of("statement").text(&text).end())
            }
        }
    }

    fn told_by_text(&self, plan: &LogicalPlan, rows: Digest) -> Relation {
        let fields = plan.schema().fields().iter();
        let columns = fields.map(|field| {
            let column = Digest::of("column of").digest(rows).text(field.name());
            Value::computed(column.end())
        });
        Relation {
            columns: columns.collect(),
            rows: Rows::one(rows),
            order: Vec::new(),
        }
    }

    /// A part of the plan that numbers its tables for itself.
    fn closed(&self, plan: &LogicalPlan, place: Place<Value>) -> Relation {
        self.relation(plan, place, &mut Taken::default())
    }

    fn projection(
        &self,
        projection: &Projection,
        place: Place<Value>,
        taken: &mut Taken,
    ) -> Relation {
        let input = self.relation(&projection.input, place, taken);
        let columns = place.scope(projection.input.schema(), &input.columns);
        let values = projection.expr.iter();
        Relation {
            columns: values.map(|one| self.value(one, &columns, place)).collect(),
            ..input
        }
    }

    fn filter(&self, filter: &Filter, place: Place<Value>, taken: &mut Taken) -> Relation {
        let mut relation = self.relation(&filter.input, place, taken);
        let columns = place.scope(filter.input.schema(), &relation.columns);
        let conditions = self.conditions(&filter.predicate, &columns, place);
        relation.rows.conditions.extend(conditions);
        relation
    }

    fn window(&self, window: &Window, place: Place<Value>, taken: &mut Taken) -> Relation {
        let mut relation = self.relation(&window.input, place, taken);
        let columns = place.scope(window.input.schema(), &relation.columns);
        let rows = relation.rows.digest();
        let values: Vec<Value> = window
            .window_expr
            .iter()
            .map(|expression| match unaliased(expression) {
                Expr::WindowFunction(function) => {
                    Value::computed(self.windowed(function, rows, &columns, place))
                }
                other => self.value(other, &columns, place),
            })
            .collect();
        relation.columns.extend(values);
        relation
    }

    fn aggregate(&self, aggregate: &Aggregate, place: Place<Value>) -> Relation {
        let input = self.closed(&aggregate.input, place);
        let columns = place.scope(aggregate.input.schema(), &input.columns);
        let keys = grouping_set_to_exprlist(&aggregate.group_expr).unwrap_or_default();
        let keys = keys.into_iter();
        let mut values: Vec<Value> = keys.map(|key| self.value(key, &columns, place)).collect();
        let digests = values.iter().map(|value| value.digest).collect();
        let mut group = grouped(digests, &input.rows);
        if let [Expr::GroupingSet(sets)] = aggregate.group_expr.as_slice() {
            let sets = self.digest(&Expr::GroupingSet(sets.clone()), &columns, place);
            group = Digest::of("grouping sets").digest(group).digest(sets).end();
            values = values.into_iter().map(or_null).collect();
            let id = Digest::of("grouping id").digest(group).end();
            values.push(Value::computed(id));
        }
        values.extend(
            aggregate
                .aggr_expr
                .iter()
                .map(|expression| match unaliased(expression) {
                    Expr::AggregateFunction(function) => {
                        Value::computed(self.aggregated(function, group, &columns, place))
                    }
                    other => self.value(other, &columns, place),
                }),
        );
        Relation {
            columns: values,
            rows: Rows::one(group),
            order: Vec::new(),
        }
    }

    fn sort(&self, sort: &Sort, place: Place<Value>, taken: &mut Taken) -> Relation {
        if sort.fetch.is_some() {
            let sorted = self.sorted(sort, place, &mut Taken::default());
            let fetch = Digest::of("fetch")
                .number(sort.fetch.unwrap_or_default())
                .end();
            return taken.add(cut(sorted, vec![fetch]));
        }
        self.sorted(sort, place, taken)
    }

    fn sorted(&self, sort: &Sort, place: Place<Value>, taken: &mut Taken) -> Relation {
        let mut relation = self.relation(&sort.input, place, taken);
        let columns = place.scope(sort.input.schema(), &relation.columns);
        relation.order = self.order(&sort.expr, &columns, place);
        relation
    }

    fn limit(&self, limit: &Limit, place: Place<Value>) -> Relation {
        let input = self.closed(&limit.input, place);
        let columns = place.scope(limit.input.schema(), &input.columns);
        let skip = self.digests(limit.skip.as_deref(), &columns, place);
        let fetch = self.digests(limit.fetch.as_deref(), &columns, place);
        let bounds = [skip, fetch].map(|bound| Digest::of("bound").list(&bound).end());
        cut(input, bounds.to_vec())
    }

    /// Each column is that of all branches, in the order in which they are written.
    fn union(&self, union: &Union, place: Place<Value>) -> Relation {
        let mut branches = Vec::new();
        self.branches(union, place, &mut branches);
        let width = union.schema.fields().len();
        let columns = (0..width).map(|index| {
            let values = branches
                .iter()
                .filter_map(|branch| branch.columns.get(index));
            let digests: Vec<Digest> = values.clone().map(|value| value.digest).collect();
            let copied = values.clone().all(|value| value.kind == ColumnKind::Copied);
            Value {
                digest: Digest::of("one of").list(&digests).end(),
                kind: match copied {
                    true => ColumnKind::Copied,
                    false => ColumnKind::Computed,
                },
            }
        });
        let rows: Vec<Digest> = branches.iter().map(|branch| branch.rows.digest()).collect();
        Relation {
            columns: columns.collect(),
            rows: Rows::one(Digest::of("union").list(&rows).end()),
            order: Vec::new(),
        }
    }

    fn branches(&self, union: &Union, place: Place<Value>, into: &mut Vec<Relation>) {
        for input in &union.inputs {
            match input.as_ref() {
                LogicalPlan::Union(inner) => self.branches(inner, place, into),
                other => into.push(self.closed(other, place)),
            }
        }
    }

    fn scan(&self, scan: &TableScan, place: Place<Value>, taken: &mut Taken) -> Relation {
        let fields = scan.projected_schema.fields();
        let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
        let table = match Scanned::of(scan, self.state) {
            Scanned::Table(name) => self.table(&name, &names),
            Scanned::WorkTable(name) => {
                let work = place.work.and_then(|work| work.named(name));
                let rows = Digest::of("its own rows").end();
                Relation {
                    columns: work.map(<[Value]>::to_vec).unwrap_or_default(),
                    rows: Rows::one(rows),
                    order: Vec::new(),
                }
            }
            Scanned::Function => {
                // Its arguments are in no part of the plan but the table itself.
                let rows = Digest::of("function").text(&format!("{:?}", scan.source.schema()));
                let rows = rows
                    .text(scan.table_name.table())
                    .text(&arguments(scan))
                    .end();
                columns_of(rows, &names)
            }
        };
        let mut table = taken.add(table);
        let columns = place.scope(&scan.projected_schema, &table.columns);
        let mut conditions = Vec::new();
        for filter in &scan.filters {
            conditions.extend(self.conditions(filter, &columns, place));
        }
        table.rows.conditions.extend(conditions);
        table
    }

    fn table(&self, name: &Name, columns: &[&str]) -> Relation {
        let table = Digest::of("table").text(&name.to_string()).end();
        let mut relation = columns_of(table, columns);
        if let Some(meaning) = (self.known)(name) {
            for (value, column) in relation.columns.iter_mut().zip(columns) {
                let known = meaning.columns.iter().find(|known| known.name == *column);
                if let Some(known) = known {
                    value.digest = known.digest;
                }
            }
            relation.rows = meaning.parts;
        }
        relation
    }

    fn values(&self, values: &Values, place: Place<Value>) -> Relation {
        let columns = place.scope(&values.schema, &[]);
        let rows: Vec<Vec<Digest>> = values
            .values
            .iter()
            .map(|row| self.digests(row, &columns, place))
            .collect();
        let whole: Vec<Digest> = rows
            .iter()
            .map(|row| Digest::of("row").list(row).end())
            .collect();
        let width = values.schema.fields().len();
        let columns = (0..width).map(|index| {
            let cells = rows.iter().filter_map(|row| row.get(index).copied());
            let cells: Vec<Digest> = cells.collect();
            Value::computed(Digest::of("one of").list(&cells).end())
        });
        Relation {
            columns: columns.collect(),
            rows: Rows::one(Digest::of("values").list(&whole).end()),
            order: Vec::new(),
        }
    }

    /// Rows of a kind are one, as where they are grouped by every column.
    fn distinct(&self, input: &LogicalPlan, place: Place<Value>) -> Relation {
        let input = self.closed(input, place);
        let group = grouped(input.digests(), &input.rows);
        Relation {
            columns: input.columns,
            rows: Rows::one(group),
            order: Vec::new(),
        }
    }

    fn distinct_on(&self, on: &DistinctOn, place: Place<Value>) -> Relation {
        let input = self.closed(&on.input, place);
        let columns = place.scope(on.input.schema(), &input.columns);
        let sorts = on.sort_expr.as_deref().unwrap_or_default();
        let rows = Digest::of("first of each")
            .bag(self.digests(&on.on_expr, &columns, place))
            .list(&self.order(sorts, &columns, place))
            .digest(input.rows.digest())
            .end();
        let selected = on.select_expr.iter();
        Relation {
            columns: selected
                .map(|one| self.value(one, &columns, place))
                .collect(),
            rows: Rows::one(rows),
            order: Vec::new(),
        }
    }

    fn unnest(&self, unnest: &Unnest, place: Place<Value>, taken: &mut Taken) -> Relation {
        let input = self.relation(&unnest.input, place, taken);
        let digest = |index: usize| input.columns.get(index).map(|value| value.digest);
        let spread: Vec<Digest> = unnest
            .list_type_columns
            .iter()
            .filter_map(|(index, list)| {
                let column = digest(*index)?;
                Some(
                    Digest::of("items of")
                        .number(list.depth)
                        .digest(column)
                        .end(),
                )
            })
            .collect();
        let lists: HashMap<&str, (usize, usize)> = unnest
            .list_type_columns
            .iter()
            .map(|(index, list)| (list.output_column.name.as_str(), (*index, list.depth)))
            .collect();
        let fields = unnest.schema.fields().iter();
        let columns = fields.zip(&unnest.dependency_indices);
        let columns = columns.map(|(field, index)| {
            let of = Digest::of("text").text(field.name()).end();
            let column = digest(*index).unwrap_or(of);
            match lists.get(field.name().as_str()) {
                Some((list, depth)) if list == index => {
                    let item = Digest::of("item of").number(*depth).digest(column);
                    Value::computed(item.end())
                }
                _ if unnest.struct_type_columns.contains(index) => {
                    let part = Digest::of("field").text(field.name()).digest(column);
                    Value::computed(part.end())
                }
                _ => input
                    .columns
                    .get(*index)
                    .copied()
                    .unwrap_or(Value::computed(column)),
            }
        });
        let rows = Digest::of("unnest")
            .list(&spread)
            .text(&format!("{:?}", unnest.options.null_handling))
            .digest(input.rows.digest())
            .end();
        Relation {
            columns: columns.collect(),
            rows: Rows::one(rows),
            order: Vec::new(),
        }
    }

    /// The recursive term sees the columns by their number, and each of them may go into each.
    fn recursive(&self, query: &RecursiveQuery, place: Place<Value>) -> Relation {
        let first = self.closed(&query.static_term, place);
        let own: Vec<Value> = (0..first.columns.len())
            .map(|index| Value::computed(Digest::of("its own column").number(index).end()))
            .collect();
        let work = WorkTable {
            name: &query.name,
            columns: &own,
            outside: place.work,
        };
        let inside = Place {
            outside: place.outside,
            work: Some(&work),
        };
        let next = self.closed(&query.recursive_term, inside);
        let rows = Digest::of("recursive")
            .flag(query.is_distinct)
            .list(&first.digests())
            .digest(first.rows.digest())
            .list(&next.digests())
            .digest(next.rows.digest())
            .end();
        let columns = (0..first.columns.len()).map(|index| {
            let column = Digest::of("column of").digest(rows).number(index);
            Value::computed(column.end())
        });
        Relation {
            columns: columns.collect(),
            rows: Rows::one(rows),
            order: Vec::new(),
        }
    }
}

fn columns_of(table: Digest, names: &[&str]) -> Relation {
    let columns = names.iter().map(|name| Value {
        digest: Digest::of("column").digest(table).text(name).end(),
        kind: ColumnKind::Copied,
    });
    Relation {
        columns: columns.collect(),
        rows: Rows::one(table),
        order: Vec::new(),
    }
}

/// The rows of a table function are told by its arguments, which only its own text has.
fn arguments(scan: &TableScan) -> String {
    let provider = datafusion::datasource::source_as_provider(&scan.source);
    provider.map_or_else(|_| String::new(), |provider| format!("{provider:?}"))
}

fn grouped(mut keys: Vec<Digest>, rows: &Rows) -> Digest {
    keys.sort_unstable();
    keys.dedup();
    Digest::of("group").list(&keys).digest(rows.digest()).end()
}

/// The first rows of a relation: its order decides which.
fn cut(relation: Relation, bounds: Vec<Digest>) -> Relation {
    let rows = Digest::of("limit")
        .list(&bounds)
        .list(&relation.order)
        .digest(relation.rows.digest())
        .end();
    Relation {
        rows: Rows::one(rows),
        ..relation
    }
}
