//! `refx debug`: whether the project, its target and its sources are there.

use std::path::Path;

use crate::cli::Exit;
use crate::cli::opened::Opened;
use crate::cli::report::{Check, Report};
use crate::cli::settings::Settings;
use refx_core::manifest::Node;

pub(crate) async fn debug(report: Report, settings: &Settings) -> anyhow::Result<Exit> {
    let opened = Opened::open(report, settings)?;
    let file = &opened.loaded.project.file;
    let target = &file.target;
    let tables = opened.tables();
    let every = opened.loaded.manifest.nodes.keys().cloned().collect();
    let mut checks = vec![
        Check {
            name: "version",
            result: Ok(format!("refx {}", env!("CARGO_PKG_VERSION"))),
            help: None,
        },
        Check {
            name: "project",
            result: Ok(format!("{} ({})", file.name.value, file.file)),
            help: None,
        },
        Check {
            name: "target",
            result: writable(&opened.target_root())
                .map(|()| format!("{} at {}", target.name, target.root.value)),
            help: Some("check `root` of the target, and who may write there".into()),
        },
        Check {
            name: "as of",
            result: Ok(opened.loaded.invocation.as_of.to_rfc3339()),
            help: None,
        },
    ];
    if let Some(found) = tables.prove().await {
        checks.push(Check {
            name: "commits",
            result: match &found {
                Ok(()) => Ok("two writers cannot overwrite each other".into()),
                Err(diagnostic) => Err(diagnostic.message.clone()),
            },
            help: found.err().and_then(|diagnostic| diagnostic.help),
        });
    }
    let (facts, broken) = opened.inspect(&every, &tables).await;
    checks.push(Check {
        name: "tables",
        result: match broken.as_slice() {
            [] => Ok(format!("{} there", facts.tables.len())),
            broken => Err(broken
                .iter()
                .map(|diagnostic| diagnostic.message.clone())
                .collect::<Vec<_>>()
                .join("; ")),
        },
        help: Some("restore their files, or move their folders away and build again".into()),
    });
    let job = opened.job(opened.basis(facts), tables, false)?;
    let inputs = job.inputs();
    let mut readable = 0;
    let mut missing = Vec::new();
    for node in opened.loaded.manifest.nodes.values() {
        if matches!(node, Node::Source(_)) {
            let session = job.engine.session();
            match inputs.all(&session, std::slice::from_ref(node.id())).await {
                Ok(()) => readable += 1,
                Err(diagnostic) => missing.push(diagnostic.message),
            }
        }
    }
    checks.push(Check {
        name: "sources",
        result: match missing.as_slice() {
            [] => Ok(format!("{readable} readable")),
            missing => Err(missing.join("; ")),
        },
        help: Some("check the `location` of these sources".into()),
    });
    Ok(match opened.report.checks(&checks) {
        true => Exit::Done,
        false => Exit::Failed,
    })
}

/// Whether a local root can be written: the nearest folder that is there decides. An object store
/// is found out by its first use.
fn writable(root: &str) -> Result<(), String> {
    if root.contains("://") {
        return Ok(());
    }
    let Some(there) = Path::new(root).ancestors().find(|folder| folder.exists()) else {
        return Err(format!("`{root}` is not there"));
    };
    match std::fs::metadata(there) {
        Ok(found) if !found.is_dir() => Err(format!("`{}` is a file", there.display())),
        Ok(found) if found.permissions().readonly() => {
            Err(format!("`{}` is read-only", there.display()))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(format!("`{}`: {error}", there.display())),
    }
}
