//! `refx clean`: removes what can be made again.

use std::path::Path;

use anyhow::Context;

use crate::cli::Exit;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::Settings;

pub(crate) fn clean(report: Report, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = match Opened::open(report, settings) {
        Ok(opened) => opened,
        Err(exit) => return Ok(exit),
    };
    let file = &opened.loaded.project.file;
    let targets: Vec<&str> = match &file.clean_targets {
        Some(targets) => targets.iter().map(|target| target.value.as_str()).collect(),
        None => vec![file.target_path.value.as_str()],
    };
    let kept: Vec<&str> = [
        &file.model_paths,
        &file.seed_paths,
        &file.test_paths,
        &file.macro_paths,
        &file.analysis_paths,
        &file.snapshot_paths,
    ]
    .into_iter()
    .flat_map(|paths| paths.iter().map(|path| path.value.as_str()))
    .collect();
    for target in targets {
        let folder = settings.root.join(target);
        let inside = folder
            .canonicalize()
            .map(|folder| folder.starts_with(&settings.root) && folder != settings.root);
        match inside {
            Err(_) => continue,
            Ok(false) => {
                anyhow::bail!("`{target}` is not below the project: nothing of it was removed")
            }
            Ok(true) => {}
        }
        if kept.iter().any(|path| Path::new(path).starts_with(target)) {
            anyhow::bail!("`{target}` holds the project's own files: nothing of it was removed");
        }
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("`{target}` cannot be removed"))?;
        opened.report.note(&format!("removed {target}"));
    }
    Ok(Exit::Done)
}
