//! A column that USING merges is the value of the side that has the row.
//!
//! DataFusion 55.2 takes the column of the first table, which is NULL in the rows of a right or full
//! join that this table lacks. So `a` becomes `r.a` for `l right join r using (a)`, and
//! `coalesce(l.a, r.a)` for a full join, before the query is planned. NATURAL is USING where the columns
//! of both sides are written in the query.

use std::ops::ControlFlow;

use datafusion::sql::parser::Statement;
use datafusion::sql::sqlparser::ast::{
    Distinct, ExcludeSelectItem, Expr, GroupByExpr, Ident, JoinConstraint, JoinOperator,
    ObjectName, OrderBy, OrderByKind, Query, ReplaceSelectElement, ReplaceSelectItem, Select,
    SelectItem, SetExpr, Spanned, TableFactor, TableWithJoins, VisitMut, VisitorMut,
    WildcardAdditionalOptions,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::{Error, Kind, Position};

/// Writes the merged columns of right and full joins out.
///
/// # Errors
/// A NATURAL right or full join whose columns are not known here, and names of which it is not known
/// whose they are.
pub(super) fn merge_columns(statement: &mut Statement) -> Result<(), Error> {
    let Statement::Statement(statement) = statement else {
        return Ok(());
    };
    match statement.visit(&mut Queries { depth: 0 }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Queries {
    /// How many queries lie around.
    depth: usize,
}

impl VisitorMut for Queries {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        let inner = self.depth > 0;
        let done = match query.body.as_mut() {
            SetExpr::Select(select) => in_select(select, query.order_by.as_mut(), inner),
            SetExpr::SetOperation { .. } => in_sides(query.body.as_mut(), inner),
            _ => Ok(()),
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

fn in_sides(body: &mut SetExpr, inner: bool) -> Result<(), Error> {
    match body {
        SetExpr::Select(select) => in_select(select, None, inner),
        SetExpr::SetOperation { left, right, .. } => {
            in_sides(left, inner)?;
            in_sides(right, inner)
        }
        _ => Ok(()),
    }
}

/// A merged column and what it is.
struct Merged {
    name: Ident,
    value: Expr,
    /// Whether DataFusion would take another.
    special: bool,
}

/// The merged columns of one SELECT.
#[derive(Default)]
struct Columns {
    merged: Vec<Merged>,
    /// Whether a join has lost its USING, so that `*` gives the columns of both sides.
    written_out: bool,
}

/// `inner` is whether a query lies around. DataFusion 55.2 then looks there for a name that both sides
/// of a join have, so the names of inner and left joins are written out too.
fn in_select(
    select: &mut Select,
    order_by: Option<&mut OrderBy>,
    inner: bool,
) -> Result<(), Error> {
    let mut columns = Columns::default();
    for table in &mut select.from {
        columns.of_joins(table)?;
    }
    columns.merged.retain(|merged| merged.special || inner);
    if columns.merged.is_empty() {
        return Ok(());
    }
    let named: Vec<Ident> = output_names(select);
    columns.in_projection(&mut select.projection)?;
    let mut replace = Replace {
        merged: &columns.merged,
        kept: &[],
        depth: 0,
    };
    if let Some(Distinct::On(keys)) = &mut select.distinct {
        replace.in_all(keys)?;
    }
    replace.in_all(&mut select.selection)?;
    if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
        replace.in_all(keys)?;
    }
    replace.in_all(&mut select.having)?;
    replace.in_all(&mut select.qualify)?;
    replace.in_all(&mut select.named_window)?;
    // ORDER BY looks for the names of results first.
    replace.kept = &named;
    if let Some(OrderByKind::Expressions(keys)) = order_by.map(|order| &mut order.kind) {
        replace.in_all(keys)?;
    }
    Ok(())
}

fn output_names(select: &Select) -> Vec<Ident> {
    let names = select.projection.iter().filter_map(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        _ => None,
    });
    names.collect()
}

impl Columns {
    fn of_joins(&mut self, table: &mut TableWithJoins) -> Result<(), Error> {
        let mut relations = vec![relation_name(&table.relation)];
        let mut left_names = output_columns(&table.relation);
        for join in &mut table.joins {
            let right = relation_name(&join.relation);
            let right_names = output_columns(&join.relation);
            if let Some(constraint) = constraint(&mut join.join_operator)
                && matches!(constraint, JoinConstraint::Natural)
                && let Some(shared) = shared(left_names.as_deref(), right_names.as_deref())
            {
                *constraint = JoinConstraint::Using(shared);
            }
            left_names = left_names.zip(right_names).map(|(mut left, right)| {
                left.extend(right);
                left
            });
            let Some(kind) = kind(&join.join_operator) else {
                relations.push(right);
                continue;
            };
            let Some(constraint) = constraint(&mut join.join_operator) else {
                relations.push(right);
                continue;
            };
            match constraint {
                JoinConstraint::Natural if kind != Outer::Left || self.any_special() => {
                    return Err(natural(join.relation.span()));
                }
                JoinConstraint::Using(names) => {
                    let condition = self.merge(names, kind, &relations, right.as_ref())?;
                    if let Some(condition) = condition {
                        *constraint = JoinConstraint::On(condition);
                        self.written_out = true;
                    }
                }
                JoinConstraint::On(condition) if self.any_special() => {
                    let mut replace = Replace {
                        merged: &self.merged,
                        kept: &[],
                        depth: 0,
                    };
                    replace.in_all(condition)?;
                }
                _ => {}
            }
            relations.push(right);
        }
        Ok(())
    }

    fn any_special(&self) -> bool {
        self.merged.iter().any(|merged| merged.special)
    }

    /// What the columns are after one more join. A condition where the join cannot keep its USING.
    fn merge(
        &mut self,
        names: &[ObjectName],
        kind: Outer,
        relations: &[Option<Ident>],
        right: Option<&Ident>,
    ) -> Result<Option<Expr>, Error> {
        let mut pairs = Vec::new();
        let mut special = false;
        for name in names {
            let Some(name) = name.0.last().and_then(|part| part.as_ident()) else {
                continue;
            };
            let known = self
                .merged
                .iter()
                .position(|merged| same(&merged.name, name));
            let first = match relations {
                [Some(only)] => Some(expression(&format!("{only}.{name}"))?),
                _ => None,
            };
            let left = match known {
                Some(at) => Some(self.merged[at].value.clone()),
                None => first,
            };
            let left_special = known.is_some_and(|at| self.merged[at].special);
            let of_right = || match right {
                Some(right) => expression(&format!("{right}.{name}")),
                None => Err(unnamed(name)),
            };
            let value = match (kind, &left) {
                (Outer::Left, Some(left)) => left.clone(),
                // DataFusion looks for the column by itself, and takes the first one.
                (Outer::Left, None) => continue,
                (Outer::Right, _) => of_right()?,
                (Outer::Full, Some(left)) => {
                    expression(&format!("coalesce({left}, {})", of_right()?))?
                }
                (Outer::Full, None) => return Err(unnamed(name)),
            };
            if left_special {
                special = true;
            }
            if let Some(left) = left {
                pairs.push((left, of_right().ok()));
            }
            let merged = Merged {
                name: name.clone(),
                value,
                special: left_special || kind != Outer::Left,
            };
            match known {
                Some(at) => self.merged[at] = merged,
                None => self.merged.push(merged),
            }
        }
        if !special {
            return Ok(None);
        }
        let mut equal = Vec::new();
        for (left, right) in &pairs {
            match right {
                Some(right) => equal.push(format!("({left}) = ({right})")),
                None => return Err(Error::new(Kind::Plan, "USING over a table without a name")),
            }
        }
        match pairs.len() == names.len() {
            true => expression(&equal.join(" and ")).map(Some),
            false => Err(names[0]
                .0
                .last()
                .and_then(|part| part.as_ident())
                .map_or_else(
                    || Error::new(Kind::Plan, "USING over a table without a name"),
                    unnamed,
                )),
        }
    }

    fn in_projection(&self, items: &mut Vec<SelectItem>) -> Result<(), Error> {
        let mut replace = Replace {
            merged: &self.merged,
            kept: &[],
            depth: 0,
        };
        let mut written = Vec::new();
        for mut item in std::mem::take(items) {
            match &mut item {
                SelectItem::Wildcard(options) => self.star(options, &mut written)?,
                SelectItem::UnnamedExpr(Expr::Identifier(name)) => {
                    if let Some(merged) = self.merged.iter().find(|one| same(&one.name, name)) {
                        item = SelectItem::ExprWithAlias {
                            expr: merged.value.clone(),
                            alias: name.clone(),
                        };
                    }
                }
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    replace.in_all(expr)?;
                }
                _ => {}
            }
            written.push(item);
        }
        *items = written;
        Ok(())
    }

    /// `*` gives each merged column once.
    fn star(
        &self,
        options: &mut WildcardAdditionalOptions,
        before: &mut Vec<SelectItem>,
    ) -> Result<(), Error> {
        let left_out = |name: &Ident| {
            let excluded = match &options.opt_exclude {
                Some(ExcludeSelectItem::Single(one)) => vec![one.clone()],
                Some(ExcludeSelectItem::Multiple(many)) => many.clone(),
                None => Vec::new(),
            };
            let excluded = excluded
                .iter()
                .filter_map(|name| name.0.last()?.as_ident().cloned());
            let excepted = options.opt_except.iter();
            let excepted = excepted.flat_map(|list| {
                std::iter::once(list.first_element.clone()).chain(list.additional_elements.clone())
            });
            excluded.chain(excepted).any(|other| same(&other, name))
        };
        let wanted: Vec<&Merged> = self
            .merged
            .iter()
            .filter(|merged| (merged.special || self.written_out) && !left_out(&merged.name))
            .collect();
        if self.written_out {
            if options.opt_except.is_some() {
                return Err(Error::new(
                    Kind::Plan,
                    "`* except` over several full or right joins with USING is not supported",
                )
                .help("name the columns"));
            }
            before.extend(wanted.iter().map(|merged| SelectItem::ExprWithAlias {
                expr: merged.value.clone(),
                alias: merged.name.clone(),
            }));
            let mut excluded: Vec<ObjectName> = match options.opt_exclude.take() {
                Some(ExcludeSelectItem::Single(one)) => vec![one],
                Some(ExcludeSelectItem::Multiple(many)) => many,
                None => Vec::new(),
            };
            excluded.extend(
                wanted
                    .iter()
                    .map(|merged| ObjectName::from(vec![merged.name.clone()])),
            );
            options.opt_exclude = Some(ExcludeSelectItem::Multiple(excluded));
            return Ok(());
        }
        let mut items = match options.opt_replace.take() {
            Some(replaced) => replaced.items,
            None => Vec::new(),
        };
        for merged in wanted {
            if !items
                .iter()
                .any(|item| same(&item.column_name, &merged.name))
            {
                items.push(Box::new(ReplaceSelectElement {
                    expr: merged.value.clone(),
                    column_name: merged.name.clone(),
                    as_keyword: true,
                }));
            }
        }
        if !items.is_empty() {
            options.opt_replace = Some(ReplaceSelectItem { items });
        }
        Ok(())
    }
}

/// Which side's rows a join keeps.
#[derive(Clone, Copy, PartialEq)]
enum Outer {
    /// Inner joins too: the first table has every row.
    Left,
    Right,
    Full,
}

fn kind(operator: &JoinOperator) -> Option<Outer> {
    match operator {
        JoinOperator::Join(_)
        | JoinOperator::Inner(_)
        | JoinOperator::Left(_)
        | JoinOperator::LeftOuter(_) => Some(Outer::Left),
        JoinOperator::Right(_) | JoinOperator::RightOuter(_) => Some(Outer::Right),
        JoinOperator::FullOuter(_) => Some(Outer::Full),
        _ => None,
    }
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    match operator {
        JoinOperator::Join(constraint)
        | JoinOperator::Inner(constraint)
        | JoinOperator::Left(constraint)
        | JoinOperator::LeftOuter(constraint)
        | JoinOperator::Right(constraint)
        | JoinOperator::RightOuter(constraint)
        | JoinOperator::FullOuter(constraint) => Some(constraint),
        _ => None,
    }
}

/// What the columns of a table in FROM are called by.
fn relation_name(factor: &TableFactor) -> Option<Ident> {
    let (alias, name) = match factor {
        TableFactor::Table { alias, name, .. } => (alias, Some(name)),
        TableFactor::Derived { alias, .. } => (alias, None),
        _ => return None,
    };
    match alias {
        Some(alias) => Some(alias.name.clone()),
        None => name?.0.last()?.as_ident().cloned(),
    }
}

/// The columns of a subquery in FROM, where its text says all of them.
fn output_columns(factor: &TableFactor) -> Option<Vec<Ident>> {
    let TableFactor::Derived {
        subquery, alias, ..
    } = factor
    else {
        return None;
    };
    match alias {
        Some(alias) if !alias.columns.is_empty() => {
            let columns = alias.columns.iter();
            Some(columns.map(|column| column.name.clone()).collect())
        }
        _ => output_of(&subquery.body),
    }
}

fn output_of(body: &SetExpr) -> Option<Vec<Ident>> {
    let select = match body {
        SetExpr::Select(select) => select,
        SetExpr::Query(query) => return output_of(&query.body),
        SetExpr::SetOperation { left, .. } => return output_of(left),
        _ => return None,
    };
    let names = select.projection.iter().map(|item| match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        _ => None,
    });
    names.collect()
}

/// The columns of NATURAL; `None` where they are not known, or there are none.
fn shared(left: Option<&[Ident]>, right: Option<&[Ident]>) -> Option<Vec<ObjectName>> {
    let (left, right) = left.zip(right)?;
    let mut shared: Vec<&Ident> = Vec::new();
    for name in left {
        if right.iter().any(|other| same(name, other))
            && !shared.iter().any(|known| same(known, name))
        {
            shared.push(name);
        }
    }
    let names = shared.into_iter();
    let names: Vec<ObjectName> = names
        .map(|name| ObjectName::from(vec![name.clone()]))
        .collect();
    (!names.is_empty()).then_some(names)
}

/// Puts values in place of the names of merged columns.
struct Replace<'a> {
    merged: &'a [Merged],
    /// Names that mean something else.
    kept: &'a [Ident],
    /// How many subqueries lie around.
    depth: usize,
}

impl Replace<'_> {
    fn in_all(&mut self, part: &mut impl VisitMut) -> Result<(), Error> {
        match part.visit(self) {
            ControlFlow::Break(error) => Err(error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }
}

impl VisitorMut for Replace<'_> {
    type Break = Error;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Error> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Error> {
        let Expr::Identifier(name) = expr else {
            return ControlFlow::Continue(());
        };
        let Some(merged) = self.merged.iter().find(|merged| same(&merged.name, name)) else {
            return ControlFlow::Continue(());
        };
        if self.depth > 0 {
            return match merged.special {
                true => ControlFlow::Break(inside(name)),
                false => ControlFlow::Continue(()),
            };
        }
        if !self.kept.iter().any(|kept| same(kept, name)) {
            *expr = merged.value.clone();
        }
        ControlFlow::Continue(())
    }
}

fn expression(sql: &str) -> Result<Expr, Error> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(sql);
    let parsed = parser.and_then(|mut parser| parser.parse_expr());
    parsed.map_err(|error| Error::new(Kind::Syntax, error.to_string()))
}

fn same(one: &Ident, other: &Ident) -> bool {
    match one.quote_style.is_none() && other.quote_style.is_none() {
        true => one.value.eq_ignore_ascii_case(&other.value),
        false => one.value == other.value,
    }
}

fn natural(span: datafusion::sql::sqlparser::tokenizer::Span) -> Error {
    Error::new(Kind::Plan, "a NATURAL right or full join is not supported")
        .at(Position::of(span.start))
        .help("name the columns that the tables share: `full join t using (id)`")
}

fn unnamed(name: &Ident) -> Error {
    Error::new(
        Kind::Plan,
        format!("the tables of `{name}` in USING are not known"),
    )
    .at(Position::of(name.span.start))
    .help(format!(
        "write `on one.{name} = other.{name}`, and `coalesce(one.{name}, other.{name})` for the column"
    ))
}

fn inside(name: &Ident) -> Error {
    Error::new(
        Kind::Plan,
        format!("`{name}` in the subquery may be the column of USING outside of it"),
    )
    .at(Position::of(name.span.start))
    .help("write the name of the table before the column")
}

#[cfg(test)]
mod tests;
