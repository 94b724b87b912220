//! `select-star`: a table whose columns are whatever the tables that it reads have today.

use std::collections::HashMap;

use datafusion::sql::sqlparser::ast::{
    Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableFactor,
};

use super::{Finding, written};
use crate::engine::Position;
use refx_core::diagnostic::Code;

/// Stars of the outermost SELECT are followed through the CTEs and subqueries that they take from:
/// `select * from final` is harmless where `final` names its columns.
pub(super) fn check(query: &Query, found: &mut Vec<Finding>) {
    if let Some(star) = Ctes::default().in_query(query) {
        found.push(
            Finding::new(
                Code::SelectStar,
                star,
                "the published columns are whatever the tables read here have",
            )
            .help("name the columns that the table promises"),
        );
    }
}

/// The CTEs that a query can name, each with those that it can name itself.
#[derive(Clone, Default)]
struct Ctes<'a>(HashMap<String, (&'a Query, Box<Ctes<'a>>)>);

impl<'a> Ctes<'a> {
    /// The place of the star through which columns of a table come out of a query, if any do. The
    /// place is none where the text does not keep it.
    fn in_query(&self, query: &'a Query) -> Option<Option<Position>> {
        let mut known = self.clone();
        for cte in query.with.iter().flat_map(|with| &with.cte_tables) {
            let before = Box::new(known.clone());
            let name = written::folded(&cte.alias.name);
            known.0.insert(name, (&cte.query, before));
        }
        known.in_body(&query.body)
    }

    fn in_body(&self, body: &'a SetExpr) -> Option<Option<Position>> {
        match body {
            SetExpr::Select(select) => self.in_select(select),
            SetExpr::Query(query) => self.in_query(query),
            // The first branch names the columns, the other has to have as many.
            SetExpr::SetOperation { left, right, .. } => {
                self.in_body(left).or_else(|| self.in_body(right))
            }
            _ => None,
        }
    }

    fn in_select(&self, select: &'a Select) -> Option<Option<Position>> {
        let factors: Vec<&TableFactor> = select
            .from
            .iter()
            .flat_map(|from| {
                let joined = from.joins.iter().map(|join| &join.relation);
                std::iter::once(&from.relation).chain(joined)
            })
            .collect();
        select.projection.iter().find_map(|item| {
            let (place, of) = match item {
                SelectItem::Wildcard(options) => (options.wildcard_token.0.span, None),
                SelectItem::QualifiedWildcard(kind, options) => {
                    let SelectItemQualifiedWildcardKind::ObjectName(name) = kind else {
                        return None;
                    };
                    let name = name.0.last()?.as_ident().map(written::folded)?;
                    (options.wildcard_token.0.span, Some(name))
                }
                _ => return None,
            };
            let position = written::start(item).or_else(|| {
                Some(Position {
                    line: usize::try_from(place.start.line).ok()?,
                    column: usize::try_from(place.start.column).ok()?,
                })
            });
            let taken = factors
                .iter()
                .filter(|factor| of.is_none() || named(factor) == of);
            let mut stars = taken.filter_map(|factor| self.in_factor(factor, position));
            stars.next()
        })
    }

    fn in_factor(
        &self,
        factor: &'a TableFactor,
        star: Option<Position>,
    ) -> Option<Option<Position>> {
        match factor {
            TableFactor::Table { name, .. } => {
                let cte = match name.0.as_slice() {
                    [part] => part
                        .as_ident()
                        .and_then(|name| self.0.get(&written::folded(name))),
                    _ => None,
                };
                match cte {
                    Some((query, known)) => known.in_query(query),
                    None => Some(star),
                }
            }
            TableFactor::Derived { subquery, .. } => self.in_query(subquery),
            // What a table function or an unnested list gives is written in the query itself.
            _ => None,
        }
    }
}

/// What a star can call the table.
fn named(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, alias, .. } => match alias {
            Some(alias) => Some(written::folded(&alias.name)),
            None => name.0.last()?.as_ident().map(written::folded),
        },
        TableFactor::Derived { alias, .. } => {
            alias.as_ref().map(|alias| written::folded(&alias.name))
        }
        _ => None,
    }
}
