//! The place of a mistake that the planner gives no place to.
//!
//! The query is planned again in parts: the part that alone gives the same error is where it lies.
//! That takes a few plans more, and only for a query that cannot be planned anyway.
//!
//! The same search finds the place of an error of a run: there the parts are run, for some seconds at
//! the most.

use std::ops::ControlFlow;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use datafusion::common::DataFusionError;
use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    self, Expr, GroupByExpr, Ident, OrderByKind, Query, Select, SelectItem, SetExpr, Spanned,
    TableFactor, With, visit_expressions,
};
use datafusion::sql::sqlparser::tokenizer::{Location, Span};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt};
use regex::Regex;

use super::session::parse;
use super::{Error, Kind, Position, Session};

/// Parts that are planned for one error at the most.
const MOST: usize = 300;

/// How long parts of a query that failed are run to find the one that did.
const PATIENCE: Duration = Duration::from_secs(10);

impl Session {
    /// Where in the statement the error lies; none where no part of it gives the same one.
    pub(super) async fn narrowed(&self, statement: &Statement, error: &Error) -> Option<Position> {
        let Statement::Statement(statement) = statement else {
            return None;
        };
        let ast::Statement::Query(query) = statement.as_ref() else {
            return None;
        };
        let mut search = Search {
            session: self,
            error,
            left: MOST,
            until: None,
            smallest: None,
        };
        search.query(query, &[]).await
    }

    /// An error of running `sql`, with the place of the expression that fails, as far as running the
    /// parts of the query finds it in some seconds.
    pub async fn traced(&self, sql: &str, error: Error) -> Error {
        let error = self.told(sql, error);
        if error.position.is_some() || error.kind != Kind::Execution {
            return error;
        }
        let statements = parse(sql).unwrap_or_default();
        let [Statement::Statement(statement)] = statements.as_slice() else {
            return error;
        };
        let ast::Statement::Query(query) = statement.as_ref() else {
            return error;
        };
        let mut search = Search {
            session: self,
            error: &error,
            left: MOST,
            until: Some(Instant::now() + PATIENCE),
            smallest: None,
        };
        let found = search.query(query, &[]).await;
        let place = found.or(search.smallest);
        error.at(place)
    }
}

struct Search<'a> {
    session: &'a Session,
    error: &'a Error,
    /// How many parts may still be tried.
    left: usize,
    /// Parts are run until then, rather than planned.
    until: Option<Instant>,
    /// The place of the last part that was seen to fail.
    smallest: Option<Position>,
}

impl Search<'_> {
    /// Whether the query alone gives the same error.
    async fn fails(&mut self, query: Query) -> bool {
        if self.left == 0 {
            return false;
        }
        self.left -= 1;
        let place = start(query.body.span());
        let statement = Statement::Statement(Box::new(ast::Statement::Query(Box::new(query))));
        let Some(until) = self.until else {
            return match self.session.planned(statement).await {
                Ok(_) => false,
                Err(error) => Error::from(error).message == self.error.message,
            };
        };
        let left = until.saturating_duration_since(Instant::now());
        match tokio::time::timeout(left, self.failure(statement)).await {
            Ok(Some(error)) if alike(&error.message, &self.error.message) => {
                self.smallest = place.or(self.smallest);
                true
            }
            Ok(_) => false,
            Err(_) => {
                self.left = 0;
                false
            }
        }
    }

    /// What goes wrong when the statement runs. Its rows are dropped.
    async fn failure(&self, statement: Statement) -> Option<Error> {
        let run = async {
            let (_, logical) = self.session.planned(statement).await?;
            let frame = self.session.context.execute_logical_plan(logical).await?;
            let mut rows = frame.execute_stream().await?;
            while let Some(batch) = rows.next().await {
                batch?;
            }
            Ok(())
        };
        run.await.err().map(|error: DataFusionError| error.into())
    }

    fn query<'s>(
        &'s mut self,
        query: &'s Query,
        outer: &'s [ast::Cte],
    ) -> BoxFuture<'s, Option<Position>> {
        async move {
            let mut known = outer.to_vec();
            let recursive = query.with.as_ref().is_some_and(|with| with.recursive);
            for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
                if !recursive && self.fails(with(&known, (*cte.query).clone())).await {
                    let within = self.query(&cte.query, &known).await;
                    return within.or_else(|| start(cte.query.span()));
                }
                known.push(cte.clone());
            }
            let body = of(query.body.as_ref().clone());
            if self.fails(with(&known, body)).await {
                let within = self.body(&query.body, &known).await;
                return within.or_else(|| start(query.body.span()));
            }
            // What is left orders the rows or limits them.
            let order = match query.order_by.as_ref().map(|order| &order.kind) {
                Some(OrderByKind::Expressions(keys)) => keys.first().map(|key| key.expr.span()),
                _ => None,
            };
            order.and_then(start)
        }
        .boxed()
    }

    async fn body(&mut self, body: &SetExpr, known: &[ast::Cte]) -> Option<Position> {
        match body {
            SetExpr::Select(select) => self.select(select, known).await,
            SetExpr::Query(query) => self.query(query, known).await,
            SetExpr::SetOperation { left, right, .. } => {
                for side in [left, right] {
                    if self.fails(with(known, of(side.as_ref().clone()))).await {
                        return Box::pin(self.body(side, known)).await;
                    }
                }
                // Each side is right by itself: they do not fit each other.
                start(right.span())
            }
            _ => None,
        }
    }

    async fn select(&mut self, select: &Select, known: &[ast::Cte]) -> Option<Position> {
        let from = Select {
            projection: vec![SelectItem::UnnamedExpr(one())],
            selection: None,
            group_by: GroupByExpr::Expressions(Vec::new(), Vec::new()),
            having: None,
            qualify: None,
            distinct: None,
            sort_by: Vec::new(),
            ..select.clone()
        };
        // The columns of a query in brackets are only computed where they are used.
        if let Some(place) = self.derived(&from, known).await {
            return Some(place);
        }
        if self.fails(with(known, selecting(from.clone()))).await {
            return self.from(&from, known).await;
        }
        let filtered = Select {
            selection: select.selection.clone(),
            ..from.clone()
        };
        if let Some(condition) = &select.selection
            && self.fails(with(known, selecting(filtered.clone()))).await
        {
            return self.expression(condition, &from, known).await;
        }
        let grouped = Select {
            group_by: select.group_by.clone(),
            ..filtered.clone()
        };
        for item in &select.projection {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item
            else {
                continue;
            };
            let alone = Select {
                projection: vec![item.clone()],
                ..grouped.clone()
            };
            if self.fails(with(known, selecting(alone))).await {
                return self.expression(expr, &filtered, known).await;
            }
        }
        let having = select.having.as_ref().or(select.qualify.as_ref());
        let grouped_by = match &select.group_by {
            GroupByExpr::Expressions(keys, _) => keys.first(),
            GroupByExpr::All(_) => None,
        };
        having.or(grouped_by).and_then(|expr| start(expr.span()))
    }

    /// A mistake in a query in brackets among the tables.
    async fn derived(&mut self, select: &Select, known: &[ast::Cte]) -> Option<Position> {
        for table in &select.from {
            let factors = table.joins.iter().map(|join| &join.relation);
            for factor in std::iter::once(&table.relation).chain(factors) {
                if let TableFactor::Derived { subquery, .. } = factor
                    && self.fails(with(known, (**subquery).clone())).await
                {
                    return self.query(subquery, known).await;
                }
            }
        }
        None
    }

    /// A mistake in the condition of a join.
    async fn from(&mut self, select: &Select, known: &[ast::Cte]) -> Option<Position> {
        for table in &select.from {
            for count in 1..=table.joins.len() {
                let mut fewer = select.clone();
                fewer.from = vec![table.clone()];
                fewer.from[0].joins.truncate(count);
                if self.fails(with(known, selecting(fewer))).await {
                    let join = &table.joins[count - 1];
                    let condition = condition(&join.join_operator).map(Spanned::span);
                    return condition
                        .and_then(start)
                        .or_else(|| start(join.relation.span()));
                }
            }
        }
        None
    }

    /// The smallest part of the expression that gives the error over the same tables.
    async fn expression(
        &mut self,
        whole: &Expr,
        from: &Select,
        known: &[ast::Cte],
    ) -> Option<Position> {
        let mut parts: Vec<Expr> = Vec::new();
        let _: ControlFlow<()> = visit_expressions(whole, |part| {
            parts.push(part.clone());
            ControlFlow::Continue(())
        });
        let mut smallest = whole.clone();
        for part in parts {
            let inside = contains(&smallest, &part);
            if part == smallest || !inside {
                continue;
            }
            let alone = Select {
                projection: vec![SelectItem::ExprWithAlias {
                    expr: part.clone(),
                    alias: Ident::new("part"),
                }],
                ..from.clone()
            };
            if self.fails(with(known, selecting(alone))).await {
                smallest = part;
            }
        }
        let within = match &smallest {
            Expr::Subquery(query)
            | Expr::Exists {
                subquery: query, ..
            }
            | Expr::InSubquery {
                subquery: query, ..
            } => self.query(query, known).await,
            _ => None,
        };
        within
            .or_else(|| start(smallest.span()))
            .or_else(|| start(whole.span()))
    }
}

/// Whether two messages tell of one mistake: the value that is met first may be another one.
fn alike(one: &str, other: &str) -> bool {
    static VALUES: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"'[^']*'|`[^`]*`|[0-9]+").expect("the pattern is ours"));
    VALUES.replace_all(one, "?") == VALUES.replace_all(other, "?")
}

fn contains(outer: &Expr, inner: &Expr) -> bool {
    let found = visit_expressions(outer, |part| match part == inner {
        true => ControlFlow::Break(()),
        false => ControlFlow::Continue(()),
    });
    found.is_break()
}

fn condition(operator: &ast::JoinOperator) -> Option<&Expr> {
    use ast::JoinOperator as Join;
    let (Join::Join(constraint)
    | Join::Inner(constraint)
    | Join::Left(constraint)
    | Join::LeftOuter(constraint)
    | Join::Right(constraint)
    | Join::RightOuter(constraint)
    | Join::FullOuter(constraint)
    | Join::LeftSemi(constraint)
    | Join::LeftAnti(constraint)) = operator
    else {
        return None;
    };
    match constraint {
        ast::JoinConstraint::On(condition) => Some(condition),
        _ => None,
    }
}

fn one() -> Expr {
    Expr::Value(ast::Value::Number("1".to_owned(), false).into())
}

fn selecting(select: Select) -> Query {
    of(SetExpr::Select(Box::new(select)))
}

fn of(body: SetExpr) -> Query {
    Query {
        with: None,
        body: Box::new(body),
        order_by: None,
        limit_clause: None,
        fetch: None,
        locks: Vec::new(),
        for_clause: None,
        settings: None,
        format_clause: None,
        pipe_operators: Vec::new(),
    }
}

/// The query behind the CTEs that it may read.
fn with(known: &[ast::Cte], mut query: Query) -> Query {
    if known.is_empty() {
        return query;
    }
    let mut tables = known.to_vec();
    let (token, recursive) = match query.with.take() {
        Some(own) => {
            tables.extend(own.cte_tables);
            (own.with_token, own.recursive)
        }
        None => (ast::helpers::attached_token::AttachedToken::empty(), false),
    };
    query.with = Some(With {
        with_token: token,
        recursive,
        cte_tables: tables,
    });
    query
}

fn start(span: Span) -> Option<Position> {
    let Location { line, column } = span.start;
    let position = Position {
        line: usize::try_from(line).ok()?,
        column: usize::try_from(column).ok()?,
    };
    (position.line > 0).then_some(position)
}
