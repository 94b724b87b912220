//! `lossy-comparison`, `join-types`, `integer-division`: types that meet, and what that costs.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::DFSchema;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::logical_expr::expr::{Cast, InList, InSubquery};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};

use super::{Finding, place};
use crate::engine::sql_type;
use refx_core::diagnostic::Code;

/// Looks at a plan in which nothing was cast yet but what its author casts.
pub(super) fn check(plan: &LogicalPlan, found: &mut Vec<Finding>) {
    // The walk cannot fail: its step does not.
    let _ = plan.apply_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        let step = Step {
            node,
            schema: &schema,
        };
        for expr in node.expressions() {
            step.expression(&expr, found);
        }
        if let LogicalPlan::Join(join) = node {
            for (left, right) in &join.on {
                found.extend(step.compared(left, Operator::Eq, right));
            }
        }
        Ok(TreeNodeRecursion::Continue)
    });
}

/// What types are to one another.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Text,
    /// Whole numbers that a double holds exactly.
    Small,
    /// Whole numbers of 64 bits.
    Whole,
    Decimal,
    Float,
    Boolean,
    Date,
    Timestamp,
    Other,
}

pub(super) fn class(of: &DataType) -> Class {
    match of {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => Class::Text,
        DataType::Int64 | DataType::UInt64 => Class::Whole,
        whole if whole.is_integer() => Class::Small,
        DataType::Decimal32(..)
        | DataType::Decimal64(..)
        | DataType::Decimal128(..)
        | DataType::Decimal256(..) => Class::Decimal,
        DataType::Float16 | DataType::Float32 | DataType::Float64 => Class::Float,
        DataType::Boolean => Class::Boolean,
        DataType::Date32 | DataType::Date64 => Class::Date,
        DataType::Timestamp(..) => Class::Timestamp,
        DataType::Dictionary(_, values) => class(values),
        _ => Class::Other,
    }
}

/// Whether a cast keeps different values different.
pub(super) fn widens(from: &DataType, to: &DataType) -> bool {
    match (class(from), class(to)) {
        (Class::Small | Class::Whole, Class::Whole | Class::Text)
        | (Class::Small, Class::Float)
        | (Class::Date, Class::Timestamp | Class::Text) => true,
        _ => from == to,
    }
}

/// What two types cost each other where they have to become one; none where nothing is lost.
pub(super) fn loss(left: &DataType, right: &DataType) -> Option<&'static str> {
    use Class::{Boolean, Date, Decimal, Float, Other, Small, Text, Timestamp, Whole};
    match (class(left), class(right)) {
        (Text, Small | Whole | Decimal | Float) | (Small | Whole | Decimal | Float, Text) => {
            Some("the text is read as a number, and a text that is none fails the run")
        }
        (Text, Date | Timestamp) | (Date | Timestamp, Text) => {
            Some("the text is read as a date, and a text that is none fails the run")
        }
        (Text, Boolean) | (Boolean, Text) => {
            Some("the text is read as true or false, and a text that is neither fails the run")
        }
        (Whole | Decimal, Float) | (Float, Whole | Decimal) => {
            Some("numbers of more than 15 digits are rounded before they are compared")
        }
        (Other, _) | (_, Other) => None,
        _ => None,
    }
}

/// A step of a plan, and the columns that its expressions see.
struct Step<'a> {
    node: &'a LogicalPlan,
    schema: &'a DFSchema,
}

impl Step<'_> {
    fn expression(&self, expr: &Expr, found: &mut Vec<Finding>) {
        // Divisions whose author says that the result is a whole number.
        let mut meant: Vec<Expr> = Vec::new();
        let _ = expr.apply(|part| {
            match part {
                Expr::Cast(Cast { expr, field }) if field.data_type().is_integer() => {
                    meant.push(expr.as_ref().clone());
                }
                Expr::BinaryExpr(BinaryExpr {
                    left,
                    op: Operator::Divide,
                    right,
                }) if !meant.contains(part) => found.extend(self.divided(left, right)),
                Expr::BinaryExpr(BinaryExpr { left, op, right }) if compares(*op) => {
                    found.extend(self.compared(left, *op, right));
                }
                Expr::InList(InList { expr, list, .. }) => {
                    let told = list
                        .iter()
                        .find_map(|item| self.compared(expr, Operator::Eq, item));
                    found.extend(told);
                }
                Expr::InSubquery(InSubquery { expr, subquery, .. }) => {
                    if let Some(field) = subquery.subquery.schema().fields().first() {
                        let other = format!("the column `{}` of the subquery", field.name());
                        found.extend(self.matched(expr, field.data_type(), &other));
                    }
                }
                _ => {}
            }
            Ok(TreeNodeRecursion::Continue)
        });
    }

    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.get_type(self.schema).ok()
    }

    fn compared(&self, left: &Expr, op: Operator, right: &Expr) -> Option<Finding> {
        let (a, b) = (self.type_of(left)?, self.type_of(right)?);
        let equality = matches!(
            op,
            Operator::Eq | Operator::NotEq | Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
        );
        if let Some(at) = self.midnight(left, right, equality) {
            return Some(at);
        }
        let constants = (is_constant(left), is_constant(right));
        match constants {
            (true, true) => return None,
            // A text that is written in the query is read once, and an author sees what it says.
            (true, _) if class(&a) == Class::Text => return None,
            (_, true) if class(&b) == Class::Text => return None,
            (false, false) => {}
            _ if class(&a) != Class::Text && class(&b) != Class::Text => return None,
            _ => {}
        }
        let loss = loss(&a, &b)?;
        let texts = class(&a) == Class::Text || class(&b) == Class::Text;
        // By size, rounding hardly matters.
        if !texts && !equality {
            return None;
        }
        let code = match self.joins(left, right) {
            true => Code::JoinTypes,
            false => Code::LossyComparison,
        };
        let message = format!(
            "{} of type {} is compared with {} of type {}: {loss}",
            named(left),
            sql_type(&a),
            named(right),
            sql_type(&b)
        );
        let at = place(left).or_else(|| place(right));
        Some(Finding::new(code, at, message).help(way_out(left, &a, right, &b)))
    }

    fn matched(&self, expr: &Expr, other: &DataType, named_other: &str) -> Option<Finding> {
        let own = self.type_of(expr)?;
        let loss = loss(&own, other)?;
        if is_constant(expr) {
            return None;
        }
        let message = format!(
            "{} of type {} is looked for in {named_other} of type {}: {loss}",
            named(expr),
            sql_type(&own),
            sql_type(other)
        );
        let help = format!(
            "cast one side so that both have the type that is meant: `cast({} as {})`",
            plain(expr),
            sql_type(other)
        );
        Some(Finding::new(Code::LossyComparison, place(expr), message).help(help))
    }

    /// A date that equals an instant is its midnight.
    fn midnight(&self, left: &Expr, right: &Expr, equality: bool) -> Option<Finding> {
        let (a, b) = (self.type_of(left)?, self.type_of(right)?);
        let instant = match (class(&a), class(&b)) {
            (Class::Timestamp, Class::Date) => left,
            (Class::Date, Class::Timestamp) => right,
            _ => return None,
        };
        if !equality || is_constant(instant) {
            return None;
        }
        let code = match self.joins(left, right) {
            true => Code::JoinTypes,
            false => Code::LossyComparison,
        };
        let message = format!(
            "{} of type timestamp equals a date at midnight only",
            named(instant)
        );
        Some(Finding::new(code, place(instant), message).help(format!(
            "compare its day: `cast({} as date)`",
            plain(instant)
        )))
    }

    /// Whether a comparison is what a join matches rows by.
    fn joins(&self, left: &Expr, right: &Expr) -> bool {
        let LogicalPlan::Join(join) = self.node else {
            return false;
        };
        let of = |expr: &Expr, side: &LogicalPlan| {
            let columns = expr.column_refs();
            let all = |column| side.schema().maybe_index_of_column(column).is_some();
            !columns.is_empty() && columns.into_iter().all(all)
        };
        (of(left, &join.left) && of(right, &join.right))
            || (of(left, &join.right) && of(right, &join.left))
    }

    fn divided(&self, left: &Expr, right: &Expr) -> Option<Finding> {
        let (a, b) = (self.type_of(left)?, self.type_of(right)?);
        // A divisor that is written in the query turns seconds into minutes; its author knows that.
        if !a.is_integer() || !b.is_integer() || is_constant(right) {
            return None;
        }
        let message = format!(
            "{} divided by {}: both are whole numbers, and so is the result, without its fraction",
            named(left),
            named(right)
        );
        let help = format!(
            "for a share, divide as double: `cast({} as double) / …`; for a whole number say so: \
             `cast(… / … as bigint)`",
            plain(left)
        );
        let at = place(left).or_else(|| place(right));
        Some(Finding::new(Code::IntegerDivision, at, message).help(help))
    }
}

fn compares(op: Operator) -> bool {
    matches!(
        op,
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

fn way_out(left: &Expr, a: &DataType, right: &Expr, b: &DataType) -> String {
    let (text, other, wanted) = match (class(a), class(b)) {
        (Class::Text, _) => (left, right, b),
        (_, Class::Text) => (right, left, a),
        (Class::Float, _) => (left, right, b),
        _ => (right, left, a),
    };
    if is_constant(other) {
        return format!("write the value as a text: `'{}'`", plain(other));
    }
    format!(
        "cast one side so that both have the type that is meant: `cast({} as {})`",
        plain(text),
        sql_type(wanted)
    )
}

pub(super) fn is_constant(expr: &Expr) -> bool {
    expr.column_refs().is_empty() && !expr.contains_outer() && {
        let holds = |part: &Expr| Ok(matches!(part, Expr::ScalarSubquery(_)));
        !expr.exists(holds).unwrap_or(true)
    }
}

/// An expression in a message: a column by its name, anything else in short.
fn named(expr: &Expr) -> String {
    format!("`{}`", plain(expr))
}

fn plain(expr: &Expr) -> String {
    match expr {
        Expr::Column(column) => match &column.relation {
            Some(relation) if relation.schema().is_none() => {
                format!("{}.{}", relation.table(), column.name)
            }
            _ => column.name.clone(),
        },
        Expr::Literal(value, _) => value.to_string(),
        Expr::Alias(alias) => plain(&alias.expr),
        Expr::ScalarSubquery(_) => "(select …)".to_owned(),
        other => {
            const LONGEST: usize = 40;
            let text = other.human_display().to_string();
            match text.chars().count() > LONGEST {
                true => "…".to_owned(),
                false => text,
            }
        }
    }
}
