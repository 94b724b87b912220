//! `refx vacuum`: removes the files that no reader can need any more.

use serde_json::{Map, json};

use super::maintain::{Care, each};
use crate::cli::Exit;
use crate::cli::args::VacuumArgs;
use crate::cli::report::wording::{count, size};
use crate::cli::report::{Did, Report};
use crate::cli::settings::Settings;
use refx_engine::delta::maintain::{self, Vacuum};

pub(crate) async fn vacuum(
    report: Report,
    settings: &Settings,
    flags: &VacuumArgs,
) -> anyhow::Result<Exit> {
    let (retention, force) = (flags.retention, flags.force);
    let dry_run = flags.dry.dry_run;
    let care = Care {
        command: "vacuum",
        done: match dry_run {
            true => "to vacuum",
            false => "vacuumed",
        },
        dry_run,
    };
    each(
        report,
        settings,
        &flags.selection,
        care,
        |table| async move {
            let options = Vacuum {
                retention,
                force,
                dry_run,
                run_id: table.run_id,
            };
            let done = maintain::vacuum(&table.location, &options).await?;
            if done.files.is_empty() {
                return Ok(Did::Nothing("nothing to remove".to_string()));
            }
            let files = count(done.files.len() as u64, "file");
            let bytes = size(done.bytes);
            Ok(Did::Done {
                said: match dry_run {
                    true => format!("would remove {files}, {bytes}"),
                    false => format!("{files} removed, {bytes}"),
                },
                version: done.version,
                figures: Map::from_iter([
                    ("dry_run".to_string(), json!(dry_run)),
                    ("files".to_string(), json!(done.files.len())),
                    ("bytes".to_string(), json!(done.bytes)),
                    (
                        "retention_seconds".to_string(),
                        json!(done.retention.as_secs()),
                    ),
                ]),
            })
        },
    )
    .await
}
