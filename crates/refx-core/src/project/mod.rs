//! Files → [`Project`]: parsed, not yet understood; every value keeps its place.
//!
//! ```text
//! let (files, mut diagnostics) = project::read(root);
//! let (target, more) = project::target(&files, Choice::default(), &jinja);
//! let (file, more) = project::project_file(&files, target?, &jinja);
//! let (project, more) = project::parse(root, files, file?, &jinja);
//! ```
//!
//! This room knows YAML and no Jinja: where a value holds some, a [`Render`] of the caller's makes
//! the value of it. What cannot be read is a diagnostic, and all the rest still loads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::diagnostic::{Diagnostic, Span};

pub mod config;
mod file;
pub mod layers;
mod profile;
mod properties;
mod read;
mod schema;
mod sort;
mod target;
pub mod yaml;

pub use file::{Dialect, Dispatch, ProjectFile, project_file};
pub use profile::{Choice, target};
pub use properties::{
    ColumnConfig, ColumnProperties, Constraint, ConstraintKind, ExpectProperties, ExpectedTable,
    ExposureProperties, Format, GivenProperties, GroupProperties, InheritedColumns, MacroArgument,
    MacroProperties, ModelProperties, ModelVersion, Overrides, Place, Properties, ReaderOptions,
    RowFormat, SingularTestProperties, SourceProperties, SourceTable, TEST_SETTINGS, TestSpec,
    TestedVersions, UnitTestConfig, UnitTestProperties, VersionColumns, has_jinja,
};
pub use read::{DataFile, Files, from_texts, read};
pub use schema::{properties_schema, schema};
pub use target::{Bytes, StorageOptions, Target, Threads};
pub use yaml::{Node, Spanned};

/// Renders Jinja in a text of a YAML file. The caller brings it: nothing here knows Jinja.
pub trait Render {
    /// The value that the text stands for: `"{{ 1 + 1 }}"` is the number 2.
    fn value(&self, text: &str, span: &Span) -> Result<serde_json::Value, Diagnostic>;
}

/// All that the files of a project say.
#[derive(Clone, Debug, PartialEq)]
pub struct Project {
    pub root: PathBuf,
    pub file: ProjectFile,
    pub files: Files,
    pub models: Vec<SqlFile>,
    pub singular_tests: Vec<SqlFile>,
    /// Files of macros, those of generic tests (`tests/generic/`) among them.
    pub macros: Vec<SqlFile>,
    pub analyses: Vec<SqlFile>,
    pub snapshots: Vec<SqlFile>,
    /// Paths of models in Python, which refx does not run.
    pub python_models: Vec<Arc<str>>,
    pub seeds: Vec<SeedFile>,
    /// Rows of unit tests: the `*.csv` and `*.sql` in the folder `fixtures` of the test paths.
    pub fixtures: Vec<TextFile>,
    /// Files of `{% docs %}` blocks.
    pub docs: Vec<TextFile>,
    pub properties: Vec<Properties>,
    /// The content of `selectors.yml`.
    pub selectors: Option<Node>,
    /// The content of `packages.yml`.
    pub packages: Option<Node>,
}

/// A file of SQL with Jinja.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlFile {
    pub path: Arc<str>,
    pub text: Arc<str>,
    /// The file's name without its ending.
    pub name: String,
    /// The folders between the configured path and the file: the middle of the model's `fqn`.
    pub folders: Vec<String>,
    /// The configured path that the file is below: `models`.
    pub base: String,
}

/// A file of data in the project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedFile {
    pub path: Arc<str>,
    /// The file's name without its ending.
    pub name: String,
    /// The folders between the configured path and the file.
    pub folders: Vec<String>,
    /// The configured path that the file is below: `seeds`.
    pub base: String,
    pub data: DataFile,
}

/// A file of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    pub path: Arc<str>,
    pub text: Arc<str>,
}

/// Parses the files of a project. A file that is broken is told, and all the others are there.
pub fn parse(
    root: &Path,
    files: Files,
    file: ProjectFile,
    jinja: &dyn Render,
) -> (Project, Vec<Diagnostic>) {
    let mut diagnostics = Vec::new();
    let sorted = sort::sort(&files, &file);
    let mut optional = |name: &str| {
        let (path, text) = files.get(name)?;
        yaml::parse(path, text)
            .map_err(|diagnostic| diagnostics.push(diagnostic))
            .ok()
    };
    let mut selectors = optional("selectors.yml");
    let packages = optional("packages.yml");
    if let Some(selectors) = &mut selectors {
        properties::render(selectors, jinja, &mut diagnostics);
    }
    let mut properties = Vec::with_capacity(sorted.properties.len());
    let documents = yaml::parse_all(&sorted.properties);
    for (properties_file, document) in sorted.properties.iter().zip(documents) {
        match document {
            Ok(document) => properties.push(Properties::read(
                &properties_file.path,
                document,
                jinja,
                file.dialect.unknown_keys(),
                &mut diagnostics,
            )),
            Err(diagnostic) => diagnostics.push(diagnostic),
        }
    }
    let project = Project {
        root: root.to_owned(),
        models: sorted.models,
        singular_tests: sorted.singular_tests,
        macros: sorted.macros,
        analyses: sorted.analyses,
        snapshots: sorted.snapshots,
        python_models: sorted.python_models,
        seeds: sorted.seeds,
        fixtures: sorted.fixtures,
        docs: sorted.docs,
        properties,
        selectors,
        packages,
        files,
        file,
    };
    (project, diagnostics)
}

#[cfg(test)]
mod tests;
