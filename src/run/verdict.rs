//! Whether a data test passed.

use std::sync::Arc;

use super::inputs::located;
use super::step::{Ended, Work};
use super::{Job, Live, Outcome};
use crate::compile::{self, Compiled};
use crate::delta::{self, Action, Write};
use crate::diagnostic::{Code, Diagnostic};
use crate::engine::Session;
use crate::manifest::{Test, TestKind};
use crate::project::Spanned;
use crate::project::config::{Severity, StoreFailuresAs};

/// Failing rows that are shown with a failure.
const SAMPLES: usize = 3;

/// Runs a test over the tables as they are.
pub(super) async fn of(work: &Work<'_>, test: &Test) -> Result<Ended, Diagnostic> {
    let Work { job, node, .. } = *work;
    let session = job.engine.session();
    let inputs = job.inputs();
    inputs.of(&session, node).await?;
    let queries = Arc::new(Live::new(&session, &inputs));
    let compiled = compile::render(&job.basis, node, Some(queries))?;
    work.keep(&compiled);
    // What stands before the text stays, so that places in it can be told.
    let sql = compiled.sql.trim_end().trim_end_matches(';');
    let config = &test.config;
    let Counted {
        failures,
        should_warn,
        should_fail,
    } = count(&session, test, sql, &compiled).await?;
    let kept = match (config.store_failures_as, config.store_failures) {
        (Some(form), _) => form != StoreFailuresAs::Ephemeral,
        (None, Some(kept)) => kept,
        (None, None) => job.rules.store_failures,
    };
    let kept = match kept {
        true => Some(keep(job, &session, test, sql, &compiled).await?),
        false => None,
    };
    let severity = config.severity.unwrap_or(Severity::Error);
    let outcome = if severity == Severity::Error && should_fail {
        let diagnostic = tell(&session, test, sql, failures, kept.as_deref()).await;
        Outcome::TestFailed {
            failures,
            diagnostic,
        }
    } else if should_warn {
        let mut diagnostic = tell(&session, test, sql, failures, kept.as_deref()).await;
        if job.rules.warn_error {
            Outcome::TestFailed {
                failures,
                diagnostic,
            }
        } else {
            diagnostic.severity = crate::diagnostic::Severity::Warning;
            Outcome::Warned {
                failures,
                diagnostic,
            }
        }
    } else {
        Outcome::Passed
    };
    Ok(Ended {
        outcome,
        warnings: compiled.warnings.clone(),
    })
}

/// What a test's query comes to.
struct Counted {
    failures: u64,
    should_warn: bool,
    should_fail: bool,
}

async fn count(
    session: &Session,
    test: &Test,
    sql: &str,
    compiled: &Compiled,
) -> Result<Counted, Diagnostic> {
    let config = &test.config;
    let condition = |written: &Option<Spanned<String>>| {
        written
            .as_ref()
            .map_or("!= 0".to_string(), |text| text.value.clone())
    };
    let calculation = config
        .fail_calc
        .as_ref()
        .map_or("count(*)", |text| &text.value);
    let limit = match &config.limit {
        Some(limit) => format!("limit {}", limit.value),
        None => String::new(),
    };
    // The test's own text begins on the second line, so that places in it are easily told.
    let counting = format!(
        "select failures, failures {} as should_warn, failures {} as should_fail from (select coalesce({calculation}, 0) as failures from (\n{sql}\n{limit}) as found) as counted",
        condition(&config.warn_if),
        condition(&config.error_if),
    );
    let answer = match session.rows_as_json(&counting, 1).await {
        Ok(answer) => answer,
        // The query round the test hides what is wrong inside of it.
        Err(error) => match session.plan(&compiled.sql).await {
            Ok(_) => return Err(in_test(error, compiled)),
            Err(error) => return Err(located(error, compiled)),
        },
    };
    let row = answer.rows.into_iter().next().unwrap_or_default();
    let failures = row.first().and_then(|value| {
        value
            .as_u64()
            .or_else(|| value.as_f64().map(|number| number.abs() as u64))
    });
    let holds = |at: usize| row.get(at).and_then(serde_json::Value::as_bool) == Some(true);
    Ok(Counted {
        failures: failures.unwrap_or_default(),
        should_warn: holds(1),
        should_fail: holds(2),
    })
}

/// An error of the counting query, at its place in the test.
fn in_test(mut error: crate::engine::Error, compiled: &Compiled) -> Diagnostic {
    if let Some(place) = error.position {
        error = error.moved_up(place.line.min(2) - 1);
    }
    located(error, compiled)
}

/// What failed, with some of the rows.
async fn tell(
    session: &Session,
    test: &Test,
    sql: &str,
    failures: u64,
    kept: Option<&str>,
) -> Diagnostic {
    let rows = if failures == 1 {
        "1 row"
    } else {
        &format!("{failures} rows")
    };
    let what = match &test.kind {
        TestKind::Generic { name, column, .. } => {
            let subject = test
                .attached
                .as_ref()
                .and_then(|id| id.as_str().rsplit('.').next())
                .unwrap_or_default();
            match column {
                Some(column) => format!("`{name}` found {rows} in `{subject}.{column}`"),
                None => format!("`{name}` found {rows} in `{subject}`"),
            }
        }
        TestKind::Singular { .. } => format!("`{}` found {rows}", test.common.name),
    };
    let mut diagnostic = Diagnostic::error(Code::TestFailed, what).at(test.common.span.clone());
    let sample = format!("select * from (\n{sql}\n) as found limit {SAMPLES}");
    if let Ok(answer) = session.rows_as_json(&sample, SAMPLES).await {
        for row in answer.rows {
            let cells: Vec<String> = answer
                .columns
                .iter()
                .zip(row)
                .map(|((name, _), value)| match value {
                    serde_json::Value::String(text) => format!("{name} = {text}"),
                    serde_json::Value::Null => format!("{name} is NULL"),
                    value => format!("{name} = {value}"),
                })
                .collect();
            diagnostic = diagnostic.note(cells.join(", "));
        }
    }
    let name = &test.common.name;
    diagnostic.help(match kept {
        Some(folder) => format!("the rows are kept in the table `{folder}`"),
        None => format!("see them with `refx show {name}`"),
    })
}

/// Writes the failing rows to a table of their own, also when there are none: a table of an earlier
/// failure would mislead. Gives the table's folder.
async fn keep(
    job: &Job,
    session: &Session,
    test: &Test,
    sql: &str,
    compiled: &Compiled,
) -> Result<String, Diagnostic> {
    let plan = session
        .plan(sql)
        .await
        .map_err(|error| located(error, compiled))?;
    let location = job.tables.location(&test.relation)?;
    let folder = location.shown();
    let write = Write::new(location, Action::Overwrite { key: None });
    delta::write(session, &plan, &write, &delta::NoAudit)
        .await
        .map(|_| folder)
        .map_err(|error| error.into_diagnostic().at(test.common.span.clone()))
}
