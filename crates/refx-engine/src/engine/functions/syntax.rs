//! SQL that DataFusion's planner would read otherwise than PostgreSQL and DuckDB do.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Spanned, UnaryOperator, Value,
    VisitMut, VisitorMut,
};

use super::instants::TIME_ZONE;
use crate::engine::precedence::regroup;

/// Prepares a parsed text for planning: `at time zone` becomes a call, numbers that a double cannot
/// give back become decimals, and IS DISTINCT FROM binds tighter than AND.
pub(crate) fn prepare(parsed: &mut impl VisitMut) {
    regroup(parsed);
    let _ = parsed.visit(&mut Prepare);
}

struct Prepare;

impl VisitorMut for Prepare {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        // The planner reads `12345678901234567890.12` as a double, whatever it is cast to.
        if let Expr::Cast {
            expr: inner,
            data_type: DataType::Decimal(_) | DataType::Numeric(_) | DataType::Dec(_),
            ..
        } = expr
        {
            as_text(inner);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let replaced = match expr {
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => Some(call(TIME_ZONE, [&**time_zone, &**timestamp])),
            Expr::Value(value) => match &value.value {
                Value::Number(digits, _) => decimal(digits).map(|data_type| {
                    let text = Value::SingleQuotedString(digits.clone());
                    Expr::Cast {
                        kind: CastKind::Cast,
                        expr: Box::new(Expr::Value(text.with_span(value.span))),
                        data_type,
                        array: false,
                        format: None,
                    }
                }),
                _ => None,
            },
            _ => None,
        };
        if let Some(replaced) = replaced {
            *expr = replaced;
        }
        ControlFlow::Continue(())
    }
}

/// Writes a number in quotes, so that it is cast from all of its digits.
fn as_text(expr: &mut Expr) {
    match expr {
        Expr::Value(value) => {
            if let Value::Number(digits, _) = &value.value {
                value.value = Value::SingleQuotedString(digits.clone());
            }
        }
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr: inner,
        } => {
            if let Expr::Value(value) = inner.as_ref()
                && let Value::Number(digits, _) = &value.value
            {
                let text = Value::SingleQuotedString(format!("-{digits}"));
                *expr = Expr::Value(text.with_span(value.span));
            }
        }
        Expr::Nested(inner) => as_text(inner),
        _ => {}
    }
}

/// The type of a whole number that fits no integer, and would become a double.
fn decimal(digits: &str) -> Option<DataType> {
    const LONGEST: usize = 76;
    let whole = digits.bytes().all(|digit| digit.is_ascii_digit());
    if !whole || digits.parse::<u64>().is_ok() {
        return None;
    }
    let length = digits.trim_start_matches('0').len();
    let precision = u64::try_from(length).ok().filter(|_| length <= LONGEST)?;
    Some(DataType::Decimal(ExactNumberInfo::PrecisionAndScale(
        precision, 0,
    )))
}

fn call(name: &str, args: [&Expr; 2]) -> Expr {
    let mut ident = Ident::new(name);
    ident.span = args[1].span();
    let args = args.map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg.clone())));
    Expr::Function(Function {
        name: ObjectName::from(vec![ident]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args: args.to_vec(),
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}
