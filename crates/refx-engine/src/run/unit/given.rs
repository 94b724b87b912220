//! The rows that a test gives, readable under the names that its model reads.

use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::datasource::MemTable;

use super::{Subject, typed};
use crate::engine::{Error, Name, Session};
use refx_core::compile::Compiled;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Content, Given, Input, Node, reference};
use refx_core::template::Relation;

/// Something that the model may read and the test does not give.
pub(super) struct Missing {
    pub relation: Relation,
    /// How the model names it.
    written: String,
}

/// Registers what is given, and without rows what is not: whether the query reads that, only its plan
/// says.
pub(super) async fn register(
    subject: &Subject<'_>,
    session: &Session,
) -> Result<Vec<Missing>, Diagnostic> {
    let Subject { test, model, .. } = subject;
    for given in &test.given {
        let relation = match &given.input {
            Input::This => Some(&model.relation),
            Input::Node(id) => subject.job.node(id)?.relation(),
        };
        let Some(relation) = relation else { continue };
        let rows = batch(subject, given).await?;
        hold(session, relation, rows).map_err(|error| subject.placed(error))?;
    }
    let mut missing = Vec::new();
    for id in &model.common.depends_on {
        let is_given = |given: &Given| matches!(&given.input, Input::Node(known) if known == id);
        let node = subject.job.node(id)?;
        let (Some(relation), false) = (node.relation(), test.given.iter().any(is_given)) else {
            continue;
        };
        missing.push(Missing {
            relation: relation.clone(),
            written: reference(node),
        });
        empty(subject, session, relation, subject.job.shapes.get(id))?;
    }
    if test.this().is_none() && test.is_incremental() {
        missing.push(Missing {
            relation: model.relation.clone(),
            written: "this".to_owned(),
        });
        let shape = subject.job.shapes.get(&test.model);
        empty(subject, session, &model.relation, shape)?;
    }
    Ok(missing)
}

fn empty(
    subject: &Subject<'_>,
    session: &Session,
    relation: &Relation,
    shape: Option<&SchemaRef>,
) -> Result<(), Diagnostic> {
    let schema = shape.cloned().unwrap_or_else(|| Arc::new(Schema::empty()));
    let rows = RecordBatch::new_empty(schema);
    hold(session, relation, rows).map_err(|error| subject.placed(error))
}

/// The rows of an input in the types of its columns.
pub(super) async fn batch(subject: &Subject<'_>, given: &Given) -> Result<RecordBatch, Diagnostic> {
    let node = match &given.input {
        Input::This => subject.node,
        Input::Node(id) => subject.job.node(id)?,
    };
    let shape = match (subject.job.shapes.of(node), node) {
        (Ok(shape), _) => Arc::clone(shape),
        // A source whose files are not here has the columns that it declares, and those that are given.
        (Err(_), Node::Source(source)) => {
            let session = subject.job.engine.session();
            match &given.rows.content {
                Content::Grid(grid) => typed::of_grid(grid, &source.common.columns, &session),
                Content::Sql(sql) => typed::of_text(&session, sql).await?,
            }
        }
        (Err(diagnostic), _) => return Err(diagnostic.at(given.written.span.clone())),
    };
    let shape = nullable(&shape);
    let whose = format!("`{}` has", given.written.value);
    match &given.rows.content {
        Content::Grid(grid) => {
            typed::named(grid, &shape, &whose)?;
            typed::batch(grid, &shape)
        }
        Content::Sql(sql) => {
            let rows = typed::of_query(&subject.job, sql, &shape, &whose).await?;
            typed::padded(&rows, &shape).map_err(|error| subject.placed(error))
        }
    }
}

/// A column that is not given is NULL, whatever the table would allow.
fn nullable(shape: &SchemaRef) -> SchemaRef {
    let fields = shape.fields().iter();
    let fields: Vec<Field> = fields
        .map(|field| field.as_ref().clone().with_nullable(true))
        .collect();
    Arc::new(Schema::new(fields))
}

fn hold(session: &Session, relation: &Relation, rows: RecordBatch) -> Result<(), Error> {
    let table = MemTable::try_new(rows.schema(), vec![vec![rows]])?;
    session.register_table(&Name::of(relation), Arc::new(table))
}

impl Missing {
    /// The diagnostic of an input that the query reads, at the test and at the place that reads it.
    pub(super) fn told(&self, subject: &Subject<'_>, compiled: &Compiled) -> Diagnostic {
        let test = &subject.test.common;
        let written = &self.written;
        let model = &subject.model.common.name;
        let diagnostic = Diagnostic::error(
            Code::MissingInput,
            format!(
                "`{}` gives no rows of `{written}`, which `{model}` reads",
                test.name
            ),
        )
        .at(test.span.clone());
        let diagnostic = match place(&compiled.sql, &self.relation.to_string()) {
            Some((line, column)) => {
                diagnostic.related(compiled.locate(line, column), "it is read here")
            }
            None => diagnostic,
        };
        diagnostic.help(format!(
            "give some, or none: `- {{input: {}, rows: []}}`",
            // Without quotes, a comma ends the value.
            match written.contains(',') {
                true => format!("\"{written}\""),
                false => written.clone(),
            }
        ))
    }
}

/// One-based line and column of a text in another.
fn place(sql: &str, wanted: &str) -> Option<(usize, usize)> {
    let before = &sql[..sql.find(wanted)?];
    let line = before.matches('\n').count() + 1;
    let column = before
        .rsplit('\n')
        .next()
        .unwrap_or_default()
        .chars()
        .count()
        + 1;
    Some((line, column))
}
