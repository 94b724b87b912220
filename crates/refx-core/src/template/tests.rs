//! What templates give, what they ask for, and what is said when they fail.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use chrono::{DateTime, TimeZone, Utc};
use serde_json::{Value as Json, json};

use crate::diagnostic::{self, Code, Diagnostic};

use super::*;

mod entries;
mod errors;
mod jinja2;
mod passes;
mod texts;
mod traces;

/// A host with three models and one source, which answers every query with the same two rows.
#[derive(Default)]
struct Answers {
    config: Json,
    incremental: bool,
    logged: Mutex<Vec<String>>,
    queries: Mutex<Vec<String>>,
}

impl Host for Answers {
    fn reference(&self, call: &RefCall) -> Result<Relation, Diagnostic> {
        match call.name.as_str() {
            "orders" | "users" | "events" => Ok(Relation::table("main", call.name.as_str())),
            other => Err(
                Diagnostic::error(Code::UnknownRef, format!("no model named `{other}`"))
                    .did_you_mean(other, ["orders", "users", "events"]),
            ),
        }
    }

    fn source(&self, source: &str, table: &str) -> Result<Relation, Diagnostic> {
        Ok(Relation::table(source, table))
    }

    fn config(&self) -> Json {
        self.config.clone()
    }

    fn is_incremental(&self) -> bool {
        self.incremental
    }

    fn query(&self, sql: &str) -> Result<Answer, String> {
        self.queries.lock().unwrap().push(sql.trim().to_owned());
        if sql.contains("broken") {
            return Err("no table named `broken`".into());
        }
        Ok(Answer {
            columns: vec![("name".into(), "Utf8".into()), ("n".into(), "Int64".into())],
            rows: vec![vec![json!("a"), json!(1)], vec![json!("b"), json!(2)]],
        })
    }

    fn columns(&self, _: &Relation) -> Result<Vec<Column>, String> {
        let column = |name: &str, data_type: &str| Column {
            name: name.into(),
            data_type: data_type.into(),
        };
        Ok(vec![column("user_id", "Int64"), column("name", "Utf8")])
    }

    fn relation_exists(&self, relation: &Relation) -> bool {
        relation.identifier == "orders"
    }

    fn log(&self, message: &str, _: bool) {
        self.logged.lock().unwrap().push(message.to_owned());
    }
}

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2024, 9, 1, 12, 30, 0).unwrap()
}

/// A project in memory: its macro files by package, and what a render is given.
struct Project {
    files: Vec<(&'static str, &'static str, String)>,
    dispatch: Vec<Dispatch>,
    scope: Scope,
    answers: Arc<Answers>,
}

impl Project {
    fn new() -> Self {
        let mut scope = Scope::new("shop", noon());
        scope.target = Arc::new(json!({"name": "dev", "schema": "main", "type": "refx"}));
        scope.vars = Arc::new(Vars {
            command_line: BTreeMap::from([("cli".to_owned(), json!(1))]),
            packages: BTreeMap::new(),
            project: BTreeMap::from([
                ("start_date".to_owned(), json!("2024-01-01")),
                ("cli".to_owned(), json!(2)),
                ("kinds".to_owned(), json!(["live", "replay"])),
            ]),
        });
        scope.environment = Arc::new(EnvironmentVars::fixed(BTreeMap::from([
            ("REGION".to_owned(), "eu".to_owned()),
            ("REFX_SECRET_TOKEN".to_owned(), "s3cr3t-value".to_owned()),
        ])));
        Project {
            files: Vec::new(),
            dispatch: Vec::new(),
            scope,
            answers: Arc::default(),
        }
    }

    fn macros(mut self, text: &str) -> Self {
        self.files.push(("shop", "macros/all.sql", text.to_owned()));
        self
    }

    fn package(mut self, package: &'static str, text: &str) -> Self {
        self.files
            .push((package, "pkg/macros.sql", text.to_owned()));
        self
    }

    fn parse_pass(mut self) -> Self {
        self.scope.execute = false;
        self.scope.undefined = Undefined::Lenient;
        self
    }

    fn host(&self) -> Arc<dyn Host> {
        self.answers.clone()
    }

    fn load(&self) -> (Macros, Vec<Diagnostic>) {
        let files: Vec<MacroFile> = self
            .files
            .iter()
            .map(|(package, file, text)| MacroFile {
                package: (*package).into(),
                source: Source::whole(*file, text.as_str()),
            })
            .collect();
        Macros::load("shop", &files, &self.dispatch)
    }

    fn render(&self, text: &str) -> Result<Rendered, Diagnostic> {
        let (macros, diagnostics) = self.load();
        assert_eq!(diagnostics, []);
        let source = Source::whole("models/m.sql", text);
        super::render(&macros, &source, &self.scope, &self.host())
    }

    /// The text, and for a failure what a person sees.
    fn text(&self, text: &str) -> String {
        match self.render(text) {
            Ok(rendered) => rendered.text,
            Err(diagnostic) => self.show(&diagnostic, text),
        }
    }

    fn show(&self, problem: &Diagnostic, model: &str) -> String {
        let find = |file: &str| match file {
            "models/m.sql" => Some(model),
            _ => self
                .files
                .iter()
                .find(|(_, name, _)| *name == file)
                .map(|(_, _, text)| text.as_str()),
        };
        diagnostic::render(problem, &find, false)
    }

    fn value(&self, text: &str) -> Result<Json, Diagnostic> {
        let (macros, _) = self.load();
        let source = Source::whole("project.yml", text);
        render_value(&macros, &source, &self.scope, &self.host())
    }
}

/// Renders with the built-in macros only.
fn check(template: &str, expected: &str) {
    let project = Project::new();
    assert_eq!(project.text(template), expected, "of {template}");
}

/// Renders with macros of the project.
fn check_with(macros: &str, template: &str, expected: &str) {
    let project = Project::new().macros(macros);
    assert_eq!(project.text(template), expected, "of {template}");
}
