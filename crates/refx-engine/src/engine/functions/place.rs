//! Where in the SQL text a number came from that fits its type no more.

use std::collections::HashSet;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError, Spans};
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};

use super::super::query::sql_type;
use super::super::{Error, Kind, Position};
use super::arithmetic::operation;

/// Letters of an expression that an error shows.
const LONGEST: usize = 80;

/// An expression as its author knows it, and its place in the text.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) text: String,
    position: Option<Position>,
}

impl Place {
    pub(super) fn of(expr: &Expr) -> Place {
        Place {
            text: shown(expr),
            position: position(expr),
        }
    }

    /// The place of an operator over its operands; without an operator it is a negation. Each link of
    /// a chain has a place, so the text of the links below is not written again.
    pub(super) fn of_operation(operator: Option<Operator>, operands: &[Expr]) -> Place {
        let is_long = operands.first().is_some_and(|first| is_cut(uncast(first)));
        let qualified = !is_long && {
            let columns = operands.iter().flat_map(Expr::column_refs).collect();
            are_ambiguous(&columns)
        };
        let text = shortened(Shown { qualified }.operation(operator, operands));
        let positions = operands.iter().filter_map(position);
        Place {
            text,
            position: positions.min(),
        }
    }

    fn is_cut(&self) -> bool {
        self.text.chars().count() > LONGEST
    }

    pub(super) fn named(text: impl Into<String>) -> Place {
        Place {
            text: text.into(),
            position: None,
        }
    }

    pub(super) fn overflow(&self, data_type: &DataType) -> DataFusionError {
        let message = format!("`{}` does not fit {}", self.text, sql_type(data_type));
        let help = match data_type {
            DataType::Int64 | DataType::UInt64 => {
                "cast what goes into it to a wider type: `cast(… as decimal(38, 0))`"
            }
            data_type if data_type.is_integer() => {
                "cast what goes into it to a wider type: `cast(… as bigint)`"
            }
            _ => "cast what goes into it to a type with fewer digits, or to `double`",
        };
        self.error(message, help)
    }

    pub(super) fn division_by_zero(&self) -> DataFusionError {
        self.error(
            "division by zero".to_owned(),
            "write `nullif(…, 0)` around the divisor for NULL in such rows",
        )
    }

    fn error(&self, message: String, help: &str) -> DataFusionError {
        let error = Error::new(Kind::Execution, message);
        DataFusionError::External(Box::new(error.at(self.position).help(help)))
    }
}

/// The first of the columns in the text.
fn position(expr: &Expr) -> Option<Position> {
    let mut first: Option<Position> = None;
    // The walk cannot fail: its step does not.
    let _ = expr.apply(|part| {
        let span = match part {
            Expr::Column(column) => column.spans.first(),
            _ => None,
        };
        if let Some(span) = span {
            let (line, column) = (span.start.line, span.start.column);
            let found = usize::try_from(line)
                .ok()
                .zip(usize::try_from(column).ok())
                .map(|(line, column)| Position { line, column });
            first = [first, found].into_iter().flatten().min();
        }
        Ok(TreeNodeRecursion::Continue)
    });
    first
}

/// The expression without what the planner added: casts, aliases, the tables of its columns.
fn shown(expr: &Expr) -> String {
    let qualified = are_ambiguous(&expr.column_refs());
    shortened(Shown { qualified }.text(expr))
}

fn shortened(text: String) -> String {
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Whether columns of one name are of several tables.
fn are_ambiguous(columns: &HashSet<&Column>) -> bool {
    let mut names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
    names.sort_unstable();
    names.windows(2).any(|two| two[0] == two[1])
}

struct Shown {
    /// Whether columns are written with their tables.
    qualified: bool,
}

impl Shown {
    fn text(&self, expr: &Expr) -> String {
        match expr {
            Expr::Column(column) | Expr::OuterReferenceColumn(_, column) => {
                // So the planner names the column of a count.
                let name = column.name.replace("count(Int64(1))", "count(*)");
                match column.relation.as_ref().filter(|_| self.qualified) {
                    Some(table) => format!("{}.{name}", table.table()),
                    None => name,
                }
            }
            Expr::Literal(value, _) => match value.try_as_str() {
                Some(Some(text)) => format!("'{text}'"),
                _ => value.to_string(),
            },
            Expr::Alias(alias) => self.text(&alias.expr),
            Expr::Cast(cast) => self.text(&cast.expr),
            Expr::TryCast(cast) => self.text(&cast.expr),
            Expr::Negative(inner) => self.operation(None, std::slice::from_ref(inner.as_ref())),
            Expr::BinaryExpr(binary) => self.binary(&binary.left, binary.op, &binary.right),
            Expr::ScalarFunction(call) => match operation(call) {
                Some((_, place)) if place.is_cut() => place.text.clone(),
                Some((operator, _)) => self.operation(operator, &call.args),
                None => format!("{}({})", call.name(), self.listed(&call.args)),
            },
            Expr::AggregateFunction(call) => {
                let distinct = if call.params.distinct {
                    "distinct "
                } else {
                    ""
                };
                let args = self.listed(&call.params.args);
                format!("{}({distinct}{args})", call.func.name())
            }
            Expr::WindowFunction(call) => {
                let args = self.listed(&call.params.args);
                format!("{}({args}) over (…)", call.fun.name())
            }
            other => other.schema_name().to_string(),
        }
    }

    fn listed(&self, args: &[Expr]) -> String {
        let args = args.iter().map(|arg| self.text(arg));
        args.collect::<Vec<_>>().join(", ")
    }

    fn operation(&self, operator: Option<Operator>, operands: &[Expr]) -> String {
        match (operator, operands) {
            (Some(operator), [left, right]) => self.binary(left, operator, right),
            (None, [inner]) => {
                let inner = uncast(inner);
                let text = self.text(inner);
                match operator_of(inner).is_some() || text.starts_with('-') {
                    true => format!("-({text})"),
                    false => format!("-{text}"),
                }
            }
            _ => self.listed(operands),
        }
    }

    fn binary(&self, left: &Expr, operator: Operator, right: &Expr) -> String {
        let left = self.side(left, operator, false);
        let right = self.side(right, operator, true);
        format!("{left} {operator} {right}")
    }

    /// One side of an operator, in parentheses where it needs them.
    fn side(&self, side: &Expr, operator: Operator, right: bool) -> String {
        let side = uncast(side);
        let text = self.text(side);
        match operator_of(side) {
            Some(inner)
                if inner.precedence() < operator.precedence()
                    || right && inner.precedence() == operator.precedence() =>
            {
                format!("({text})")
            }
            _ => text,
        }
    }
}

fn uncast(expr: &Expr) -> &Expr {
    match expr {
        Expr::Cast(cast) => uncast(&cast.expr),
        other => other,
    }
}

/// The operator between two sides, as such or as the function that checks it.
fn operator_of(expr: &Expr) -> Option<Operator> {
    match expr {
        Expr::BinaryExpr(binary) => Some(binary.op),
        Expr::ScalarFunction(call) => operation(call)?.0,
        _ => None,
    }
}

/// Whether the expression is a checked operator whose text is longer than what is shown of it.
fn is_cut(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => operation(call).is_some_and(|(_, place)| place.is_cut()),
        _ => false,
    }
}

/// The plan of a text that is not the one in which errors are shown: its places would mislead.
pub(crate) fn without_places(plan: LogicalPlan) -> Result<LogicalPlan, DataFusionError> {
    let plan = plan.transform_up_with_subqueries(|node| {
        node.map_expressions(|expr| expr.transform_up(|part| Ok(without_place(part))))
    });
    Ok(plan?.data)
}

/// The expression of such a text.
pub(crate) fn expression_without_places(expr: Expr) -> Result<Expr, DataFusionError> {
    Ok(expr.transform_up(|part| Ok(without_place(part)))?.data)
}

fn without_place(part: Expr) -> Transformed<Expr> {
    match part {
        Expr::Column(mut column) if column.spans.first().is_some() => {
            column.spans = Spans::new();
            Transformed::yes(Expr::Column(column))
        }
        part => Transformed::no(part),
    }
}
