//! `refx clean`: removes what can be made again.

use std::path::PathBuf;

use anyhow::Context;

use crate::cli::Exit;
use crate::cli::opened::Opened;
use crate::cli::report::Report;
use crate::cli::settings::Settings;

pub(crate) fn clean(report: Report, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let file = &opened.loaded.project.file;
    let targets: Vec<&str> = match &file.clean_targets {
        Some(targets) => targets.iter().map(|target| target.value.as_str()).collect(),
        None => vec![file.target_path.value.as_str()],
    };
    let paths = [
        &file.model_paths,
        &file.seed_paths,
        &file.test_paths,
        &file.macro_paths,
        &file.analysis_paths,
        &file.snapshot_paths,
    ]
    .into_iter()
    .flat_map(|paths| paths.iter().map(|path| path.value.as_str()));
    let nodes = opened.loaded.manifest.nodes.values();
    let kept: Vec<PathBuf> = paths
        .chain(nodes.map(|node| &*node.common().path))
        .filter_map(|path| settings.root.join(path).canonicalize().ok())
        .collect();
    for target in targets {
        let folder = settings.root.join(target);
        // What is not there needs no removing.
        let Ok(real) = folder.canonicalize() else {
            continue;
        };
        if !real.starts_with(&settings.root) || real == settings.root {
            anyhow::bail!("`{target}` is not below the project: nothing of it was removed");
        }
        if kept.iter().any(|path| path.starts_with(&real)) {
            anyhow::bail!("`{target}` holds the project's own files: nothing of it was removed");
        }
        std::fs::remove_dir_all(&folder)
            .with_context(|| format!("`{target}` cannot be removed"))?;
        opened.report.note(&format!("removed {target}"));
    }
    Ok(Exit::Done)
}
