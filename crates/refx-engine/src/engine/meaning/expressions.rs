//! The digest of an expression, resolved down to the columns of scanned tables.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{
    AggregateFunction, Case, InList, Like, NullTreatment, Sort, WindowFunction,
};
use datafusion::logical_expr::{Between, BinaryExpr, Cast, Expr, Operator, Subquery};

use super::super::scope::{Place, Scope};
use super::relations::{Relation, Walk};
use super::taken::Taken;
use super::{ColumnKind, Digest};

/// What is known of a column, on its way through the plan.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub digest: Digest,
    pub kind: ColumnKind,
}

impl Value {
    pub fn computed(digest: Digest) -> Value {
        Value {
            digest,
            kind: ColumnKind::Computed,
        }
    }
}

pub(super) type Columns<'a> = Scope<'a, Value>;

impl Walk<'_> {
    pub(super) fn value(&self, expression: &Expr, columns: &Columns, place: Place<Value>) -> Value {
        match expression {
            Expr::Alias(alias) => self.value(&alias.expr, columns, place),
            Expr::Column(column) => match columns.column(column) {
                Some(value) => *value,
                None => Value::computed(unresolved(expression)),
            },
            _ => Value::computed(self.digest(expression, columns, place)),
        }
    }

    pub(super) fn digest(
        &self,
        expression: &Expr,
        columns: &Columns,
        place: Place<Value>,
    ) -> Digest {
        match expression {
            Expr::Alias(alias) => self.digest(&alias.expr, columns, place),
            Expr::Column(column) => match columns.column(column) {
                Some(value) => value.digest,
                None => unresolved(expression),
            },
            Expr::OuterReferenceColumn(_, column) => match columns.outer(column) {
                // A table of the same FROM.
                Some((0, value)) => value.digest,
                // The queries inside and outside number their tables apart.
                Some((distance, value)) => {
                    let outer = Digest::of("outer").number(distance);
                    outer.digest(value.digest).end()
                }
                None => unresolved(expression),
            },
            Expr::Literal(value, _) => literal(value),
            Expr::BinaryExpr(binary) => self.binary(binary, columns, place),
            Expr::Between(between) => self.between(between, columns, place),
            Expr::InList(list) => self.in_list(list, columns, place),
            Expr::Like(like) => self.like("like", like, columns, place),
            Expr::SimilarTo(like) => self.like("similar to", like, columns, place),
            Expr::Not(inner) => not(self.digest(inner, columns, place)),
            Expr::IsNotNull(inner) => not(is_null(self.digest(inner, columns, place))),
            Expr::IsNull(inner) => is_null(self.digest(inner, columns, place)),
            Expr::Cast(cast) => self.cast(cast, columns, place),
            Expr::Case(case) => self.case(case, columns, place),
            Expr::ScalarSubquery(_)
            | Expr::Exists(_)
            | Expr::InSubquery(_)
            | Expr::SetComparison(_) => self.subquery(expression, columns, place),
            other => self.other(other, columns, place),
        }
    }

    pub(super) fn digests<'e>(
        &self,
        expressions: impl IntoIterator<Item = &'e Expr>,
        columns: &Columns,
        place: Place<Value>,
    ) -> Vec<Digest> {
        let expressions = expressions.into_iter();
        expressions
            .map(|one| self.digest(one, columns, place))
            .collect()
    }

    /// The conditions that all must hold for this one to hold.
    pub(super) fn conditions(
        &self,
        condition: &Expr,
        columns: &Columns,
        place: Place<Value>,
    ) -> Vec<Digest> {
        self.parts(vec![condition], columns, place)
    }

    fn parts(&self, mut left: Vec<&Expr>, columns: &Columns, place: Place<Value>) -> Vec<Digest> {
        let mut all = Vec::new();
        while let Some(condition) = left.pop() {
            match condition {
                Expr::BinaryExpr(both) if both.op == Operator::And => {
                    left.extend([&*both.right, &*both.left]);
                }
                Expr::Alias(alias) => left.push(&alias.expr),
                Expr::Between(between) if !between.negated => {
                    all.extend(self.bounds(between, columns, place));
                }
                other => all.push(self.digest(other, columns, place)),
            }
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    fn binary(&self, binary: &BinaryExpr, columns: &Columns, place: Place<Value>) -> Digest {
        let operator = match binary.op {
            Operator::And => {
                let both = vec![binary.right.as_ref(), binary.left.as_ref()];
                return all_of(self.parts(both, columns, place));
            }
            Operator::Or => return self.alternatives(binary, columns, place),
            operator => operator,
        };
        let left = self.digest(&binary.left, columns, place);
        let right = self.digest(&binary.right, columns, place);
        match operator {
            Operator::Eq
            | Operator::NotEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
            | Operator::Plus
            | Operator::Multiply
            | Operator::BitwiseAnd
            | Operator::BitwiseOr
            | Operator::BitwiseXor => commutative(operator, left, right),
            Operator::Gt => operation(Operator::Lt, right, left),
            Operator::GtEq => operation(Operator::LtEq, right, left),
            other => operation(other, left, right),
        }
    }

    fn alternatives(&self, binary: &BinaryExpr, columns: &Columns, place: Place<Value>) -> Digest {
        let mut all = Vec::new();
        let mut left: Vec<&Expr> = vec![&binary.right, &binary.left];
        while let Some(condition) = left.pop() {
            match condition {
                Expr::BinaryExpr(both) if both.op == Operator::Or => {
                    left.extend([&*both.right, &*both.left]);
                }
                other => all.push(self.digest(other, columns, place)),
            }
        }
        all.sort_unstable();
        all.dedup();
        match all.as_slice() {
            [only] => *only,
            _ => Digest::of("or").list(&all).end(),
        }
    }

    fn bounds(&self, between: &Between, columns: &Columns, place: Place<Value>) -> [Digest; 2] {
        let value = self.digest(&between.expr, columns, place);
        let low = self.digest(&between.low, columns, place);
        let high = self.digest(&between.high, columns, place);
        [
            operation(Operator::LtEq, low, value),
            operation(Operator::LtEq, value, high),
        ]
    }

    fn between(&self, between: &Between, columns: &Columns, place: Place<Value>) -> Digest {
        let mut bounds = self.bounds(between, columns, place).to_vec();
        bounds.sort_unstable();
        bounds.dedup();
        negated(between.negated, all_of(bounds))
    }

    fn in_list(&self, list: &InList, columns: &Columns, place: Place<Value>) -> Digest {
        let value = self.digest(&list.expr, columns, place);
        let mut items = self.digests(&list.list, columns, place);
        items.sort_unstable();
        items.dedup();
        let found = match items.as_slice() {
            [only] => commutative(Operator::Eq, value, *only),
            _ => Digest::of("in").digest(value).list(&items).end(),
        };
        negated(list.negated, found)
    }

    fn like(&self, kind: &str, like: &Like, columns: &Columns, place: Place<Value>) -> Digest {
        let escape: String = like.escape_char.into_iter().collect();
        let found = Digest::of(kind)
            .digest(self.digest(&like.expr, columns, place))
            .digest(self.digest(&like.pattern, columns, place))
            .text(&escape)
            .flag(like.case_insensitive)
            .end();
        negated(like.negated, found)
    }

    /// A constant is what it becomes: `1`, `1.0` and `cast(1 as double)` are one beside a double.
    fn cast(&self, cast: &Cast, columns: &Columns, place: Place<Value>) -> Digest {
        let data_type = cast.field.data_type();
        if let Expr::Literal(value, _) = cast.expr.as_ref()
            && let Ok(value) = value.cast_to(data_type)
        {
            return literal(&value);
        }
        Digest::of("cast")
            .text(&data_type.to_string())
            .digest(self.digest(&cast.expr, columns, place))
            .end()
    }

    fn case(&self, case: &Case, columns: &Columns, place: Place<Value>) -> Digest {
        let branches = case.when_then_expr.iter();
        let branches = branches.flat_map(|(when, then)| [when.as_ref(), then.as_ref()]);
        Digest::of("case")
            .list(&self.digests(case.expr.as_deref(), columns, place))
            .list(&self.digests(branches, columns, place))
            .list(&self.digests(case.else_expr.as_deref(), columns, place))
            .end()
    }

    fn subquery(&self, expression: &Expr, columns: &Columns, place: Place<Value>) -> Digest {
        let inside = |subquery: &Subquery| -> Relation {
            let place = Place {
                outside: Some(columns),
                work: place.work,
            };
            self.relation(&subquery.subquery, place, &mut Taken::default())
        };
        match expression {
            Expr::ScalarSubquery(subquery) => Digest::of("value of")
                .digest(inside(subquery).value())
                .end(),
            Expr::Exists(test) => {
                let rows = inside(&test.subquery).rows.digest();
                negated(test.negated, Digest::of("exists").digest(rows).end())
            }
            Expr::InSubquery(test) => {
                let found = Digest::of("in query")
                    .digest(self.digest(&test.expr, columns, place))
                    .digest(inside(&test.subquery).value())
                    .end();
                negated(test.negated, found)
            }
            Expr::SetComparison(test) => Digest::of("compared with query")
                .text(&format!("{} {}", test.op, test.quantifier))
                .digest(self.digest(&test.expr, columns, place))
                .digest(inside(&test.subquery).value())
                .end(),
            other => unresolved(other),
        }
    }

    /// What has no rules of its own: its kind, its name, and what it is applied to.
    fn other(&self, expression: &Expr, columns: &Columns, place: Place<Value>) -> Digest {
        let own = match expression {
            Expr::ScalarFunction(call) => call.func.name().to_owned(),
            Expr::HigherOrderFunction(call) => call.func.name().to_owned(),
            Expr::TryCast(cast) => cast.field.data_type().to_string(),
            Expr::Lambda(lambda) => lambda.params.join(","),
            Expr::LambdaVariable(variable) => variable.name.clone(),
            Expr::ScalarVariable(..) | Expr::Placeholder(_) => expression.to_string(),
            _ => String::new(),
        };
        let mut parts = Vec::new();
        // The walk cannot fail: its step does not.
        let _ = expression.apply_children(|part| {
            parts.push(self.digest(part, columns, place));
            Ok(TreeNodeRecursion::Continue)
        });
        let kind = Digest::of(expression.variant_name());
        kind.text(&own).list(&parts).end()
    }

    /// An aggregate over groups: `group` is the digest of their keys and of the rows in them.
    pub(super) fn aggregated(
        &self,
        function: &AggregateFunction,
        group: Digest,
        columns: &Columns,
        place: Place<Value>,
    ) -> Digest {
        let params = &function.params;
        Digest::of("aggregate")
            .text(function.func.name())
            .list(&self.digests(&params.args, columns, place))
            .flag(params.distinct)
            .list(&self.digests(params.filter.as_deref(), columns, place))
            .list(&self.order(&params.order_by, columns, place))
            .flag(params.null_treatment == Some(NullTreatment::IgnoreNulls))
            .digest(group)
            .end()
    }

    pub(super) fn windowed(
        &self,
        function: &WindowFunction,
        rows: Digest,
        columns: &Columns,
        place: Place<Value>,
    ) -> Digest {
        let params = &function.params;
        Digest::of("window")
            .text(function.fun.name())
            .list(&self.digests(&params.args, columns, place))
            .flag(params.distinct)
            .list(&self.digests(params.filter.as_deref(), columns, place))
            .flag(params.null_treatment == Some(NullTreatment::IgnoreNulls))
            .bag(self.digests(&params.partition_by, columns, place))
            .list(&self.order(&params.order_by, columns, place))
            .text(&params.window_frame.to_string())
            .digest(rows)
            .end()
    }

    pub(super) fn order(
        &self,
        sorts: &[Sort],
        columns: &Columns,
        place: Place<Value>,
    ) -> Vec<Digest> {
        let sorts = sorts.iter();
        sorts
            .map(|sort| {
                Digest::of("order")
                    .digest(self.digest(&sort.expr, columns, place))
                    .flag(sort.asc)
                    .flag(sort.nulls_first)
                    .end()
            })
            .collect()
    }
}

/// The same value, or NULL where a join found nothing or a row totals several groups.
pub(super) fn or_null(value: Value) -> Value {
    Value {
        digest: Digest::of("or null").digest(value.digest).end(),
        ..value
    }
}

pub(super) fn commutative(operator: Operator, left: Digest, right: Digest) -> Digest {
    operation(operator, left.min(right), left.max(right))
}

fn operation(operator: Operator, left: Digest, right: Digest) -> Digest {
    let operation = Digest::of("operator").text(&operator.to_string());
    operation.digest(left).digest(right).end()
}

/// All of several conditions, which are sorted and free of repetition.
fn all_of(conditions: Vec<Digest>) -> Digest {
    match conditions.as_slice() {
        [only] => *only,
        _ => Digest::of("and").list(&conditions).end(),
    }
}

fn not(digest: Digest) -> Digest {
    Digest::of("not").digest(digest).end()
}

fn negated(negated: bool, digest: Digest) -> Digest {
    match negated {
        true => not(digest),
        false => digest,
    }
}

fn is_null(digest: Digest) -> Digest {
    Digest::of("is null").digest(digest).end()
}

fn literal(value: &ScalarValue) -> Digest {
    Digest::of("literal").text(&format!("{value:?}")).end()
}

/// What the planner left without a place keeps the text that it has.
fn unresolved(expression: &Expr) -> Digest {
    Digest::of("text").text(&expression.to_string()).end()
}
