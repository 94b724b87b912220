//! `refx optimize`: rewrites files so that readers open fewer, or skip more.

use serde_json::{Map, json};

use super::maintain::{Care, each};
use crate::cli::Exit;
use crate::cli::args::OptimizeArgs;
use crate::cli::report::wording::{count, number, size};
use crate::cli::report::{Did, Report};
use crate::cli::settings::Settings;
use refx_engine::delta::maintain::{self, Optimize, Optimized};

pub(crate) async fn optimize(
    report: Report,
    settings: &Settings,
    flags: &OptimizeArgs,
) -> anyhow::Result<Exit> {
    let (zorder, target_size) = (flags.zorder.clone(), flags.target_size);
    let dry_run = flags.dry.dry_run;
    let care = Care {
        command: "optimize",
        done: match dry_run {
            true => "to optimize",
            false => "optimized",
        },
        dry_run,
    };
    each(report, settings, &flags.selection, care, |table| {
        let zorder = zorder.clone();
        async move {
            let nothing = match zorder.is_empty() {
                true => "no files to put together",
                false => "ordered so already, and no rows came since",
            };
            let options = Optimize {
                zorder,
                target_size,
                dry_run,
                run_id: table.run_id,
            };
            let done = maintain::optimize(&table.session, &table.location, &options).await?;
            Ok(match done.files_removed {
                0 => Did::Nothing(nothing.to_string()),
                _ => Did::Done {
                    said: said(&done),
                    version: done.version,
                    figures: Map::from_iter([
                        ("dry_run".to_string(), json!(dry_run)),
                        ("files_removed".to_string(), json!(done.files_removed)),
                        ("bytes_removed".to_string(), json!(done.bytes_removed)),
                        ("files_added".to_string(), json!(done.files_added)),
                        ("bytes_added".to_string(), json!(done.bytes_added)),
                    ]),
                },
            })
        }
    })
    .await
}

fn said(done: &Optimized) -> String {
    let files = count(done.files_removed, "file");
    let bytes = size(done.bytes_removed);
    match (done.files_added, done.bytes_added) {
        (Some(files_added), Some(bytes_added)) => format!(
            "{files} became {}, {bytes} became {}",
            number(files_added),
            size(bytes_added)
        ),
        _ => format!("would rewrite {files}, {bytes}"),
    }
}
