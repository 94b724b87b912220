//! `refx restore`: brings back the rows of an earlier version.

use std::time::Instant;

use serde_json::{Map, json};

use super::maintain::{Only, defective};
use super::run::listen;
use crate::cli::args::RestoreArgs;
use crate::cli::report::wording::{count, number};
use crate::cli::report::{Did, Report};
use crate::cli::settings::Settings;
use crate::cli::{Exit, refuse};
use refx_core::plan::TableFacts;
use refx_engine::delta;
use refx_engine::delta::maintain::{self, Restore, Restored};

pub(crate) async fn restore(
    report: Report,
    settings: &Settings,
    flags: &RestoreArgs,
) -> anyhow::Result<Exit> {
    let started = Instant::now();
    let only = Only::open(report, settings, &flags.model)?;
    let opened = &only.opened;
    let job = opened.job(opened.basis(TableFacts::default()), opened.tables(), false)?;
    let options = Restore {
        to: flags.to,
        key: only.key(),
        dry_run: flags.dry.dry_run,
        run_id: job.info.invocation_id.to_string(),
    };
    listen(job.interrupt.clone());
    let (session, location) = (job.engine.session(), only.location.clone());
    let task = tokio::spawn(async move { maintain::restore(&session, &location, &options).await });
    let done = tokio::select! {
        biased;
        () = job.interrupt.wait() => {
            opened
                .report
                .note("interrupted: the table is as it was, or has the whole commit");
            return Ok(Exit::Interrupted);
        }
        done = task => done,
    };
    let done = match done {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return Ok(refused(&only, error)),
        Err(defect) => {
            let node = job
                .node(&only.id)
                .map_err(|told| anyhow::anyhow!(told.message))?;
            return Ok(refuse(&opened.report, defective(node, &defect)));
        }
    };
    let did = did(&done, flags.dry.dry_run);
    let manifest = &opened.loaded.manifest;
    opened
        .report
        .maintained(manifest, &only.id, "restore", &did, started.elapsed());
    for column in &done.columns_gone {
        let gone = match flags.dry.dry_run {
            true => "would be gone",
            false => "is gone",
        };
        opened.report.note(&format!(
            "note: column `{column}` {gone}, until a run that selects it adds it again"
        ));
    }
    Ok(Exit::Done)
}

/// A key that does not hold is no defect of the model here: another version is wanted.
fn refused(only: &Only<'_>, error: delta::Error) -> Exit {
    use delta::Error::{DuplicateKey, NullKey};
    let keyless = matches!(error, DuplicateKey { .. } | NullKey { .. });
    if !keyless {
        return only.refuse(error);
    }
    let manifest = &only.opened.loaded.manifest;
    let node = manifest.get(&only.id);
    let personal = node.map(|node| manifest.personal(node)).unwrap_or_default();
    let diagnostic = error
        .masked(&personal)
        .into_diagnostic()
        .note("the version does not keep the key, and was not brought back")
        .help("restore a version that keeps it: `refx history` lists them");
    only.failed(diagnostic)
}

fn did(done: &Restored, dry_run: bool) -> Did {
    let of = done.to_at.format("%Y-%m-%d %H:%M UTC");
    if !done.differs {
        let (from, to) = (done.from, done.to);
        return Did::Nothing(match from == to {
            true => format!("version {to} is the last"),
            false => format!("version {from} holds what version {to} held"),
        });
    }
    let counted = done.rows_before.zip(done.rows_after);
    let rows = |then: &str, now: &str| match counted {
        Some((before, after)) => {
            format!(": {} {then}, {} {now}", count(before, "row"), number(after))
        }
        None => String::new(),
    };
    let to = done.to;
    Did::Done {
        said: match done.version {
            Some(version) => {
                let rows = rows("before", "now");
                format!("version {to} of {of} came back as version {version}{rows}")
            }
            None => {
                let rows = rows("now", "then");
                format!("would bring back version {to} of {of}{rows}")
            }
        },
        version: done.version,
        figures: Map::from_iter([
            ("dry_run".to_string(), json!(dry_run)),
            ("to_version".to_string(), json!(done.to)),
            ("from_version".to_string(), json!(done.from)),
            ("rows_before".to_string(), json!(done.rows_before)),
            ("rows_after".to_string(), json!(done.rows_after)),
            ("columns_gone".to_string(), json!(done.columns_gone)),
        ]),
    }
}
