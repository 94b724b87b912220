//! `wall-clock`: functions whose value is that of the moment, or of chance.

use std::ops::ControlFlow;

use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::Volatility;
use datafusion::sql::sqlparser::ast::{Expr, Query, visit_expressions};

use super::{Finding, written};
use refx_core::diagnostic::Code;

pub(super) fn check(query: &Query, state: &SessionState, found: &mut Vec<Finding>) {
    let _ = visit_expressions(query, |expr| -> ControlFlow<()> {
        if let Expr::Function(function) = expr
            && let Some(name) = written::function_name(function)
            && let Some(known) = state.scalar_functions().get(&name)
        {
            let place = written::start(&function.name);
            // The engine knows which of its functions give the same value for a whole query only
            // (the clocks), and which another one at every row.
            match known.signature().volatility {
                Volatility::Immutable => {}
                Volatility::Stable => found.push(
                    Finding::new(
                        Code::WallClock,
                        place,
                        format!("`{name}` reads the clock of the run"),
                    )
                    .help(
                        "write `{{ as_of() }}`, the instant that the run computes for: any past \
                         day can then be built again",
                    ),
                ),
                Volatility::Volatile => found.push(
                    Finding::new(
                        Code::WallClock,
                        place,
                        format!("`{name}` gives another value at each run"),
                    )
                    .help("derive the value from columns of the row, such as `md5(user_id)`"),
                ),
            }
        }
        ControlFlow::Continue(())
    });
}
