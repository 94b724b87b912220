//! SQL of a model's settings over the two sides of a merge: the new rows and the table.

use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::common::{DFSchema, DataFusionError, TableReference};
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, ExprSchemable};
use datafusion::sql::sqlparser::ast::{
    self, AccessExpr, AssignmentTarget, ExprWithAlias, Ident, ObjectNamePart, Subscript, VisitMut,
    VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;

use super::compare::{SOURCE, TARGET};
use super::schema::named;
use super::{Error, Merge};
use crate::engine::{self, sql_type};
use refx_core::diagnostic::closest;
use refx_core::manifest::fragment;

/// The sides that a text may speak of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Source,
    Target,
    Both,
}

/// One column that a text sets, and what to.
pub(super) struct Assignment {
    pub(super) column: String,
    pub(super) value: Expr,
}

/// The names that a text may use: the columns of both sides, under all that the sides are called.
pub(super) struct Sides {
    state: SessionState,
    source: Arc<Schema>,
    target: Arc<Schema>,
    both: DFSchema,
    /// In lower case, with the side that each means.
    aliases: Vec<(String, &'static str)>,
}

impl Sides {
    pub(super) fn new(
        state: SessionState,
        source: Arc<Schema>,
        target: Arc<Schema>,
        merge: &Merge,
    ) -> Result<Sides, Error> {
        let side = |name: &str, schema: &Schema| {
            DFSchema::try_from_qualified_schema(TableReference::bare(name), schema)
        };
        let both = side(SOURCE, &source)
            .and_then(|left| left.join(&side(TARGET, &target)?))
            .map_err(engine::Error::from)?;
        let mut aliases: Vec<(String, &'static str)> = Vec::new();
        let given = [(&merge.source_alias, SOURCE), (&merge.target_alias, TARGET)];
        for (alias, side) in given {
            aliases.extend(alias.iter().map(|alias| (alias.to_lowercase(), side)));
        }
        for (alias, side) in [
            (SOURCE, SOURCE),
            (TARGET, TARGET),
            ("dbt_internal_source", SOURCE),
            ("dbt_internal_dest", TARGET),
        ] {
            aliases.push((alias.to_owned(), side));
        }
        Ok(Sides {
            state,
            source,
            target,
            both,
            aliases,
        })
    }

    /// A condition. `setting` is what an error calls the text.
    pub(super) fn condition(
        &self,
        setting: &'static str,
        text: &str,
        over: Over,
    ) -> Result<Expr, Error> {
        let parsed = parse(setting, text, |parser| parser.parse_expr())?;
        let expr = self.planned(setting, parsed, over)?;
        match self.type_of(setting, &expr)? {
            DataType::Boolean | DataType::Null => Ok(expr),
            other => Err(Error::Rule {
                setting,
                message: format!("`{text}` is of type {}, and no condition", sql_type(&other)),
                help: Some("compare it with something: `… > 0`, `… is not null`".to_owned()),
            }),
        }
    }

    /// The value of a column, which may have any type that the column's can be cast from.
    pub(super) fn value(
        &self,
        setting: &'static str,
        text: &str,
        over: Over,
    ) -> Result<Expr, Error> {
        let parsed = parse(setting, text, |parser| parser.parse_expr())?;
        let expr = self.planned(setting, parsed, over)?;
        self.type_of(setting, &expr)?;
        Ok(expr)
    }

    /// `is_gone = true, gone_at = now()`, over the table's columns.
    pub(super) fn assignments(
        &self,
        setting: &'static str,
        text: &str,
    ) -> Result<Vec<Assignment>, Error> {
        let all = parse(setting, text, |parser| {
            parser.parse_comma_separated(Parser::parse_assignment)
        })?;
        let mut assignments: Vec<Assignment> = Vec::new();
        for one in all {
            let AssignmentTarget::ColumnName(name) = &one.target else {
                let message = format!("`{}` sets no column", one.target);
                return Err(refused(setting, message, "write `COLUMN = EXPRESSION`"));
            };
            let written = match name.0.last() {
                Some(ObjectNamePart::Identifier(ident)) => ident.value.clone(),
                _ => name.to_string(),
            };
            let column = self.column(setting, TARGET, &written)?;
            if assignments.iter().any(|known| known.column == column) {
                let message = format!("`{column}` is set twice");
                return Err(refused(setting, message, "keep one of them"));
            }
            let value = self.planned(setting, one.value, Over::Target)?;
            self.type_of(setting, &value)?;
            assignments.push(Assignment { column, value });
        }
        Ok(assignments)
    }

    fn planned(
        &self,
        setting: &'static str,
        mut parsed: ast::Expr,
        over: Over,
    ) -> Result<Expr, Error> {
        let mut naming = Naming {
            sides: self,
            setting,
            over,
        };
        if let ControlFlow::Break(error) = parsed.visit(&mut naming) {
            return Err(error);
        }
        engine::prepare(&mut parsed);
        let parsed = ExprWithAlias {
            expr: parsed,
            alias: None,
        };
        let planned = self
            .state
            .create_logical_expr_from_sql_expr(parsed, &self.both);
        // Its places are in the setting, and errors are shown in the model.
        let planned = planned.and_then(engine::expression_without_places);
        planned.map_err(|error| told(setting, error))
    }

    fn type_of(&self, setting: &'static str, expr: &Expr) -> Result<DataType, Error> {
        expr.get_type(&self.both)
            .map_err(|error| told(setting, error))
    }

    fn schema(&self, side: &str) -> &Schema {
        match side == SOURCE {
            true => &self.source,
            false => &self.target,
        }
    }

    /// A column's name as its side spells it.
    fn column(&self, setting: &'static str, side: &str, written: &str) -> Result<String, Error> {
        let schema = self.schema(side);
        if let Some(field) = named(schema, written) {
            return Ok(field.name().clone());
        }
        let of = match side == SOURCE {
            true => "the model does not select",
            false => "the table does not have",
        };
        let names = schema.fields().iter().map(|field| field.name().as_str());
        Err(Error::Rule {
            setting,
            message: format!("it names `{written}`, which {of}"),
            help: Some(offered(written, names)),
        })
    }

    /// The side that a name means, if it is the name of one.
    fn side(&self, name: &str) -> Option<&'static str> {
        let name = name.to_lowercase();
        let mut aliases = self.aliases.iter();
        aliases
            .find(|(alias, _)| *alias == name)
            .map(|(_, side)| *side)
    }
}

impl Over {
    fn allows(self, side: &str) -> bool {
        match self {
            Over::Both => true,
            Over::Source => side == SOURCE,
            Over::Target => side == TARGET,
        }
    }
}

/// Writes each column with its side and in its side's spelling, so that case does not matter.
struct Naming<'a> {
    sides: &'a Sides,
    setting: &'static str,
    over: Over,
}

impl VisitorMut for Naming<'_> {
    type Break = Error;

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<Error> {
        let spelled = match expr {
            ast::Expr::Identifier(ident) => match self.sides.side(&ident.value) {
                // The head of `source.tags[1]`, where the parser takes the name apart.
                Some(side) => self
                    .allowed(side)
                    .map(|()| ast::Expr::Identifier(quoted(side))),
                None => self.bare(&ident.value).map(ast::Expr::CompoundIdentifier),
            },
            ast::Expr::CompoundIdentifier(parts) => {
                self.compound(parts).map(ast::Expr::CompoundIdentifier)
            }
            ast::Expr::CompoundFieldAccess { root, access_chain } => {
                gather(root, access_chain);
                return ControlFlow::Continue(());
            }
            _ => return ControlFlow::Continue(()),
        };
        match spelled {
            Ok(spelled) => {
                *expr = spelled;
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Naming<'_> {
    fn allowed(&self, side: &str) -> Result<(), Error> {
        match self.over.allows(side) {
            true => Ok(()),
            false => {
                let other = if side == SOURCE { TARGET } else { SOURCE };
                Err(Error::Rule {
                    setting: self.setting,
                    message: format!("it speaks of `{side}`, and there is only `{other}`"),
                    help: Some(format!("write `{other}.` before its columns, or nothing")),
                })
            }
        }
    }

    fn compound(&self, parts: &[Ident]) -> Result<Vec<Ident>, Error> {
        let [first, second, rest @ ..] = parts else {
            return Ok(parts.to_vec());
        };
        let Some(side) = self.sides.side(&first.value) else {
            // A field of a struct, written without its side.
            let mut spelled = self.bare(&first.value)?;
            spelled.extend_from_slice(&parts[1..]);
            return Ok(spelled);
        };
        self.allowed(side)?;
        let column = self.sides.column(self.setting, side, &second.value)?;
        let mut spelled = vec![quoted(side), quoted(&column)];
        spelled.extend_from_slice(rest);
        Ok(spelled)
    }

    /// A column without its side: the one side that may be spoken of, or that has it.
    fn bare(&self, written: &str) -> Result<Vec<Ident>, Error> {
        let side = match self.over {
            Over::Source => SOURCE,
            Over::Target => TARGET,
            Over::Both => {
                let has = |side| named(self.sides.schema(side), written).is_some();
                match (has(SOURCE), has(TARGET)) {
                    (true, true) => {
                        let message = format!("`{written}` is a column of both sides");
                        return Err(Error::Rule {
                            setting: self.setting,
                            message,
                            help: Some(format!(
                                "write `{SOURCE}.{written}` or `{TARGET}.{written}`"
                            )),
                        });
                    }
                    (false, true) => TARGET,
                    (_, false) => SOURCE,
                }
            }
        };
        let column = self.sides.column(self.setting, side, written)?;
        Ok(vec![quoted(side), quoted(&column)])
    }
}

/// Puts together the column of `source.tags[1].name`, which the parser takes apart, and writes the
/// fields behind it as `['name']`, so that they are not taken for columns.
fn gather(root: &mut ast::Expr, chain: &mut Vec<AccessExpr>) {
    if let ast::Expr::Identifier(first) = root {
        let mut name = vec![first.clone()];
        while let Some(AccessExpr::Dot(ast::Expr::Identifier(next))) = chain.first() {
            name.push(next.clone());
            chain.remove(0);
        }
        if name.len() > 1 {
            *root = ast::Expr::CompoundIdentifier(name);
        }
    }
    for access in chain {
        let AccessExpr::Dot(ast::Expr::Identifier(field)) = access else {
            continue;
        };
        let name = match field.quote_style {
            Some(_) => field.value.clone(),
            None => field.value.to_lowercase(),
        };
        let index = ast::Expr::value(ast::Value::SingleQuotedString(name));
        *access = AccessExpr::Subscript(Subscript::Index { index });
    }
}

fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// The whole text, and nothing after it.
fn parse<T>(
    setting: &'static str,
    text: &str,
    read: impl FnOnce(&mut Parser<'_>) -> Result<T, ParserError>,
) -> Result<T, Error> {
    let text = fragment(text).map_err(|fault| refused(setting, fault.message, fault.help))?;
    let dialect = GenericDialect {};
    let run = || {
        let mut parser = Parser::new(&dialect).try_with_sql(text)?;
        let parsed = read(&mut parser)?;
        parser.expect_token(&Token::EOF)?;
        Ok(parsed)
    };
    run().map_err(|error: ParserError| told(setting, DataFusionError::SQL(Box::new(error), None)))
}

fn told(setting: &'static str, error: DataFusionError) -> Error {
    let error = engine::Error::from(error);
    Error::Rule {
        setting,
        message: error.message.clone(),
        help: error.help.clone().or_else(|| {
            let example = "such as `source.updated_at > target.updated_at`";
            (error.kind == engine::Kind::Syntax).then(|| format!("write it in SQL, {example}"))
        }),
    }
}

/// The nearest of the names, or all of them where none is near.
pub(super) fn offered<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> String {
    const SHOWN: usize = 10;
    let names: Vec<&str> = names.collect();
    if let Some(name) = closest(written, names.iter().copied()) {
        return format!("did you mean `{name}`?");
    }
    let shown = names.iter().take(SHOWN).map(|name| format!("`{name}`"));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match names.len().checked_sub(SHOWN) {
        None | Some(0) => format!("the columns are {shown}"),
        Some(more) => format!("the columns are {shown} and {more} more"),
    }
}

pub(super) fn refused(
    setting: &'static str,
    message: impl Into<String>,
    help: impl Into<String>,
) -> Error {
    Error::Rule {
        setting,
        message: message.into(),
        help: Some(help.into()),
    }
}
