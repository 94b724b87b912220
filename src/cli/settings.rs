//! What the flags mean: arguments and environment in, one value out.
//!
//! Flag over environment is clap's work, and what the project file says is settled when it is loaded;
//! so the order flag > environment > project file is kept in two places only: here and in `load`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::Utc;
use serde_json::Value;

use super::args::{Arguments, Command, IndirectSelection, RefreshArgs, SelectionArgs};
use super::report::Repository;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::load::Request;
use refx_core::project::yaml;
use refx_core::select::{Criteria, Indirect};

/// The names that a project file may have; refx's own comes first.
const PROJECT_FILES: [&str; 2] = ["project.yml", "dbt_project.yml"];

/// What a command was asked to do, beside its own flags.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// The project's folder, absolute.
    pub root: PathBuf,
    pub request: Request,
    pub target_path: Option<PathBuf>,
    pub fail_fast: bool,
    pub warn_error: bool,
    pub print: bool,
}

impl Settings {
    /// # Errors
    /// [`Code::NoProject`] for a folder that does not exist, [`Code::InvalidValue`] for variables that
    /// are not YAML.
    pub fn of(arguments: &Arguments) -> Result<Self, Diagnostic> {
        let needs_project = !matches!(
            arguments.command,
            Command::Init(_) | Command::Completions(_) | Command::Explain(_)
        );
        let root = match &arguments.project.project_dir {
            Some(folder) => absolute(folder),
            None => nearest(&absolute(Path::new("."))),
        };
        if needs_project && !root.is_dir() {
            return Err(Diagnostic::error(
                Code::NoProject,
                format!("there is no folder `{}`", root.display()),
            )
            .help("name the project's folder with `--project-dir`"));
        }
        let profiles = match &arguments.project.profiles_dir {
            Some(folder) => {
                let path = absolute(folder).join("profiles.yml");
                let text = std::fs::read_to_string(&path).map_err(|error| {
                    Diagnostic::error(
                        Code::UnreadableFile,
                        format!("`{}` cannot be read: {error}", path.display()),
                    )
                })?;
                Some((path.to_string_lossy().into_owned(), text))
            }
            None => None,
        };
        let refresh = match &arguments.command {
            Command::Run(flags) | Command::Seed(flags) => flags.refresh,
            Command::Build(flags) => flags.refresh,
            Command::Plan(flags) => flags.refresh,
            Command::Compile(flags) => flags.refresh,
            _ => RefreshArgs::default(),
        };
        Ok(Settings {
            root,
            request: Request {
                target: arguments.project.target.clone(),
                profile: arguments.project.profile.clone(),
                profiles,
                vars: variables(&arguments.project.vars)?,
                as_of: arguments.project.as_of,
                started_at: Utc::now(),
                invocation_id: uuid::Uuid::new_v4().to_string().into(),
                command: arguments.command.name(),
                full_refresh: refresh.full_refresh,
                allow_older: refresh.allow_older,
                threads: arguments.running.threads,
            },
            target_path: arguments.project.target_path.clone(),
            fail_fast: arguments.running.fail_fast,
            warn_error: arguments.running.warn_error,
            print: !arguments.output.no_print,
        })
    }

    /// Where the project is in the repository that holds it.
    pub fn repository(&self) -> Repository {
        let mut folders = self.root.ancestors();
        let top = folders.find(|folder| folder.join(".git").exists());
        let below = top.and_then(|top| self.root.strip_prefix(top).ok());
        let prefix = below.map_or(String::new(), |below| {
            let names = below.components().map(|part| part.as_os_str());
            names
                .map(|name| format!("{}/", name.to_string_lossy()))
                .collect()
        });
        let mut files = PROJECT_FILES.iter();
        let found = files.find(|file| self.root.join(file).is_file());
        Repository {
            prefix,
            project_file: found.unwrap_or(&PROJECT_FILES[0]).to_string(),
        }
    }
}

/// The selection flags as the selector language takes them.
pub(crate) fn criteria(flags: &SelectionArgs) -> Criteria {
    Criteria {
        select: flags.select.clone(),
        exclude: flags.exclude.clone(),
        selector: flags.selector.clone(),
        resource_types: flags.resource_type.clone(),
        exclude_resource_types: flags.exclude_resource_type.clone(),
        indirect: match flags.indirect_selection {
            None | Some(IndirectSelection::Eager) => Indirect::Eager,
            Some(IndirectSelection::Cautious) => Indirect::Cautious,
            Some(IndirectSelection::Buildable) => Indirect::Buildable,
            Some(IndirectSelection::Empty) => Indirect::Empty,
        },
        allow_empty: flags.allow_empty,
    }
}

/// A map in YAML, as `--vars` and `--args` take it: `{days: 30}`, `days: 30` or JSON.
pub(crate) fn map(flag: &'static str, text: &str) -> Result<BTreeMap<String, Value>, Diagnostic> {
    let file: Arc<str> = flag.into();
    // `days:30` is what people type, and in YAML it is a word.
    let spaced = match text.split_once(':') {
        Some((name, value))
            if !text.trim_start().starts_with(['{', '"', '\'']) && !value.starts_with(' ') =>
        {
            format!("{name}: {value}")
        }
        _ => text.to_string(),
    };
    let node = yaml::parse(&file, &spaced).map_err(|diagnostic| {
        Diagnostic {
            span: None,
            ..diagnostic
        }
        .note(format!("`{flag}` is `{text}`"))
    })?;
    if node.as_map().is_none() {
        return Err(Diagnostic::error(
            Code::InvalidValue,
            format!(
                "`{flag}` needs names and values, and is {}",
                node.describe()
            ),
        )
        .help(format!("write it as YAML: `{flag} '{{days: 30}}'`")));
    }
    Ok(node.to_json_map().into_iter().collect())
}

fn variables(texts: &[String]) -> Result<BTreeMap<String, Value>, Diagnostic> {
    let mut variables = BTreeMap::new();
    for text in texts {
        variables.extend(map("--vars", text)?);
    }
    Ok(variables)
}

/// The folder itself, or the nearest one above it that holds a project file.
fn nearest(folder: &Path) -> PathBuf {
    folder
        .ancestors()
        .find(|folder| PROJECT_FILES.iter().any(|file| folder.join(file).is_file()))
        .unwrap_or(folder)
        .to_path_buf()
}

fn absolute(path: &Path) -> PathBuf {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    path.canonicalize().unwrap_or(path)
}
