//! A unit test out of real rows: what a model reads of them, and what it makes of just these.

use std::sync::Arc;

use super::sample::{Sample, left_out};
use super::{Actual, Subject, written};
use crate::engine::{Error, Name};
use crate::run::step::placed;
use crate::run::{Job, Live};
use refx_core::compile;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Expect, Model, Node, NodeId, Overrides, Rows, UnitTest};
use refx_core::project::yaml;

/// Which rows a test is made of.
#[derive(Clone, Debug)]
pub struct Ask {
    /// The name of the test; made of the model's and the condition where absent.
    pub name: Option<String>,
    /// What rows of an input have to fulfil, where it has the columns.
    pub condition: Option<String>,
    /// The most rows of one input.
    pub limit: usize,
}

/// Writes a unit test, as an item of the list below `unit_tests:`. It passes when it is run.
///
/// # Errors
/// Where the model or what it reads cannot be read, or it gives other rows each time.
pub async fn create(
    job: &Job,
    node: &Node,
    model: &Model,
    ask: &Ask,
) -> Result<String, Diagnostic> {
    let mut test = empty(job, node, ask);
    let columns = columns_read(job, model, &test).await?;
    let session = job.engine.session();
    let inputs = job.inputs();
    let registered = inputs.all(&session, &model.common.depends_on).await;
    registered.map_err(|diagnostic| placed(diagnostic, node))?;
    let mut samples: Vec<Sample> = Vec::new();
    for (id, columns) in columns {
        let input = job.node(&id)?;
        samples.push(Sample::take(&session, input, &columns, ask, &samples).await?);
    }
    let mut text = head(&test, job, ask);
    if !samples.is_empty() {
        text.push_str("    given:\n");
    }
    for sample in &samples {
        let (entry, given) = sample.entry()?;
        text.push_str(&entry);
        test.given.push(given);
    }
    let subject = Subject::new(job, &test)?;
    let actual = subject.run().await?.rows().await?;
    let (rows, note) = expected(&actual).map_err(|error| told(error, node))?;
    let note = note.map(|note| format!("      # {note}\n"));
    text.push_str(&format!(
        "    expect:\n{}      rows:{}{rows}\n",
        note.unwrap_or_default(),
        written::gap(&rows)
    ));
    test.expect.rows = Some(read(&rows)?);
    proven(job, &test, node).await?;
    Ok(text)
}

/// The rows that the model gave, and a word on the columns that cannot be written.
fn expected(actual: &Actual) -> Result<(String, Option<String>), Error> {
    let fields = actual.schema.fields().iter().enumerate();
    let (kept, others): (Vec<_>, Vec<_>) =
        fields.partition(|(_, field)| written::can_be_written(field.data_type()));
    let kept: Vec<usize> = kept.into_iter().map(|(at, _)| at).collect();
    let rows = written::rows(&actual.rows.project(&kept)?, 8, false)?;
    Ok((
        rows,
        left_out(others.into_iter().map(|(_, field)| field.name())),
    ))
}

/// A test that does not pass would only surprise: the model's rows are computed a second time.
async fn proven(job: &Job, test: &UnitTest, node: &Node) -> Result<(), Diagnostic> {
    let subject = Subject::new(job, test)?;
    let again = subject.run().await?.rows().await?;
    let expected = test.expect.rows.iter();
    for rows in expected {
        if let Some(found) = subject.held_against(rows, &again, "").await? {
            return Err(Diagnostic::error(
                Code::UnitTestFailed,
                format!("`{}` gives other rows each time it is run", node.name()),
            )
            .at(node.common().span.clone())
            .note(found.drawn)
            .help("a clock, `random()` or an order that is not total may be the cause"));
        }
    }
    Ok(())
}

fn empty(job: &Job, node: &Node, ask: &Ask) -> UnitTest {
    let mut common = node.common().clone();
    common.name = ask.name.clone().unwrap_or_else(|| {
        let condition = ask.condition.as_deref().unwrap_or("on some rows");
        let letters = condition
            .chars()
            .map(|letter| match letter.is_alphanumeric() {
                true => letter.to_ascii_lowercase(),
                false => '_',
            });
        let words: String = letters.collect();
        let words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
        format!("{}_{}", node.name(), words.join("_"))
    });
    UnitTest {
        model: common.id.clone(),
        version: node.as_model().and_then(|model| model.version.clone()),
        common,
        given: Vec::new(),
        expect: Expect {
            rows: None,
            table: None,
        },
        overrides: Overrides {
            as_of: Some(job.basis.invocation.as_of),
            vars: job.basis.invocation.vars.command_line.clone(),
            ..Overrides::default()
        },
    }
}

/// The inputs that the query reads, with the columns that it reads of each.
async fn columns_read(
    job: &Job,
    model: &Model,
    test: &UnitTest,
) -> Result<Vec<(NodeId, Vec<String>)>, Diagnostic> {
    let subject = Subject::new(job, test)?;
    let (ran, _) = subject.planned().await?;
    let mut found = Vec::new();
    for id in &model.common.depends_on {
        let Some(relation) = job.node(id)?.relation() else {
            continue;
        };
        let name = Name::of(relation);
        if ran.plan.reads(&name) {
            let columns = ran.plan.columns_read(&name);
            found.push((id.clone(), columns.map_err(|error| subject.placed(error))?));
        }
    }
    Ok(found)
}

/// The lines before `given:`.
fn head(test: &UnitTest, job: &Job, ask: &Ask) -> String {
    let model = job.basis.manifest.get(&test.model);
    let mut text = format!(
        "  - name: {}\n    model: {}\n",
        test.common.name,
        model.map_or("", Node::name)
    );
    if let Some(version) = &test.version {
        text.push_str(&format!("    versions: {{include: [{version}]}}\n"));
    }
    if let Some(condition) = &ask.condition {
        text = text.replacen(
            "    model:",
            &format!(
                "    description: {}\n    model:",
                quoted(&format!("Rows where {condition}."))
            ),
            1,
        );
    }
    let as_of = test
        .overrides
        .as_of
        .filter(|_| depends_on_the_day(job, test));
    let vars = &test.overrides.vars;
    if as_of.is_some() || !vars.is_empty() {
        text.push_str("    overrides:\n");
    }
    if let Some(as_of) = as_of {
        let format = match as_of.time() == chrono::NaiveTime::MIN {
            true => "%Y-%m-%d",
            false => "%Y-%m-%dT%H:%M:%SZ",
        };
        text.push_str(&format!("      as_of: {}\n", as_of.format(format)));
    }
    if !vars.is_empty() {
        let vars: Vec<String> = vars
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        text.push_str(&format!("      vars: {{{}}}\n", vars.join(", ")));
    }
    text
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Whether the query is another on another day.
fn depends_on_the_day(job: &Job, test: &UnitTest) -> bool {
    let mut later = test.clone();
    later.overrides.as_of = test
        .overrides
        .as_of
        .map(|at| at + chrono::TimeDelta::days(1));
    let session = job.engine.session();
    let compiled = |test| {
        let queries = Arc::new(Live::new(&session, &job.inputs()));
        compile::tested(&job.basis, test, queries).map(|compiled| compiled.sql)
    };
    match (compiled(test), compiled(&later)) {
        (Ok(one), Ok(other)) => one != other,
        _ => true,
    }
}

/// Rows as a properties file that holds them would be read.
pub(super) fn read(rows: &str) -> Result<Rows, Diagnostic> {
    let file: Arc<str> = "the new test".into();
    let node = yaml::parse(&file, rows)?;
    Rows::read(&node)
}

fn told(error: Error, node: &Node) -> Diagnostic {
    error.into_diagnostic().at(node.common().span.clone())
}
