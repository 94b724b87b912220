//! What a render is given: values, and the [`Host`] that answers the questions of the template.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

use chrono::{DateTime, Utc};
use serde_json::Value as Json;

use crate::diagnostic::Diagnostic;

use super::Source;
use super::relation::{Column, Relation};

/// The values of one render. Cheap to make and to clone: what is large is shared.
#[derive(Clone, Debug)]
pub struct Scope {
    /// The package of the file: its own macros are found first.
    pub package: Arc<str>,
    pub project_name: Arc<str>,
    /// The `model` dict of the templates, null outside of models.
    pub model: Arc<Json>,
    /// The table that the model becomes; none outside of models and where it does not exist yet.
    pub this: Option<Relation>,
    /// `target.name`, `.schema`, `.database`, `.type`, `.threads`, `.profile_name`….
    pub target: Arc<Json>,
    pub vars: Arc<Vars>,
    pub environment: Arc<EnvironmentVars>,
    /// False in the parse pass: queries are not run, and literal calls count though unreached.
    pub execute: bool,
    pub as_of: DateTime<Utc>,
    pub run_started_at: DateTime<Utc>,
    pub invocation_id: Arc<str>,
    /// `flags.FULL_REFRESH`, `flags.WHICH`…, in capitals as dbt has them.
    pub flags: Arc<Json>,
    /// The texts of `{% docs %}` blocks for `doc()`, under `name` and `package.name`.
    pub docs: Arc<BTreeMap<String, String>>,
    /// Macros that give a value, whatever they are called with: `name`, or `package.name`.
    pub overrides: Arc<BTreeMap<String, Json>>,
    /// Further names that the template sees, before all others.
    pub extra: BTreeMap<String, Argument>,
    pub undefined: Undefined,
}

impl Scope {
    /// A scope without a model: for values in YAML, and as the base of all others.
    pub fn new(project_name: impl Into<Arc<str>>, as_of: DateTime<Utc>) -> Self {
        let project_name = project_name.into();
        Scope {
            package: project_name.clone(),
            project_name,
            model: Arc::new(Json::Null),
            this: None,
            target: Arc::new(Json::Object(serde_json::Map::new())),
            vars: Arc::new(Vars::default()),
            environment: Arc::new(EnvironmentVars::process()),
            execute: true,
            as_of,
            run_started_at: as_of,
            invocation_id: "".into(),
            flags: Arc::new(Json::Object(serde_json::Map::new())),
            docs: Arc::new(BTreeMap::new()),
            overrides: Arc::default(),
            extra: BTreeMap::new(),
            undefined: Undefined::Strict,
        }
    }
}

/// What the use of a name without a value does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undefined {
    /// It prints nothing, and so do its attributes: for the parse pass.
    Lenient,
    /// Printing it, calculating with it or looking into it is an error; asking whether it is true
    /// is not, since `{% if optional %}` is the idiom.
    Strict,
}

/// An argument of a macro that refx calls, or a name in [`Scope::extra`].
#[derive(Clone, Debug, PartialEq)]
pub enum Argument {
    Value(Json),
    Relation(Relation),
    /// An expression as YAML has it for tests: `ref('orders')` or `{{ ref('orders') }}`.
    Expression(Source),
}

/// The variables of a project: `vars:` of the project file, by package, and `--vars` over all.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Vars {
    pub command_line: BTreeMap<String, Json>,
    /// What stands under `vars: {some_package: {…}}`.
    pub packages: BTreeMap<String, BTreeMap<String, Json>>,
    pub project: BTreeMap<String, Json>,
}

impl Vars {
    /// The value for a file of a package: command line, then the package's own, then the project's.
    /// The order is dbt's.
    pub fn get(&self, package: &str, name: &str) -> Option<&Json> {
        self.command_line
            .get(name)
            .or_else(|| self.packages.get(package)?.get(name))
            .or_else(|| self.project.get(name))
    }

    /// The names that a file of a package can read.
    pub fn names(&self, package: &str) -> impl Iterator<Item = &str> {
        self.command_line
            .keys()
            .chain(
                self.packages
                    .get(package)
                    .into_iter()
                    .flat_map(|vars| vars.keys()),
            )
            .chain(self.project.keys())
            .map(String::as_str)
    }
}

/// The environment that `env_var()` reads: the process's, or a fixed one for tests.
#[derive(Clone, Debug, PartialEq)]
pub struct EnvironmentVars {
    /// None for those of the process.
    fixed: Option<BTreeMap<String, String>>,
    /// What stands in place of some.
    over: BTreeMap<String, String>,
}

impl EnvironmentVars {
    pub fn process() -> Self {
        EnvironmentVars {
            fixed: None,
            over: BTreeMap::new(),
        }
    }

    pub fn fixed(vars: BTreeMap<String, String>) -> Self {
        EnvironmentVars {
            fixed: Some(vars),
            over: BTreeMap::new(),
        }
    }

    /// The same with other values for some.
    pub fn with(&self, over: &BTreeMap<String, String>) -> Self {
        let mut environment = self.clone();
        environment.over.extend(over.clone());
        environment
    }

    pub fn get(&self, name: &str) -> Option<String> {
        if let Some(value) = self.over.get(name) {
            return Some(value.clone());
        }
        match &self.fixed {
            Some(vars) => vars.get(name).cloned(),
            // A name with `=` or NUL in it can never be set; `std::env::var` answers so.
            None => std::env::var(name).ok(),
        }
    }

    pub(super) fn names(&self) -> Vec<String> {
        match &self.fixed {
            Some(vars) => vars.keys().cloned().collect(),
            None => std::env::vars_os()
                .filter_map(|(name, _)| name.into_string().ok())
                .collect(),
        }
    }
}

/// The values of secret environment variables that were read, for [`redact`].
static SECRETS: LazyLock<RwLock<Vec<String>>> = LazyLock::new(RwLock::default);

/// Whether an environment variable holds a secret by its name: `DBT_ENV_SECRET…`, `REFX_SECRET…`,
/// `REFX_ENV_SECRET…`.
pub fn is_secret(name: &str) -> bool {
    ["DBT_ENV_SECRET", "REFX_SECRET", "REFX_ENV_SECRET"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

pub(super) fn remember_secret(value: &str) {
    if value.is_empty() {
        return;
    }
    let mut secrets = SECRETS.write().unwrap_or_else(PoisonError::into_inner);
    if !secrets.iter().any(|known| known == value) {
        secrets.push(value.to_owned());
        // The longest first: a secret may be the beginning of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
    }
}

/// The text with every secret that was read so far replaced by `*****`. All that leaves the process,
/// logs and artifacts, goes through here.
pub fn redact(text: &str) -> std::borrow::Cow<'_, str> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    let mut text = std::borrow::Cow::Borrowed(text);
    for secret in secrets.iter() {
        if text.contains(secret.as_str()) {
            text = text.replace(secret.as_str(), "*****").into();
        }
    }
    text
}

/// [`redact`], where a secret was read at all.
pub fn redactor() -> Option<fn(&str) -> String> {
    let secrets = SECRETS.read().unwrap_or_else(PoisonError::into_inner);
    (!secrets.is_empty()).then_some(|text| redact(text).into_owned())
}

/// A call of `ref()`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RefCall {
    pub package: Option<String>,
    pub name: String,
    pub version: Option<String>,
}

/// The rows of a query that a template ran.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer {
    /// Name and type of each column.
    pub columns: Vec<(String, String)>,
    /// Each row has a value for each column.
    pub rows: Vec<Vec<Json>>,
}

/// Answers of the caller to a template. The parse pass implements it by placeholders, the compile pass
/// by the resolved manifest and the pinned versions.
pub trait Host: Send + Sync {
    /// # Errors
    /// A diagnostic without a span is given the one of the call.
    fn reference(&self, call: &RefCall) -> Result<Relation, Diagnostic>;

    /// # Errors
    /// A diagnostic without a span is given the one of the call.
    fn source(&self, source: &str, table: &str) -> Result<Relation, Diagnostic>;

    /// The settings of the node, all layers merged: what `config.get()` reads.
    fn config(&self) -> Json {
        Json::Null
    }

    /// The `graph` dict of the templates: what the project holds, by kind and unique id. Empty in the
    /// parse pass, as in dbt.
    fn graph(&self) -> Json {
        serde_json::json!({ "nodes": {}, "sources": {}, "exposures": {}, "groups": {} })
    }

    /// Unique ids of what the command works on.
    fn selected_resources(&self) -> Vec<String> {
        Vec::new()
    }

    fn is_incremental(&self) -> bool {
        false
    }

    /// Runs a query for `run_query` and `statement`; never called when [`Scope::execute`] is false.
    ///
    /// # Errors
    /// What is wrong with the query, in a sentence.
    fn query(&self, _sql: &str) -> Result<Answer, String> {
        Err("queries cannot be run here".into())
    }

    /// # Errors
    /// Why the columns cannot be known.
    fn columns(&self, _relation: &Relation) -> Result<Vec<Column>, String> {
        Ok(Vec::new())
    }

    fn relation_exists(&self, _relation: &Relation) -> bool {
        false
    }

    fn log(&self, _message: &str, _to_terminal: bool) {}
}
