//! The columns that a properties file declares, and those that the query gives.

use datafusion::arrow::datatypes::{DataType, Schema};

use super::{named, own_column, with_names};
use crate::engine::{Session, sql_type};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::Model;
use refx_core::project::config::Contract;
use refx_core::project::{ColumnProperties, Spanned};
use refx_core::template::column_name;

/// With an enforced contract every difference is an error; else a declared type that contradicts the
/// query is a warning.
pub(super) fn check(session: &Session, model: &Model, query: &Schema) -> Vec<Diagnostic> {
    let checked = Checked {
        session,
        model,
        query,
    };
    match model.contract() {
        Some(contract) => checked.enforced(contract),
        None => checked.declared(),
    }
}

struct Checked<'a> {
    session: &'a Session,
    model: &'a Model,
    query: &'a Schema,
}

impl Checked<'_> {
    fn enforced(&self, contract: &Spanned<Contract>) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for column in &self.model.common.columns {
            match self.found(column) {
                Some(found) => diagnostics.extend(self.typed(column, &found, contract)),
                None => diagnostics.push(self.missing(column)),
            }
        }
        diagnostics.extend(self.extra(contract));
        diagnostics
    }

    fn declared(&self) -> Vec<Diagnostic> {
        let mut diagnostics = Vec::new();
        for column in &self.model.common.columns {
            let name = &*column.name.value;
            let Some(found) = self.found(column) else {
                // A constraint of a column that is not there is told as an error.
                if column.constraints.is_empty() {
                    let diagnostic = Diagnostic::warning(
                        Code::UnknownProperty,
                        format!("`{}` does not select `{name}`", self.model.common.name),
                    )
                    .at(column.name.span.clone());
                    diagnostics.push(with_names(diagnostic, name, self.query));
                }
                continue;
            };
            let Some(written) = &column.data_type else {
                continue;
            };
            let Some(declared) = self.session.named_type(&written.value) else {
                diagnostics.push(Diagnostic {
                    severity: refx_core::diagnostic::Severity::Warning,
                    ..unknown_type(written)
                });
                continue;
            };
            if !same(&declared, &written.value, &found) {
                let found = sql_type(&found);
                diagnostics.push(
                    Diagnostic::warning(
                        Code::DeclaredType,
                        format!(
                            "`{name}` is declared as {}, and the query gives {found}",
                            sql_type(&declared)
                        ),
                    )
                    .at(written.span.clone())
                    .help(way_out(name, &declared, &found)),
                );
            }
        }
        diagnostics
    }

    /// The type that a declared column has in the table.
    fn found(&self, column: &ColumnProperties) -> Option<DataType> {
        let name = &*column.name.value;
        let of_query = named(self.query, name).map(|field| field.data_type().clone());
        of_query.or_else(|| {
            let (own, data_type) = own_column(self.model)?;
            own.eq_ignore_ascii_case(name).then_some(data_type)
        })
    }

    fn typed(
        &self,
        column: &ColumnProperties,
        found: &DataType,
        contract: &Spanned<Contract>,
    ) -> Option<Diagnostic> {
        // A contract without a type is told where the project is read.
        let written = column.data_type.as_ref()?;
        let name = &*column.name.value;
        let Some(declared) = self.session.named_type(&written.value) else {
            return Some(unknown_type(written));
        };
        let of = sql_type(&declared);
        let wrong =
            |message| Diagnostic::error(Code::BrokenContract, message).at(written.span.clone());
        if !same(&declared, &written.value, found) {
            let found = sql_type(found);
            return Some(
                wrong(format!(
                    "the contract declares `{name}` as {of}, and the query gives {found}"
                ))
                .help(way_out(name, &declared, &found)),
            );
        }
        let spelled = |text: &str| text.to_lowercase().replace(' ', "");
        let is_alias = spelled(&written.value) != spelled(&of);
        (is_alias && !contract.value.alias_types).then(|| {
            wrong(format!(
                "`{}` is another name of {of}, and `alias_types: false` takes none",
                written.value
            ))
            .help(format!("write `data_type: {of}`"))
        })
    }

    fn missing(&self, column: &ColumnProperties) -> Diagnostic {
        let name = &*column.name.value;
        let diagnostic = Diagnostic::error(
            Code::BrokenContract,
            format!("the contract declares `{name}`, which the query does not select"),
        )
        .at(column.name.span.clone());
        let columns = &self.model.common.columns;
        let others = self
            .query
            .fields()
            .iter()
            .map(|field| field.name().as_str());
        let others = others.filter(|other| {
            let mut columns = columns.iter();
            !columns.any(|column| column.name.value.eq_ignore_ascii_case(other))
        });
        let diagnostic = diagnostic.did_you_mean(name, others);
        match diagnostic.help {
            Some(_) => diagnostic,
            None => diagnostic.help("select it, or take it out of the contract"),
        }
    }

    /// Columns that the contract does not know. They are told at the contract: the query's own place
    /// would be another file.
    fn extra(&self, contract: &Spanned<Contract>) -> Vec<Diagnostic> {
        let model = self.model;
        let is_declared = |name: &str| {
            let mut columns = model.common.columns.iter();
            columns.any(|column| column.name.value.eq_ignore_ascii_case(name))
        };
        let place = model.common.described_at.as_ref();
        let place = place.unwrap_or(&contract.span);
        let fields = self.query.fields().iter();
        let extra = fields.filter(|field| !is_declared(field.name()));
        extra
            .map(|field| {
                let (name, of) = (field.name(), sql_type(field.data_type()));
                Diagnostic::error(
                    Code::BrokenContract,
                    format!("the query selects `{name}`, which the contract does not declare"),
                )
                .at(place.clone())
                .help(format!(
                    "declare it, `- {{name: {name}, data_type: {of}}}`, or do not select it"
                ))
            })
            .collect()
    }
}

fn unknown_type(written: &Spanned<String>) -> Diagnostic {
    const COMMON: [&str; 14] = [
        "varchar",
        "bigint",
        "integer",
        "smallint",
        "tinyint",
        "double",
        "float",
        "decimal",
        "date",
        "timestamp",
        "timestamptz",
        "boolean",
        "bytea",
        "text",
    ];
    let diagnostic = Diagnostic::error(
        Code::UnknownType,
        format!("no type named `{}`", written.value),
    )
    .at(written.span.clone())
    .did_you_mean(&written.value, COMMON);
    match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic
            .help("use a SQL type such as `varchar`, `bigint`, `double`, `decimal(10,2)`, `date`"),
    }
}

/// Whether a query gives what is declared. A decimal without digits stands for all of them, as in
/// dbt.
fn same(declared: &DataType, written: &str, found: &DataType) -> bool {
    let found = sql_type(found);
    sql_type(declared) == found || (is_plain_decimal(written) && found.starts_with("decimal("))
}

fn is_plain_decimal(written: &str) -> bool {
    let word = written.trim().to_lowercase();
    matches!(word.as_str(), "decimal" | "numeric" | "number" | "dec")
}

fn way_out(name: &str, declared: &DataType, found: &str) -> String {
    let cast = format!(
        "cast it in the model, `cast({} as {})`",
        column_name(name, || None),
        sql_type(declared)
    );
    match found {
        "null" => cast,
        found => format!("{cast}, or declare `data_type: {found}`"),
    }
}
