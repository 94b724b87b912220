//! `project.yml`, or the `dbt_project.yml` that is read in its place.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::config::{Lint, Meta, Quoting};
use super::properties::render;
use super::target::Target;
use super::yaml::{self, Many, Node, Spanned, Text};
use super::{Files, Render};
use crate::diagnostic::{Code, Diagnostic, Severity, Span};

/// Whose file it is, and so how strictly it is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dialect {
    /// `project.yml`: a key that refx does not know is an error.
    #[default]
    Refx,
    /// `dbt_project.yml`: such a key is a warning, for dbt lets other tools have theirs.
    Dbt,
}

impl Dialect {
    /// How grave a key is that refx does not know.
    pub fn unknown_keys(self) -> Severity {
        match self {
            Dialect::Refx => Severity::Error,
            Dialect::Dbt => Severity::Warning,
        }
    }
}

/// The file at the root of a refx project.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[schemars(title = "project.yml")]
pub struct ProjectFile {
    /// Where the file is.
    #[serde(skip)]
    pub file: Arc<str>,
    #[serde(skip)]
    pub dialect: Dialect,
    /// The target that was chosen.
    #[serde(skip, default = "Target::unchosen")]
    pub target: Target,
    /// The name of the project: letters, digits and underscores.
    pub name: Spanned<String>,
    /// The version of the project.
    pub version: Option<Text>,
    /// The version of the file's format: 2.
    pub config_version: Option<u32>,
    /// The profile in `profiles.yml` whose targets are used, where `targets` is absent.
    pub profile: Option<Spanned<String>>,
    /// The folders of models.
    #[serde(default = "models")]
    pub model_paths: Many<Spanned<String>>,
    /// The folders of seeds.
    #[serde(default = "seeds")]
    pub seed_paths: Many<Spanned<String>>,
    /// The folders of tests.
    #[serde(default = "tests")]
    pub test_paths: Many<Spanned<String>>,
    /// The folders of macros.
    #[serde(default = "macros")]
    pub macro_paths: Many<Spanned<String>>,
    /// The folders of analyses: queries that are compiled and not run.
    #[serde(default = "analyses")]
    pub analysis_paths: Many<Spanned<String>>,
    /// The folders of snapshots.
    #[serde(default = "snapshots")]
    pub snapshot_paths: Many<Spanned<String>>,
    /// The folders of user-defined functions. Accepted for dbt.
    #[serde(default)]
    pub function_paths: Many<Spanned<String>>,
    /// The folders of `{% docs %}` blocks; all the others where absent.
    #[serde(default)]
    pub docs_paths: Many<Spanned<String>>,
    /// The folders of pictures for the documentation.
    #[serde(default)]
    pub asset_paths: Many<Spanned<String>>,
    /// The folder that refx writes artifacts to.
    #[serde(default = "artifacts")]
    pub target_path: Spanned<String>,
    /// The folder of logs. Accepted for dbt.
    pub log_path: Option<String>,
    /// The folder that packages are installed in.
    #[serde(default = "packages")]
    pub packages_install_path: Spanned<String>,
    /// What `refx clean` removes; the target path where absent.
    pub clean_targets: Option<Many<Spanned<String>>>,
    /// Values that models read with `var()`. Those below the project's own name win.
    #[serde(default)]
    pub vars: Meta,
    /// Settings of models, by folder: `+materialized: table`.
    pub models: Option<Node>,
    /// Levels of the rules of lint for the whole project: `{wall-clock: error}`. Models have them by
    /// folder too: `+lint`.
    #[serde(default)]
    pub lint: Lint,
    /// Settings of seeds, by folder.
    pub seeds: Option<Node>,
    /// Settings of data tests, by folder. `tests` is read as the same.
    #[serde(alias = "tests", alias = "data_tests")]
    pub data_tests: Option<Node>,
    /// Settings of snapshots, by folder.
    pub snapshots: Option<Node>,
    /// Settings of sources, by folder.
    pub sources: Option<Node>,
    /// Settings of exposures, by folder.
    pub exposures: Option<Node>,
    /// Settings of unit tests, by folder.
    #[serde(alias = "unit_tests")]
    pub unit_tests: Option<Node>,
    /// Settings of analyses, by folder. Accepted for dbt.
    pub analyses: Option<Node>,
    /// Settings of macros. Accepted for dbt.
    pub macros: Option<Node>,
    /// Settings of functions. Accepted for dbt.
    pub functions: Option<Node>,
    /// Settings of metrics. Accepted for dbt.
    pub metrics: Option<Node>,
    /// Settings of semantic models. Accepted for dbt.
    #[serde(alias = "semantic_models")]
    pub semantic_models: Option<Node>,
    /// Settings of saved queries. Accepted for dbt.
    #[serde(alias = "saved_queries")]
    pub saved_queries: Option<Node>,
    /// Statements before a run. Their Jinja is rendered when they run.
    #[serde(default)]
    pub on_run_start: Many<Spanned<String>>,
    /// Statements after a run.
    #[serde(default)]
    pub on_run_end: Many<Spanned<String>>,
    /// Where `adapter.dispatch` looks for macros.
    #[serde(default)]
    pub dispatch: Vec<Dispatch>,
    /// A comment in every query. Accepted for dbt.
    pub query_comment: Option<Node>,
    /// The versions of dbt that the project is made for. Accepted for dbt.
    pub require_dbt_version: Option<Many<String>>,
    /// Switches.
    #[serde(default)]
    pub flags: Meta,
    /// Which parts of names are quoted. Accepted for dbt.
    pub quoting: Option<Quoting>,
    /// Whether `access: private` holds for other projects too.
    pub restrict_access: Option<bool>,
    /// Settings of dbt Cloud. Accepted for dbt.
    pub dbt_cloud: Option<Node>,
    /// Where tables land, by name.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Target>")]
    pub targets: BTreeMap<String, Node>,
    /// The target of a run that names none.
    pub default_target: Option<Spanned<String>>,
    /// The instant that runs compute for, where `--as-of` names none: `2024-08-31`.
    #[serde(rename = "as-of")]
    pub as_of: Option<Spanned<Text>>,
}

/// Where `adapter.dispatch` looks for the macros of one package.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dispatch {
    /// The package whose macros are looked for.
    pub macro_namespace: String,
    /// The projects and packages to look in, in order.
    pub search_order: Vec<String>,
}

fn folder(path: &str) -> Many<Spanned<String>> {
    Many(vec![written(path)])
}

fn written(value: &str) -> Spanned<String> {
    Spanned {
        value: value.into(),
        span: Span::file(""),
    }
}

fn models() -> Many<Spanned<String>> {
    folder("models")
}

fn seeds() -> Many<Spanned<String>> {
    folder("seeds")
}

fn tests() -> Many<Spanned<String>> {
    folder("tests")
}

fn macros() -> Many<Spanned<String>> {
    folder("macros")
}

fn analyses() -> Many<Spanned<String>> {
    folder("analyses")
}

fn snapshots() -> Many<Spanned<String>> {
    folder("snapshots")
}

fn artifacts() -> Spanned<String> {
    written(".refx")
}

fn packages() -> Spanned<String> {
    written("dbt_packages")
}

/// The project file as a tree, and whose it is.
pub(super) fn document(files: &Files) -> Result<(Arc<str>, Dialect, Node), Diagnostic> {
    let found = [
        ("project.yml", Dialect::Refx),
        ("dbt_project.yml", Dialect::Dbt),
    ]
    .into_iter()
    .find_map(|(name, dialect)| {
        let (file, text) = files.get(name)?;
        Some((file.clone(), dialect, text))
    });
    let Some((file, dialect, text)) = found else {
        return Err(Diagnostic::error(
            Code::NoProject,
            "there is no `project.yml` and no `dbt_project.yml` here",
        )
        .help("run `refx init` to make one, or name the folder with `--project-dir`"));
    };
    let document = yaml::parse(&file, text)?;
    match &document.value {
        yaml::Value::Map(_) => Ok((file, dialect, document)),
        yaml::Value::Null => Err(
            Diagnostic::error(Code::MissingKey, format!("`{file}` is empty"))
                .at(document.span)
                .help("write at least `name: my_project`"),
        ),
        _ => Err(yaml::wrong_type("keys and values", &document)),
    }
}

/// Reads the project file, its Jinja rendered. None when it is missing or too broken to go on.
///
/// `target` comes from [`super::target()`], for the file's Jinja may ask for it.
pub fn project_file(
    files: &Files,
    target: Target,
    jinja: &dyn Render,
) -> (Option<ProjectFile>, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let (file, dialect, mut document) = match document(files) {
        Ok(found) => found,
        Err(diagnostic) => return (None, vec![diagnostic]),
    };
    if let yaml::Value::Map(entries) = &mut document.value {
        for (key, value) in entries {
            // dbt's `DbtProjectYamlRenderer.should_render_keypath`; a target is rendered when it
            // is chosen, so that the secrets of the others need not be there.
            let later = [
                "vars",
                "on-run-start",
                "on-run-end",
                "query-comment",
                "targets",
                "profile",
                "default-target",
            ];
            if !key.as_str().is_some_and(|key| later.contains(&key)) {
                render(value, jinja, &mut diagnostics);
            }
        }
    }
    let read = yaml::decode_all(&document, dialect.unknown_keys(), &mut diagnostics);
    let project = read.map(|mut project: ProjectFile| {
        project.check(&mut diagnostics);
        project.own_vars_first();
        ProjectFile {
            file,
            dialect,
            target,
            ..project
        }
    });
    (project, diagnostics)
}

impl ProjectFile {
    /// Folders whose text is read: those of models, seeds and so on.
    pub(super) fn source_paths(&self) -> impl Iterator<Item = &Spanned<String>> {
        [
            &self.model_paths,
            &self.seed_paths,
            &self.test_paths,
            &self.macro_paths,
            &self.analysis_paths,
            &self.snapshot_paths,
            &self.docs_paths,
        ]
        .into_iter()
        .flat_map(|paths| paths.iter())
    }

    fn check(&self, diagnostics: &mut Vec<Diagnostic>) {
        let name = &self.name.value;
        let word = |letter: char| letter.is_alphanumeric() || letter == '_';
        if name.is_empty()
            || name.starts_with(|first: char| first.is_numeric())
            || !name.chars().all(word)
        {
            let better: String = name
                .chars()
                .map(|letter| if word(letter) { letter } else { '_' })
                .collect();
            let diagnostic = Diagnostic::error(
                Code::InvalidValue,
                format!("`{name}` cannot be the name of a project"),
            )
            .at(self.name.span.clone());
            diagnostics.push(if better == *name {
                diagnostic.help("begin it with a letter")
            } else {
                diagnostic.help(format!("use letters, digits and underscores: `{better}`"))
            });
        }
        for path in self.source_paths() {
            if clean_path(path).is_none() {
                diagnostics.push(
                    Diagnostic::error(
                        Code::InvalidValue,
                        format!("`{}` leads out of the project", path.value),
                    )
                    .at(path.span.clone())
                    .help("name a folder below the project file, as `models`"),
                );
            }
        }
    }

    /// dbt lets `vars` hold a map for each package: the project's own is laid over the rest.
    fn own_vars_first(&mut self) {
        if let Some(serde_json::Value::Object(_)) = self.vars.get(self.name.as_str())
            && let Some(serde_json::Value::Object(own)) = self.vars.shift_remove(self.name.as_str())
        {
            self.vars.extend(own);
        }
    }
}

/// A path as the files have it: `./models/` is `models`, and the root itself is empty. None for one
/// that leads out of the project.
pub(super) fn clean_path(path: &str) -> Option<String> {
    if path.starts_with(['/', '\\']) || path.get(1..2) == Some(":") {
        return None;
    }
    let parts: Vec<&str> = path
        .split(['/', '\\'])
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    (!parts.contains(&"..")).then(|| parts.join("/"))
}
