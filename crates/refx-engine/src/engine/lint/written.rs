//! The query as its author wrote it: sqlparser's tree, and places in it.

use std::collections::HashMap;
use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, Expr, Function, FunctionArgumentClause, FunctionArguments, Ident, NamedWindowDefinition,
    NamedWindowExpr, OrderByExpr, Query, Select, SelectItem, SetExpr, Spanned, Visit, Visitor,
    WindowSpec, WindowType,
};
use datafusion::sql::sqlparser::tokenizer::Span;

use crate::engine::Position;
use crate::engine::session::parse;

/// The SELECT of a text; none where it is anything else.
pub(super) fn query(sql: &str) -> Option<Query> {
    match parse(sql).ok()?.into_iter().next()? {
        Statement::Statement(statement) => match *statement {
            ast::Statement::Query(query) => Some(*query),
            _ => None,
        },
        _ => None,
    }
}

/// Where a piece of the tree begins; none for those whose place sqlparser does not keep.
pub(super) fn start(piece: &impl Spanned) -> Option<Position> {
    begin(piece.span())
}

fn begin(span: Span) -> Option<Position> {
    let line = usize::try_from(span.start.line).ok()?;
    let column = usize::try_from(span.start.column).ok()?;
    (line > 0).then_some(Position { line, column })
}

fn end(span: Span) -> Option<Position> {
    let line = usize::try_from(span.end.line).ok()?;
    let column = usize::try_from(span.end.column).ok()?;
    (line > 0).then_some(Position { line, column })
}

/// A name as SQL compares it.
pub(super) fn folded(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_lowercase(),
    }
}

/// The name of a function that is called without a schema.
pub(super) fn function_name(function: &Function) -> Option<String> {
    match function.name.0.as_slice() {
        [part] => part.as_ident().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}

pub(super) fn argument_exprs(function: &Function) -> impl Iterator<Item = &Expr> {
    let list = match &function.args {
        FunctionArguments::List(list) => list.args.as_slice(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => &[],
    };
    list.iter().filter_map(|argument| match argument {
        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr))
        | ast::FunctionArg::Named {
            arg: ast::FunctionArgExpr::Expr(expr),
            ..
        } => Some(expr),
        _ => None,
    })
}

/// The `order by` of an aggregate: inside of its parentheses, or `within group`.
pub(super) fn aggregate_order(function: &Function) -> &[OrderByExpr] {
    if let FunctionArguments::List(list) = &function.args {
        for clause in &list.clauses {
            if let FunctionArgumentClause::OrderBy(order) = clause {
                return order;
            }
        }
    }
    &function.within_group
}

/// The column of the outermost SELECT that has a name, where the text names it.
pub(super) fn output_column(query: &Query, name: &str) -> Option<Position> {
    let select = outermost(query)?;
    select.projection.iter().find_map(|item| match item {
        SelectItem::ExprWithAlias { expr, alias } if folded(alias) == name => {
            start(expr).or_else(|| begin(alias.span))
        }
        SelectItem::UnnamedExpr(expr) if last_name(expr).is_some_and(|last| last == name) => {
            start(expr)
        }
        _ => None,
    })
}

/// Where the outermost SELECT begins.
pub(super) fn outermost_place(query: &Query) -> Option<Position> {
    let select = outermost(query)?;
    begin(select.select_token.0.span).or_else(|| start(select))
}

fn outermost(query: &Query) -> Option<&Select> {
    fn of(body: &SetExpr) -> Option<&Select> {
        match body {
            SetExpr::Select(select) => Some(select),
            SetExpr::Query(query) => of(&query.body),
            SetExpr::SetOperation { left, .. } => of(left),
            _ => None,
        }
    }
    of(&query.body)
}

pub(super) fn last_name(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(folded(name)),
        Expr::CompoundIdentifier(names) => names.last().map(folded),
        _ => None,
    }
}

/// A call of a function whose result hangs on the order of rows.
pub(super) struct Call {
    pub(super) name: String,
    /// Where its name stands.
    pub(super) place: Position,
    end: Position,
    /// Its columns, without qualifiers, sorted: how a call of the plan is recognized that has lost
    /// its place.
    columns: Vec<String>,
}

/// Finds the call that an expression of the plan was made from.
pub(super) fn find<'a>(
    calls: &'a [Call],
    name: &str,
    place: Option<Position>,
    columns: &[String],
) -> Option<&'a Call> {
    let same = || calls.iter().filter(|call| call.name == name);
    same()
        .find(|call| place.is_some_and(|place| (call.place..=call.end).contains(&place)))
        .or_else(|| same().find(|call| call.columns == columns))
}

/// All calls of functions, with the window that they look at.
pub(super) fn calls(query: &Query) -> Vec<Call> {
    let mut calls = Vec::new();
    each_call(query, &mut |function, window| {
        let (Some(name), Some(place)) = (function_name(function), start(&function.name)) else {
            return;
        };
        let mut span = function.span();
        let mut names = Names(Vec::new());
        let _ = function.args.visit(&mut names);
        for order in &function.within_group {
            let _ = order.visit(&mut names);
        }
        if let Some(window) = window {
            for expr in &window.partition_by {
                span = span.union(&expr.span());
                let _ = expr.visit(&mut names);
            }
            for order in &window.order_by {
                span = span.union(&order.expr.span());
                let _ = order.visit(&mut names);
            }
        }
        names.0.sort();
        names.0.dedup();
        calls.push(Call {
            name,
            place,
            end: end(span).unwrap_or(place),
            columns: names.0,
        });
    });
    calls
}

/// The names of columns in a piece of the tree.
struct Names(Vec<String>);

impl Visitor for Names {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.0.extend(last_name(expr));
        ControlFlow::Continue(())
    }
}

/// Calls `seen` with each function call and its window; a named window is looked up. A window that
/// cannot be found is none.
pub(super) fn each_call(query: &Query, seen: &mut dyn FnMut(&Function, Option<&WindowSpec>)) {
    let mut walk = Calls {
        windows: Vec::new(),
        seen,
    };
    let _ = query.visit(&mut walk);
}

struct Calls<'a> {
    /// The named windows of the SELECTs that the walk is in.
    windows: Vec<HashMap<String, NamedWindowExpr>>,
    seen: &'a mut dyn FnMut(&Function, Option<&WindowSpec>),
}

impl Visitor for Calls<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        let named = |NamedWindowDefinition(name, window): &NamedWindowDefinition| {
            (folded(name), window.clone())
        };
        self.windows
            .push(select.named_window.iter().map(named).collect());
        ControlFlow::Continue(())
    }

    fn post_visit_select(&mut self, _: &Select) -> ControlFlow<()> {
        self.windows.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        let Expr::Function(function) = expr else {
            return ControlFlow::Continue(());
        };
        match &function.over {
            None => (self.seen)(function, None),
            Some(WindowType::WindowSpec(window)) => {
                let whole = self.whole(window);
                (self.seen)(function, Some(&whole));
            }
            Some(WindowType::NamedWindow(name)) => {
                if let Some(window) = self.named(name, 0) {
                    (self.seen)(function, Some(&window));
                }
            }
        }
        ControlFlow::Continue(())
    }
}

impl Calls<'_> {
    /// A window with what it takes over from a named one.
    fn whole(&self, window: &WindowSpec) -> WindowSpec {
        let mut whole = window.clone();
        if let Some(base) = window
            .window_name
            .as_ref()
            .and_then(|name| self.named(name, 0))
        {
            if whole.partition_by.is_empty() {
                whole.partition_by = base.partition_by;
            }
            if whole.order_by.is_empty() {
                whole.order_by = base.order_by;
            }
        }
        whole
    }

    fn named(&self, name: &Ident, depth: usize) -> Option<WindowSpec> {
        // A window may be named after another one, and by mistake after itself.
        const DEEPEST: usize = 8;
        match self.windows.last()?.get(&folded(name))? {
            NamedWindowExpr::WindowSpec(window) => Some(window.clone()),
            NamedWindowExpr::NamedWindow(other) if depth < DEEPEST => self.named(other, depth + 1),
            NamedWindowExpr::NamedWindow(_) => None,
        }
    }
}
