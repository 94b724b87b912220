//! Real rows of one input of a model, for a unit test that is made of them.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::compute::concat_batches;
use datafusion::arrow::datatypes::Schema;
use datafusion::datasource::MemTable;

use super::create::{Ask, read};
use super::written;
use crate::engine::{Error, Kind, Name, Session};
use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::manifest::{Given, Input, Node, fragment, reference};
use refx_core::project::Spanned;

/// Real rows of one input.
pub(super) struct Sample {
    input: Input,
    /// How the model names it.
    written: String,
    rows: RecordBatch,
    /// Which rows these are, and what was left out.
    notes: Vec<String>,
}

impl Sample {
    /// The rows that the condition keeps, with the columns that are needed. Where it does not apply, those
    /// that belong to rows which are already taken, by a column of the same name; or the first.
    pub(super) async fn take(
        session: &Session,
        input: &Node,
        needed: &[String],
        ask: &Ask,
        taken: &[Sample],
    ) -> Result<Sample, Diagnostic> {
        let told = |error: Error| error.into_diagnostic().at(input.common().span.clone());
        let relation = input
            .relation()
            .map(ToString::to_string)
            .unwrap_or_default();
        let whole = session.plan(&format!("select * from {relation}")).await;
        let whole = whole.map_err(told)?.schema();
        let (columns, left_out) = columns(&whole, needed);
        let mut notes: Vec<String> = left_out.into_iter().collect();
        let names: Vec<String> = columns.iter().map(|name| identifier(name)).collect();
        let select = format!("select {} from {relation}", names.join(", "));
        let query = match filtered(session, &select, ask).await? {
            Some(query) => query,
            None => {
                notes.push("the condition does not apply here".to_owned());
                match shared(&columns, taken) {
                    None => select,
                    Some((column, other)) => {
                        other.hold(session, &column).map_err(told)?;
                        notes.push(format!(
                            "rows of the same `{column}` as in {}",
                            other.written
                        ));
                        let column = identifier(&column);
                        format!("{select} where {column} in (select {column} from refx.taken)")
                    }
                }
            }
        };
        let query = format!("{query}{}", order(&whole, &columns));
        let mut rows = rows(session, &query, ask.limit + 1).await.map_err(told)?;
        if rows.num_rows() > ask.limit {
            rows = rows.slice(0, ask.limit);
            notes.push(format!("the first {} of more rows", ask.limit));
        }
        Ok(Sample {
            input: Input::Node(input.id().clone()),
            written: reference(input),
            rows,
            notes,
        })
    }

    /// The input as an item of the list below `given:`, and as what that reads as.
    pub(super) fn entry(&self) -> Result<(String, Given), Diagnostic> {
        let rows = written::rows(&self.rows, 10, true).map_err(Error::into_diagnostic)?;
        let written = match self.written.contains(',') {
            true => format!("\"{}\"", self.written),
            false => self.written.clone(),
        };
        let mut text = format!("      - input: {written}\n");
        if !self.notes.is_empty() {
            text.push_str(&format!("        # {}\n", self.notes.join("; ")));
        }
        text.push_str(&format!("        rows:{}{rows}\n", written::gap(&rows)));
        let given = Given {
            input: self.input.clone(),
            written: Spanned {
                value: self.written.clone(),
                span: Span::file("the new test"),
            },
            rows: read(&rows)?,
        };
        Ok((text, given))
    }

    /// Makes the values of a column readable as `refx.taken`.
    fn hold(&self, session: &Session, column: &str) -> Result<(), Error> {
        let rows = self.rows.project(&[self.rows.schema().index_of(column)?])?;
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
        session.register_table(&Name::qualified("refx", "taken"), Arc::new(table))
    }
}

/// The query with the condition; none where the input lacks a column of it.
async fn filtered(
    session: &Session,
    select: &str,
    ask: &Ask,
) -> Result<Option<String>, Diagnostic> {
    let Some(condition) = &ask.condition else {
        return Ok(Some(select.to_owned()));
    };
    let condition = fragment(condition).map_err(|fault| {
        let message = format!("`--where` is not complete SQL: {}", fault.message);
        Diagnostic::error(Code::InvalidValue, message).help(fault.help)
    })?;
    let query = format!("{select} where {condition}\n");
    match session.plan(&query).await {
        Ok(_) => Ok(Some(query)),
        Err(error) if error.kind == Kind::UnknownColumn => Ok(None),
        Err(error) => {
            let diagnostic = error.into_diagnostic();
            let message = format!("`--where`: {}", diagnostic.message);
            Err(Diagnostic {
                message,
                ..diagnostic
            })
        }
    }
}

async fn rows(session: &Session, query: &str, limit: usize) -> Result<RecordBatch, Error> {
    let plan = session.plan(query).await?;
    let batches = plan.collect(Some(limit)).await?;
    let schema = batches.first().map_or(plan.schema(), RecordBatch::schema);
    Ok(concat_batches(&schema, &batches)?)
}

/// The columns that are needed and can be written, and a word on those that cannot.
fn columns(whole: &Schema, needed: &[String]) -> (Vec<String>, Option<String>) {
    let fields = whole.fields().iter();
    let (kept, others): (Vec<_>, Vec<_>) =
        fields.partition(|field| written::can_be_written(field.data_type()));
    let is_needed = |name: &&String| needed.contains(name);
    let mut columns: Vec<String> = (kept.iter().map(|field| field.name()))
        .filter(is_needed)
        .cloned()
        .collect();
    if columns.is_empty() {
        // Where rows are only counted, any column will do.
        columns.extend(kept.first().map(|field| field.name().clone()));
    }
    let others = others.iter().map(|field| field.name()).filter(is_needed);
    (columns, left_out(others))
}

/// A word on columns whose values cannot be written.
pub(super) fn left_out<'a>(columns: impl Iterator<Item = &'a String>) -> Option<String> {
    let names: Vec<String> = columns.map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| {
        format!(
            "left out, as its values cannot be written here: {}",
            names.join(", ")
        )
    })
}

/// A column that identifies something and stands in rows that were taken already.
fn shared<'a>(columns: &[String], taken: &'a [Sample]) -> Option<(String, &'a Sample)> {
    let identifies = |name: &&String| *name == "id" || name.ends_with("_id");
    columns.iter().filter(identifies).find_map(|name| {
        let holds = |sample: &&Sample| {
            sample.rows.num_rows() > 0 && sample.rows.column_by_name(name).is_some()
        };
        Some((name.clone(), taken.iter().find(holds)?))
    })
}

/// By all columns that have an order: the same rows are taken each time.
fn order(whole: &Schema, columns: &[String]) -> String {
    let numbers = columns.iter().enumerate().filter(|(_, name)| {
        let field = whole.field_with_name(name);
        field.is_ok_and(|field| !field.data_type().is_nested())
    });
    let numbers: Vec<String> = numbers.map(|(at, _)| (at + 1).to_string()).collect();
    match numbers.is_empty() {
        true => String::new(),
        false => format!(" order by {}", numbers.join(", ")),
    }
}

fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
