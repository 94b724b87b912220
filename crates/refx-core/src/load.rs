//! Files → everything that a command works on: project, macros, manifest, graph.
//!
//! ```text
//! files ─▶ target ─▶ project file ─▶ vars ─▶ project ─▶ macros ─▶ manifest ─▶ graph
//! ```

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::{Map, Value, json};

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::graph::{self, Graph};
pub use crate::manifest::instant;
use crate::manifest::{self, Invocation, Manifest};
use crate::project::{self, Choice, Files, Project, ProjectFile, Render, Target};
use crate::template::{self, Calls, Dispatch, Host, MacroFile, Macros, Relation, Vars};

/// Schema of relations in a target that names none.
const DEFAULT_SCHEMA: &str = "main";

/// What a command line decides before the project is read.
#[derive(Clone, Debug)]
pub struct Request {
    pub target: Option<String>,
    pub profile: Option<String>,
    /// Path and text of a `profiles.yml` outside of the project.
    pub profiles: Option<(String, String)>,
    pub vars: BTreeMap<String, Value>,
    pub as_of: Option<DateTime<Utc>>,
    pub started_at: DateTime<Utc>,
    pub invocation_id: Arc<str>,
    /// The command, for `flags.WHICH`.
    pub command: &'static str,
    pub full_refresh: bool,
    /// Let tables go back to an earlier instant, or to earlier versions of their inputs.
    pub allow_older: bool,
    /// Steps at a time, where the command line says it.
    pub threads: Option<usize>,
}

/// A project that could be read, with all that is wrong in it.
#[derive(Debug)]
pub struct Loaded {
    pub project: Project,
    pub macros: Arc<Macros>,
    pub invocation: Arc<Invocation>,
    pub manifest: Arc<Manifest>,
    /// None where models read each other in a circle.
    pub graph: Option<Arc<Graph>>,
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads a project. All broken files are reported in one go.
///
/// # Errors
/// All that was found, where the project file itself cannot be understood.
pub fn load(root: &Path, files: Files, request: &Request) -> Result<Loaded, Vec<Diagnostic>> {
    let mut diagnostics = Vec::new();
    let early = request.as_of.unwrap_or(request.started_at);
    let base = Jinja::new(request, None, Value::Null, Vars::default(), early);
    let choice = Choice {
        target: request.target.as_deref(),
        profile: request.profile.as_deref(),
        profiles: request
            .profiles
            .as_ref()
            .map(|(path, text)| (path.as_str(), text.as_str())),
    };
    let (target, found) = project::target(&files, choice, &base);
    diagnostics.extend(found);
    let Some(target) = target else {
        return Err(diagnostics);
    };
    let target_dict = describe_target(&target, request.threads);
    let command_line = Vars {
        command_line: request.vars.clone(),
        ..Vars::default()
    };
    let with_target = Jinja::new(request, None, target_dict.clone(), command_line, early);
    let (file, found) = project::project_file(&files, target, &with_target);
    diagnostics.extend(found);
    let Some(file) = file else {
        return Err(diagnostics);
    };
    let by_clock = request.as_of.is_none() && file.as_of.is_none();
    let as_of = match as_of(request, &file) {
        Ok(as_of) => as_of,
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            return Err(diagnostics);
        }
    };
    let vars = vars(&file, request);
    let jinja = Jinja::new(
        request,
        Some(&file.name.value),
        target_dict.clone(),
        vars.clone(),
        as_of,
    );
    let (project, found) = project::parse(root, files, file, &jinja);
    diagnostics.extend(found);

    let (macros, found) = macros(&project);
    diagnostics.extend(found);
    let macros = Arc::new(macros);
    let schema = project.file.target.schema.as_ref();
    let invocation = Arc::new(Invocation {
        project: project.file.name.value.as_str().into(),
        target: Arc::new(target_dict),
        schema: schema.map_or(DEFAULT_SCHEMA, |schema| &schema.value).into(),
        vars: Arc::new(vars),
        as_of,
        by_clock,
        run_started_at: request.started_at,
        invocation_id: request.invocation_id.clone(),
        flags: Arc::new(flags(&project.file, request)),
    });
    let read = [base, with_target, jinja]
        .into_iter()
        .flat_map(Jinja::into_read)
        .collect();
    let (manifest, found) = manifest::build(&project, &macros, &invocation, &read);
    diagnostics.extend(found);
    let graph = match graph::build(&manifest) {
        Ok(graph) => Some(Arc::new(graph)),
        Err(diagnostic) => {
            diagnostics.push(diagnostic);
            None
        }
    };
    in_order(&mut diagnostics);
    Ok(Loaded {
        project,
        macros,
        invocation,
        manifest: Arc::new(manifest),
        graph,
        diagnostics,
    })
}

/// By file and place, each once: a mistake in a macro is met by every model that calls it.
fn in_order(diagnostics: &mut Vec<Diagnostic>) {
    diagnostics.sort_by(|left, right| {
        (&left.span, left.code, &left.message).cmp(&(&right.span, right.code, &right.message))
    });
    diagnostics.dedup();
}

/// Compiles the macros of the project: its macro files, and the generic tests among its test files.
fn macros(project: &Project) -> (Macros, Vec<Diagnostic>) {
    let package: Arc<str> = project.file.name.value.as_str().into();
    let files: Vec<MacroFile> = project
        .macros
        .iter()
        .map(|file| MacroFile {
            package: package.clone(),
            source: template::Source::whole(file.path.clone(), file.text.clone()),
        })
        .collect();
    let dispatch: Vec<Dispatch> = project
        .file
        .dispatch
        .iter()
        .map(|entry| Dispatch {
            namespace: entry.macro_namespace.clone(),
            search_order: entry.search_order.clone(),
        })
        .collect();
    Macros::load(&package, &files, &dispatch)
}

fn vars(file: &ProjectFile, request: &Request) -> Vars {
    let mut vars = Vars {
        command_line: request.vars.clone(),
        ..Vars::default()
    };
    for (name, value) in &file.vars {
        if let Value::Object(of_package) = value {
            let of_package = of_package
                .iter()
                .map(|(name, value)| (name.clone(), value.clone()));
            vars.packages.insert(name.clone(), of_package.collect());
        }
        vars.project.insert(name.clone(), value.clone());
    }
    vars
}

/// The `flags` of the templates. What the command decides is told as it is, whatever the project
/// file says.
fn flags(file: &ProjectFile, request: &Request) -> Value {
    let written = file.flags.iter();
    let mut flags: Map<String, Value> = written
        .map(|(name, value)| (name.to_uppercase(), value.clone()))
        .collect();
    flags.insert("WHICH".into(), request.command.into());
    flags.insert("FULL_REFRESH".into(), request.full_refresh.into());
    flags.insert("EMPTY".into(), false.into());
    Value::Object(flags)
}

/// The `target` dict of the templates. It carries no storage option: those may be secret.
fn describe_target(target: &Target, threads: Option<usize>) -> Value {
    json!({
        "name": target.name,
        "target_name": target.name,
        "profile_name": target.profile,
        "type": "refx",
        "root": target.root.value,
        "schema": target.schema.as_ref().map_or(DEFAULT_SCHEMA, |schema| &schema.value),
        "database": target.database.as_ref().map(|name| name.0.clone()),
        "threads": threads.or(target.threads.as_ref().map(|threads| threads.value.0)),
    })
}

/// The instant of a run: the command line's, the project file's, or the start of the run.
fn as_of(request: &Request, file: &ProjectFile) -> Result<DateTime<Utc>, Diagnostic> {
    if let Some(as_of) = request.as_of {
        return Ok(as_of);
    }
    let Some(written) = &file.as_of else {
        // To the second, so that it can be written down: a run says how it is resumed.
        return Ok(request.started_at.trunc_subsecs(0));
    };
    instant(&written.value).ok_or_else(|| {
        Diagnostic::error(
            Code::InvalidValue,
            format!("`{}` is not an instant", &*written.value),
        )
        .at(written.span.clone())
        .help("write a date such as 2024-08-31, or an instant such as 2024-08-31T06:00:00Z")
    })
}

/// Renders the Jinja in YAML, and remembers which variables it read.
struct Jinja {
    macros: Macros,
    scope: template::Scope,
    read: Mutex<BTreeSet<String>>,
}

impl Jinja {
    fn new(
        request: &Request,
        project: Option<&str>,
        target: Value,
        vars: Vars,
        as_of: DateTime<Utc>,
    ) -> Self {
        let project = project.unwrap_or("project");
        let mut scope = template::Scope::new(project, as_of);
        scope.target = Arc::new(target);
        scope.vars = Arc::new(vars);
        scope.run_started_at = request.started_at;
        scope.invocation_id = request.invocation_id.clone();
        scope.execute = false;
        Jinja {
            macros: Macros::builtin(project),
            scope,
            read: Mutex::default(),
        }
    }

    fn into_read(self) -> BTreeSet<String> {
        let read = self.read.into_inner();
        read.unwrap_or_else(PoisonError::into_inner)
    }
}

impl Render for Jinja {
    fn value(&self, text: &str, span: &Span) -> Result<Value, Diagnostic> {
        let source = template::Source {
            file: span.file.clone(),
            text: text.into(),
            // A quoted text begins after its quote.
            offset: span.start + (span.end - span.start).saturating_sub(text.len()) / 2,
        };
        let Calls { vars, .. } = template::static_calls(&source);
        self.read
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(vars);
        let host: Arc<dyn Host> = Arc::new(Placeless);
        template::render_value(&self.macros, &source, &self.scope, &host)
    }
}

/// In YAML there are no tables to refer to.
struct Placeless;

impl Host for Placeless {
    fn reference(&self, call: &template::RefCall) -> Result<Relation, Diagnostic> {
        Err(Diagnostic::error(
            Code::JinjaError,
            format!("`ref('{}')` cannot be used in a setting", call.name),
        )
        .help("models are read in the SQL of models and tests"))
    }

    fn source(&self, source: &str, table: &str) -> Result<Relation, Diagnostic> {
        Err(Diagnostic::error(
            Code::JinjaError,
            format!("`source('{source}', '{table}')` cannot be used in a setting"),
        )
        .help("sources are read in the SQL of models and tests"))
    }
}
