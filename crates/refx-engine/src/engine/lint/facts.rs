//! What is known of the rows of each step of a plan: which columns decide which others.
//!
//! Every column that a scan or an expression makes is an *attribute*, which keeps its number
//! wherever in the plan it shows; so is the identity of each relation's rows. A dependency says that
//! some attributes decide others: a primary key decides the row, the row decides all columns, the
//! groups of an aggregate decide its row, equal columns decide each other. A set of columns is a key
//! exactly when it decides the row.
//!
//! Nothing is guessed: a table whose key is not known has rows that nothing decides.

use std::collections::{BTreeSet, HashMap};

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion, TreeNodeVisitor};
use datafusion::common::{DFSchema, DataFusionError, JoinType};
use datafusion::logical_expr::expr::{Cast, WindowFunction};
use datafusion::logical_expr::utils::split_conjunction;
use datafusion::logical_expr::{
    Aggregate, BinaryExpr, Distinct, Expr, ExprSchemable, Join, LogicalPlan, Operator, Projection,
    TableScan, Window,
};

use super::{Keys, Site, types};
use crate::engine::SCHEMA;

pub(super) type Attribute = usize;

/// The rows of a step: its columns in the order of its schema, and what stands for the row itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Relation {
    pub(super) columns: Vec<Attribute>,
    pub(super) row: Attribute,
    /// The relations that were joined to make it.
    pub(super) parts: Vec<Part>,
    /// Whether something in it makes keys that dependencies cannot express: a condition that picks
    /// rows, a full join.
    pub(super) picked: bool,
}

/// A relation among those that were joined.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) name: String,
    pub(super) row: Attribute,
    pub(super) columns: Vec<Attribute>,
}

/// The dependencies of a plan, as far as it was walked.
#[derive(Default)]
pub(super) struct Facts {
    attributes: Attribute,
    dependencies: Vec<(Vec<Attribute>, Vec<Attribute>)>,
    /// Tables by schema and name, and the columns that identify their rows.
    keys: HashMap<(String, String), Vec<Vec<String>>>,
}

impl Relation {
    fn as_part(&self, name: &str) -> Vec<Part> {
        vec![Part {
            name: name.to_owned(),
            row: self.row,
            columns: self.columns.clone(),
        }]
    }
}

impl Facts {
    /// Walks a plan from its scans upwards. `seen` is called at each step, with what is known of its
    /// inputs. Gives what is known of the result.
    pub(super) fn of(
        plan: &LogicalPlan,
        keys: &Keys,
        seen: &mut dyn FnMut(&Site<'_>, &Facts),
    ) -> (Relation, Facts) {
        let keys = keys.iter().map(|(name, keys)| {
            let schema = name.schema.clone().unwrap_or_else(|| SCHEMA.to_owned());
            ((schema, name.table.clone()), keys.clone())
        });
        let facts = Facts {
            keys: keys.collect(),
            ..Facts::default()
        };
        let mut walk = Walk {
            facts,
            seen,
            done: Vec::new(),
            limited: Vec::new(),
        };
        let result = walk.through(plan);
        (result, walk.facts)
    }

    /// All attributes that the given ones decide.
    pub(super) fn decided(&self, by: impl IntoIterator<Item = Attribute>) -> BTreeSet<Attribute> {
        let mut known: BTreeSet<Attribute> = by.into_iter().collect();
        let mut waiting: Vec<&(Vec<Attribute>, Vec<Attribute>)> =
            self.dependencies.iter().collect();
        loop {
            let before = waiting.len();
            waiting.retain(|(from, to)| {
                let holds = from.iter().all(|attribute| known.contains(attribute));
                if holds {
                    known.extend(to);
                }
                !holds
            });
            if waiting.len() == before {
                return known;
            }
        }
    }

    /// The fewest columns that are known to identify a row, as positions; those that come first are
    /// preferred. None where no columns are known to.
    pub(super) fn key(&self, relation: &Relation) -> Option<Vec<usize>> {
        let decides = |columns: &BTreeSet<usize>| {
            self.decided(columns.iter().map(|column| relation.columns[*column]))
                .contains(&relation.row)
        };
        let mut key: BTreeSet<usize> = (0..relation.columns.len()).collect();
        if !decides(&key) {
            return None;
        }
        for column in (0..relation.columns.len()).rev() {
            key.remove(&column);
            if !decides(&key) {
                key.insert(column);
            }
        }
        Some(key.into_iter().collect())
    }

    /// The attribute that an expression gives, where it is a column or something that tells the same
    /// values apart.
    pub(super) fn attribute(
        &self,
        expr: &Expr,
        schema: &DFSchema,
        relation: &Relation,
    ) -> Option<Attribute> {
        match expr {
            Expr::Column(column) => {
                let at = schema.maybe_index_of_column(column)?;
                relation.columns.get(at).copied()
            }
            Expr::Alias(alias) => self.attribute(&alias.expr, schema, relation),
            Expr::Negative(inner) => self.attribute(inner, schema, relation),
            Expr::Cast(Cast { expr, field }) => {
                let from = expr.get_type(schema).ok()?;
                types::widens(&from, field.data_type())
                    .then(|| self.attribute(expr, schema, relation))?
            }
            _ => None,
        }
    }

    /// The attributes of all columns in an expression.
    pub(super) fn attributes(
        &self,
        expr: &Expr,
        schema: &DFSchema,
        relation: &Relation,
    ) -> Vec<Attribute> {
        let columns = expr.column_refs();
        let of = columns.into_iter().filter_map(|column| {
            let at = schema.maybe_index_of_column(column)?;
            relation.columns.get(at).copied()
        });
        of.collect()
    }

    fn fresh(&mut self) -> Attribute {
        self.attributes += 1;
        self.attributes
    }

    fn decide(&mut self, from: Vec<Attribute>, to: Vec<Attribute>) {
        self.dependencies.push((from, to));
    }

    /// Rows of which nothing is known.
    fn anything(&mut self, columns: usize) -> Relation {
        let relation = Relation {
            columns: (0..columns).map(|_| self.fresh()).collect(),
            row: self.fresh(),
            ..Relation::default()
        };
        self.decide(vec![relation.row], relation.columns.clone());
        relation
    }

    fn scan(&mut self, scan: &TableScan) -> Relation {
        let fields = scan.projected_schema.fields();
        let mut relation = self.anything(fields.len());
        let schema = scan.table_name.schema().unwrap_or(SCHEMA).to_owned();
        let table = scan.table_name.table().to_owned();
        relation.parts = relation.as_part(&table);
        for key in self.keys.get(&(schema, table)).cloned().unwrap_or_default() {
            let columns = key.iter().map(|name| {
                let at = fields.iter().position(|field| field.name() == name)?;
                Some(relation.columns[at])
            });
            if let Some(columns) = columns.collect::<Option<Vec<_>>>() {
                self.decide(columns, vec![relation.row]);
            }
        }
        relation
    }

    /// The columns that expressions make of a relation.
    fn project(&mut self, exprs: &[Expr], schema: &DFSchema, from: &Relation) -> Vec<Attribute> {
        let mut columns = Vec::with_capacity(exprs.len());
        for expr in exprs {
            let known = self.attribute(expr, schema, from);
            columns.push(known.unwrap_or_else(|| {
                let made = self.fresh();
                self.decide(vec![from.row], vec![made]);
                if is_function_of_columns(expr) {
                    let of = self.attributes(expr, schema, from);
                    self.decide(of, vec![made]);
                }
                made
            }));
        }
        columns
    }

    /// What a condition says of the rows that fulfil it.
    fn filter(&mut self, condition: &Expr, schema: &DFSchema, relation: &mut Relation) {
        for part in split_conjunction(condition) {
            match equated(part) {
                Some((left, right)) => {
                    let a = self.attribute(left, schema, relation);
                    let b = self.attribute(right, schema, relation);
                    match (a, b) {
                        (Some(a), Some(b)) => {
                            self.decide(vec![a], vec![b]);
                            self.decide(vec![b], vec![a]);
                        }
                        (Some(a), None) if right.column_refs().is_empty() => {
                            self.constant(a, relation);
                        }
                        (None, Some(b)) if left.column_refs().is_empty() => {
                            self.constant(b, relation);
                        }
                        _ => relation.picked = true,
                    }
                }
                None => relation.picked |= picks(part),
            }
        }
    }

    /// A column with one value. Where that does not make a key, the row may be picked all the same:
    /// `where rank = 1`.
    fn constant(&mut self, attribute: Attribute, relation: &mut Relation) {
        self.decide(Vec::new(), vec![attribute]);
        relation.picked = true;
    }

    fn join(&mut self, join: &Join, left: Relation, right: Relation) -> Relation {
        match join.join_type {
            JoinType::LeftSemi | JoinType::LeftAnti => {
                return Relation {
                    picked: true,
                    ..left
                };
            }
            JoinType::RightSemi | JoinType::RightAnti => {
                return Relation {
                    picked: true,
                    ..right
                };
            }
            JoinType::LeftMark | JoinType::RightMark => {
                return self.anything(join.schema.fields().len());
            }
            JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => {}
        }
        let mut joined = Relation {
            row: self.fresh(),
            picked: left.picked || right.picked,
            parts: [left.parts.clone(), right.parts.clone()].concat(),
            columns: [left.columns.clone(), right.columns.clone()].concat(),
        };
        self.decide(vec![left.row, right.row], vec![joined.row]);
        self.decide(vec![joined.row], vec![left.row, right.row]);
        match join.join_type {
            JoinType::Inner => {
                for (a, b) in &join.on {
                    let equal = a.clone().eq(b.clone());
                    self.filter(&equal, &join.schema, &mut joined);
                }
                if let Some(filter) = &join.filter {
                    self.filter(filter, &join.schema, &mut joined);
                }
            }
            JoinType::Left => self.outer(join, &mut joined, left.columns.len(), true),
            JoinType::Right => self.outer(join, &mut joined, left.columns.len(), false),
            _ => joined.picked = true,
        }
        joined
    }

    /// The rows of one side are all there. What they are compared by decides the columns that the
    /// other side is compared by, for these are equal or NULL.
    fn outer(&mut self, join: &Join, joined: &mut Relation, middle: usize, left_stays: bool) {
        let schema = &join.schema;
        let stays =
            |at: usize, joined: &Relation| joined.columns[..middle].contains(&at) == left_stays;
        let mut equal: Vec<(&Expr, &Expr)> = join.on.iter().map(|(a, b)| (a, b)).collect();
        let mut rest = Vec::new();
        for part in join.filter.iter().flat_map(split_conjunction) {
            match equated(part) {
                Some(pair) => equal.push(pair),
                None => rest.push(part),
            }
        }
        let mut compared = Vec::new();
        let mut decided = Vec::new();
        for (a, b) in equal {
            let known = (
                self.attribute(a, schema, joined),
                self.attribute(b, schema, joined),
            );
            match known {
                (Some(a), Some(b)) if stays(a, joined) != stays(b, joined) => {
                    let (kept, other) = if stays(a, joined) { (a, b) } else { (b, a) };
                    compared.push(kept);
                    decided.push(other);
                }
                (Some(one), None) | (None, Some(one))
                    if !stays(one, joined)
                        && (a.column_refs().is_empty() || b.column_refs().is_empty()) =>
                {
                    decided.push(one);
                    joined.picked = true;
                }
                _ => {
                    compared.extend(self.kept(a, schema, joined, &stays));
                    compared.extend(self.kept(b, schema, joined, &stays));
                    joined.picked = true;
                }
            }
        }
        for part in rest {
            compared.extend(self.kept(part, schema, joined, &stays));
            joined.picked |= picks(part);
        }
        self.decide(compared, decided);
    }

    fn kept(
        &self,
        expr: &Expr,
        schema: &DFSchema,
        joined: &Relation,
        stays: &dyn Fn(usize, &Relation) -> bool,
    ) -> Vec<Attribute> {
        let mut columns = self.attributes(expr, schema, joined);
        columns.retain(|attribute| stays(*attribute, joined));
        columns
    }

    fn aggregate(&mut self, aggregate: &Aggregate, from: Relation) -> Relation {
        let sets = |expr: &Expr| matches!(expr, Expr::GroupingSet(_));
        if aggregate.group_expr.iter().any(sets) {
            return self.anything(aggregate.schema.fields().len());
        }
        let groups = self.project(&aggregate.group_expr, aggregate.input.schema(), &from);
        let mut grouped = self.anything(aggregate.aggr_expr.len());
        self.decide(groups.clone(), vec![grouped.row]);
        self.decide(vec![grouped.row], groups.clone());
        grouped.columns = [groups, grouped.columns].concat();
        // What was picked below made fewer rows of the input; of the groups it says nothing, unless
        // it holds a part of the group still, which a dependency then says.
        grouped.picked = from.picked && !aggregate.group_expr.is_empty();
        grouped
    }

    fn window(&mut self, window: &Window, mut from: Relation) -> Relation {
        let schema = window.input.schema();
        for expr in &window.window_expr {
            let made = self.fresh();
            self.decide(vec![from.row], vec![made]);
            if let Some(function) = window_function(expr)
                && function.fun.name() == "row_number"
            {
                let parts = function.params.partition_by.iter();
                let parts = parts.map(|part| self.attribute(part, schema, &from));
                if let Some(mut numbered) = parts.collect::<Option<Vec<_>>>() {
                    numbered.push(made);
                    self.decide(numbered, vec![from.row]);
                }
            }
            from.columns.push(made);
        }
        from
    }

    fn distinct(&mut self, distinct: &Distinct, from: Relation) -> Relation {
        let row = self.fresh();
        let (columns, key) = match distinct {
            Distinct::All(_) => (from.columns.clone(), from.columns.clone()),
            Distinct::On(on) => {
                let schema = on.input.schema();
                let columns = self.project(&on.select_expr, schema, &from);
                let key = self.project(&on.on_expr, schema, &from);
                (columns, key)
            }
        };
        self.decide(key, vec![row]);
        self.decide(vec![row], columns.clone());
        Relation {
            columns,
            row,
            // That rows differ in some column says nothing against a key of fewer.
            picked: true,
            parts: Vec::new(),
        }
    }
}

/// A walk from the scans upwards: a step finds what is known of its inputs on the stack.
struct Walk<'a> {
    facts: Facts,
    seen: &'a mut dyn FnMut(&Site<'_>, &Facts),
    done: Vec<Relation>,
    /// The sorts of which only the first rows are taken.
    limited: Vec<*const LogicalPlan>,
}

impl Walk<'_> {
    fn through(&mut self, plan: &LogicalPlan) -> Relation {
        let outer = std::mem::take(&mut self.done);
        // The walk cannot fail: its steps do not.
        let _ = plan.visit(self);
        let result = self.done.pop();
        self.done = outer;
        result.unwrap_or_default()
    }

    fn step(&mut self, node: &LogicalPlan, mut inputs: Vec<Relation>) -> Relation {
        let facts = &mut self.facts;
        let mut take = || inputs.pop().unwrap_or_default();
        match node {
            LogicalPlan::TableScan(scan) => facts.scan(scan),
            LogicalPlan::Projection(Projection { expr, input, .. }) => {
                let from = take();
                let columns = facts.project(expr, input.schema(), &from);
                Relation { columns, ..from }
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let mut from = take();
                // The rows of a join are still those of its parts, whatever it is called.
                if from.parts.len() < 2 {
                    from.parts = from.as_part(alias.alias.table());
                }
                from
            }
            LogicalPlan::Sort(_) | LogicalPlan::Repartition(_) | LogicalPlan::Subquery(_) => take(),
            LogicalPlan::Filter(filter) => {
                let mut from = take();
                facts.filter(&filter.predicate, filter.input.schema(), &mut from);
                from
            }
            LogicalPlan::Join(join) => {
                let right = take();
                let left = take();
                facts.join(join, left, right)
            }
            LogicalPlan::Aggregate(aggregate) => facts.aggregate(aggregate, take()),
            LogicalPlan::Window(window) => facts.window(window, take()),
            LogicalPlan::Distinct(distinct) => facts.distinct(distinct, take()),
            LogicalPlan::Limit(_) => Relation {
                picked: true,
                ..take()
            },
            LogicalPlan::EmptyRelation(_) => {
                let one = facts.anything(node.schema().fields().len());
                facts.decide(Vec::new(), vec![one.row]);
                one
            }
            other => facts.anything(other.schema().fields().len()),
        }
    }
}

impl<'n> TreeNodeVisitor<'n> for Walk<'_> {
    type Node = LogicalPlan;

    fn f_down(&mut self, node: &'n LogicalPlan) -> Result<TreeNodeRecursion, DataFusionError> {
        if let LogicalPlan::Limit(limit) = node {
            let mut below = limit.input.as_ref();
            while let LogicalPlan::Projection(projection) = below {
                below = projection.input.as_ref();
            }
            self.limited.push(below);
        }
        Ok(TreeNodeRecursion::Continue)
    }

    fn f_up(&mut self, node: &'n LogicalPlan) -> Result<TreeNodeRecursion, DataFusionError> {
        node.apply_subqueries(|inner| {
            self.through(inner);
            Ok(TreeNodeRecursion::Jump)
        })?;
        let count = node.inputs().len().min(self.done.len());
        let inputs = self.done.split_off(self.done.len() - count);
        let site = Site {
            node,
            inputs: &inputs,
            limited: self.limited.contains(&std::ptr::from_ref(node)),
        };
        (self.seen)(&site, &self.facts);
        let made = self.step(node, inputs);
        self.done.push(made);
        Ok(TreeNodeRecursion::Continue)
    }
}

pub(super) fn window_function(expr: &Expr) -> Option<&WindowFunction> {
    match expr {
        Expr::WindowFunction(function) => Some(function),
        Expr::Alias(alias) => window_function(&alias.expr),
        _ => None,
    }
}

/// The two sides of an equality.
fn equated(expr: &Expr) -> Option<(&Expr, &Expr)> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Eq,
            right,
        }) => Some((left, right)),
        _ => None,
    }
}

/// Whether a condition may pick one row among those of a key. Ranges and checks for NULL hardly do.
fn picks(condition: &Expr) -> bool {
    match condition {
        Expr::BinaryExpr(BinaryExpr { op, .. }) => !matches!(
            op,
            Operator::Lt | Operator::LtEq | Operator::Gt | Operator::GtEq | Operator::NotEq
        ),
        Expr::IsNotNull(_) | Expr::Like(_) | Expr::Between(_) | Expr::InSubquery(_) => false,
        _ => true,
    }
}

fn is_function_of_columns(expr: &Expr) -> bool {
    let other = |part: &Expr| {
        Ok(part.is_volatile_node()
            || matches!(
                part,
                Expr::ScalarSubquery(_)
                    | Expr::Exists(_)
                    | Expr::InSubquery(_)
                    | Expr::OuterReferenceColumn(..)
                    | Expr::AggregateFunction(_)
                    | Expr::WindowFunction(_)
                    | Expr::Unnest(_)
            ))
    };
    !expr.exists(other).unwrap_or(true)
}
