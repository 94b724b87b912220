//! `refx checkpoint`: writes a checkpoint of each table's version.

use serde_json::{Map, json};

use super::maintain::{Care, each};
use crate::cli::Exit;
use crate::cli::args::CheckpointArgs;
use crate::cli::report::{Did, Report};
use crate::cli::settings::Settings;
use refx_engine::delta::maintain;

pub(crate) async fn checkpoint(
    report: Report,
    settings: &Settings,
    flags: &CheckpointArgs,
) -> anyhow::Result<Exit> {
    let dry_run = flags.dry.dry_run;
    let care = Care {
        command: "checkpoint",
        done: match dry_run {
            true => "without a checkpoint",
            false => "with a new checkpoint",
        },
        dry_run,
    };
    each(
        report,
        settings,
        &flags.selection,
        care,
        |table| async move {
            let done = maintain::checkpoint(&table.location, dry_run).await?;
            let version = done.version;
            if !done.missing {
                return Ok(Did::Nothing(format!("version {version} has a checkpoint")));
            }
            Ok(Did::Done {
                said: match dry_run {
                    true => format!("would write a checkpoint of version {version}"),
                    false => format!("checkpoint of version {version} written"),
                },
                version: Some(version),
                figures: Map::from_iter([("dry_run".to_string(), json!(dry_run))]),
            })
        },
    )
    .await
}
