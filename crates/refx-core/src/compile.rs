//! Node + facts → SQL text, and the map that leads from a place in it back to the steward's file.
//!
//! A compiled text is a function of the project, the variables, the as-of instant and the pinned
//! tables, and of nothing else: same inputs, same bytes.

mod tested;

pub use tested::{overridden, tested};

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use regex::Regex;
use serde_json::Value;

use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{
    Found, Invocation, Manifest, Model, Node, NodeId, Test, TestKind, describe, empty_model,
    fragment, graph, is_blank, is_expression,
};
use crate::plan::{self, TableFacts};
use crate::template::{
    self, Answer, Argument, CameOut, Column, Host, Macros, RefCall, Relation, RelationKind,
    Source as Text, Trace,
};

mod compiled;
mod counting;

pub use compiled::{Asked, Compiled};
pub use counting::{Counting, counting, written};

/// What compilation rests on, shared by all nodes of an invocation.
#[derive(Clone, Debug)]
pub struct Basis {
    pub manifest: Arc<Manifest>,
    pub macros: Arc<Macros>,
    pub invocation: Arc<Invocation>,
    pub facts: Arc<TableFacts>,
    pub options: plan::Options,
    /// What the command works on: `selected_resources` of the templates.
    pub selected: Arc<[NodeId]>,
}

/// Answers the questions of templates about data: `run_query`, `adapter.get_columns_in_relation`.
pub trait Queries: Send + Sync {
    /// The rows of a query, read from the pinned versions.
    ///
    /// # Errors
    /// What is wrong with it, in a sentence.
    fn query(&self, sql: &str) -> Result<Answer, String>;

    /// # Errors
    /// Why the columns cannot be known.
    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, String>;

    fn exists(&self, relation: &Relation) -> bool;

    /// A text of no node refers to the node, which may be queried from now on.
    fn refers_to(&self, _node: &NodeId) {}

    fn log(&self, message: &str, to_terminal: bool);
}

/// Compiles a model, an analysis or a test.
///
/// # Errors
/// The diagnostic of the template; [`Code::Unsupported`] for nodes that have no SQL.
pub fn render(
    basis: &Basis,
    node: &Node,
    queries: Option<Arc<dyn Queries>>,
) -> Result<Compiled, Diagnostic> {
    match node {
        Node::Model(model) => {
            let source = Text::whole(model.common.path.clone(), model.text.clone());
            let compiled = text(basis, Some(node), &source, queries)?;
            match is_blank(&compiled.sql) {
                true => Err(empty_model(&model.common.name, &model.common.path)),
                false => Ok(compiled),
            }
        }
        Node::Analysis(analysis) => {
            let source = Text::whole(analysis.common.path.clone(), analysis.text.clone());
            text(basis, Some(node), &source, queries)
        }
        Node::Test(test) => match &test.kind {
            TestKind::Singular { text: sql } => {
                let source = Text::whole(test.common.path.clone(), sql.clone());
                text(basis, Some(node), &source, queries)
            }
            TestKind::Generic { .. } => generic(basis, node, test, queries),
        },
        Node::UnitTest(_) | Node::Seed(_) | Node::Source(_) | Node::Exposure(_) => Err(
            Diagnostic::error(Code::Unsupported, format!("`{}` has no SQL", node.name())),
        ),
    }
}

/// Compiles a text that stands outside of a node, such as `--inline`, or a hook of `node`.
///
/// # Errors
/// The diagnostic of the template.
pub fn text(
    basis: &Basis,
    node: Option<&Node>,
    source: &Text,
    queries: Option<Arc<dyn Queries>>,
) -> Result<Compiled, Diagnostic> {
    let (scope, host) = setting(basis, node, queries);
    let rendered = template::render(&basis.macros, source, &scope, &host)?;
    let start = source.span(&(0..0));
    let trace = |out: CameOut| Trace::of_template(&basis.macros, source, &scope, &host, out);
    Ok(Compiled::of(rendered, start, trace))
}

/// Compiles a hook round a run, in which further names have values: `results`, `schemas`.
///
/// # Errors
/// The diagnostic of the template.
pub fn hook(
    basis: &Basis,
    source: &Text,
    names: BTreeMap<String, Argument>,
    queries: Arc<dyn Queries>,
) -> Result<Compiled, Diagnostic> {
    let (mut scope, host) = setting(basis, None, Some(queries));
    scope.extra = names;
    let rendered = template::render(&basis.macros, source, &scope, &host)?;
    let whole = source.span(&(0..source.text.len()));
    let trace = |out: CameOut| Trace::of_template(&basis.macros, source, &scope, &host, out);
    Ok(Compiled::of(rendered, whole, trace))
}

/// Calls a macro with values: `refx run-operation`. Its text is what the macro printed.
///
/// # Errors
/// The diagnostic of the macro.
pub fn operation(
    basis: &Basis,
    unique_id: &str,
    arguments: &[(String, Argument)],
    queries: Arc<dyn Queries>,
) -> Result<String, Diagnostic> {
    let (scope, host) = setting(basis, None, Some(queries));
    template::call(&basis.macros, unique_id, arguments, &scope, &host).map(|rendered| rendered.text)
}

fn generic(
    basis: &Basis,
    node: &Node,
    test: &Test,
    queries: Option<Arc<dyn Queries>>,
) -> Result<Compiled, Diagnostic> {
    let TestKind::Generic {
        macro_id,
        arguments,
        places,
        column,
        ..
    } = &test.kind
    else {
        unreachable!("the caller matched a generic test");
    };
    let (scope, host) = setting(basis, Some(node), queries);
    let mut values = Vec::with_capacity(arguments.len() + 2);
    let mut filtered = None;
    let attached = test.attached.as_ref().and_then(|id| basis.manifest.get(id));
    if let Some(relation) = attached.and_then(Node::relation) {
        let model = match &test.config.filter {
            None => Argument::Relation(relation.clone()),
            Some(filter) => {
                let source = Text {
                    file: filter.span.file.clone(),
                    text: filter.value.as_str().into(),
                    offset: filter.span.start,
                };
                let condition = template::render(&basis.macros, &source, &scope, &host)?.text;
                let condition = fragment(&condition).map_err(|fault| fault.of("where", filter))?;
                // On a line of its own, as it may end with a comment.
                let text = format!("(select * from {relation} where {condition}\n) as filtered");
                filtered = Some((text.clone(), filter.span.clone()));
                Argument::Value(text.into())
            }
        };
        values.push(("model".to_string(), model));
    }
    if let Some(column) = column {
        let relation = attached.and_then(Node::relation);
        let known = || host.columns(relation?).ok();
        let name = template::column_name(column, known);
        values.push(("column_name".to_string(), Argument::Value(name.into())));
    }
    for (name, value) in arguments {
        let argument = match value {
            Value::String(text) if is_expression(text) => {
                let place = places.get(name).unwrap_or(&test.common.span);
                Argument::Expression(Text {
                    file: place.file.clone(),
                    text: text.as_str().into(),
                    offset: place.start,
                })
            }
            value => {
                let place = places.get(name).unwrap_or(&test.common.span);
                let evaluate = |text: &str| {
                    let source = Text {
                        file: place.file.clone(),
                        text: text.into(),
                        offset: place.start,
                    };
                    template::render_value(&basis.macros, &source, &scope, &host)
                };
                Argument::Value(evaluated(value, &evaluate)?)
            }
        };
        values.push((name.clone(), argument));
    }
    let rendered =
        template::call(&basis.macros, macro_id, &values, &scope, &host).map_err(|diagnostic| {
            match diagnostic.span {
                Some(_) => diagnostic.called_at(test.common.span.clone(), within(basis, macro_id)),
                None => diagnostic.at(test.common.span.clone()),
            }
        })?;
    let trace = |out: CameOut| Trace::of_call(&basis.macros, macro_id, &values, &scope, &host, out);
    let mut compiled = Compiled::of(rendered, test.common.span.clone(), trace);
    if let Some((text, place)) = filtered {
        compiled.set_filter(&text, place);
    }
    Ok(compiled)
}

/// An argument with the Jinja in its lists and maps evaluated.
fn evaluated(
    value: &Value,
    evaluate: &dyn Fn(&str) -> Result<Value, Diagnostic>,
) -> Result<Value, Diagnostic> {
    Ok(match value {
        Value::String(text) if text.contains("{{") || text.contains("{%") => evaluate(text)?,
        Value::String(text) if is_expression(text) => evaluate(&format!("{{{{ {text} }}}}"))?,
        Value::Array(items) => {
            let items = items.iter().map(|item| evaluated(item, evaluate));
            items.collect::<Result<_, _>>()?
        }
        Value::Object(entries) => {
            let entries = entries
                .iter()
                .map(|(key, value)| Ok((key.clone(), evaluated(value, evaluate)?)));
            Value::Object(entries.collect::<Result<_, Diagnostic>>()?)
        }
        value => value.clone(),
    })
}

/// How a stack of calls tells of a macro that refx calls.
fn within(basis: &Basis, macro_id: &str) -> String {
    let definition = basis.macros.get(macro_id);
    format!(
        "in {}",
        definition.map_or(String::from("a macro"), |found| found.spoken())
    )
}

/// The scope and the host for a node's template.
fn setting(
    basis: &Basis,
    node: Option<&Node>,
    queries: Option<Arc<dyn Queries>>,
) -> (template::Scope, Arc<dyn Host>) {
    let host = Resolved {
        basis: basis.clone(),
        node: node.map(|node| node.id().clone()),
        queries,
        incremental: None,
    };
    (scope(basis, node), Arc::new(host))
}

fn scope(basis: &Basis, node: Option<&Node>) -> template::Scope {
    let mut scope = basis.invocation.scope(true);
    scope.docs = basis.manifest.docs.clone();
    if let Some(node) = node {
        scope.model = Arc::new(describe(&basis.manifest, node));
        scope.this = node.relation().cloned();
        scope.package = node.common().package.clone();
    }
    scope
}

/// Answers templates from the resolved manifest and the pinned tables.
struct Resolved {
    basis: Basis,
    node: Option<NodeId>,
    queries: Option<Arc<dyn Queries>>,
    /// What `is_incremental()` answers, where the tables do not say it.
    incremental: Option<bool>,
}

impl Resolved {
    fn node(&self) -> Option<&Node> {
        self.basis.manifest.get(self.node.as_ref()?)
    }

    /// A reference that only shows now was not known when the graph was built.
    fn known(&self, found: &Node, call: &str) -> Result<Relation, Diagnostic> {
        if let Some(reader) = self.node() {
            let known =
                reader.common().depends_on.contains(found.id()) || reader.id() == found.id();
            if !known {
                return Err(Diagnostic::error(
                    Code::JinjaError,
                    format!("`{call}` was not seen when the project was read"),
                )
                .help(format!(
                    "a name that is made up at run time cannot be ordered; name it where it is \
                     always seen: `-- depends_on: {{{{ {call} }}}}`"
                )));
            }
        } else if let Some(queries) = &self.queries {
            queries.refers_to(found.id());
        }
        found.relation().cloned().ok_or_else(|| {
            Diagnostic::error(
                Code::UnknownRef,
                format!("`{}` cannot be read", found.name()),
            )
        })
    }
}

impl Host for Resolved {
    fn reference(&self, call: &RefCall) -> Result<Relation, Diagnostic> {
        match self.basis.manifest.find(call) {
            Found::Node(node) => self.known(node, &format!("ref('{}')", call.name)),
            Found::Disabled(_) | Found::OtherVersions(_) | Found::Nothing => {
                Err(Diagnostic::error(
                    Code::UnknownRef,
                    format!("no model or seed named `{}`", call.name),
                )
                .did_you_mean(&call.name, self.basis.manifest.names()))
            }
        }
    }

    fn source(&self, source: &str, table: &str) -> Result<Relation, Diagnostic> {
        match self.basis.manifest.find_source(source, table) {
            Some(node) => self.known(node, &format!("source('{source}', '{table}')")),
            None => Err(Diagnostic::error(
                Code::UnknownSource,
                format!("no source table `{source}.{table}`"),
            )
            .did_you_mean(
                table,
                self.basis.manifest.source_names().map(|(_, table)| table),
            )),
        }
    }

    fn config(&self) -> Value {
        self.node().map_or(Value::Null, |node| {
            Value::Object(node.common().config.clone())
        })
    }

    fn graph(&self) -> Value {
        graph(&self.basis.manifest)
    }

    fn selected_resources(&self) -> Vec<String> {
        self.basis.selected.iter().map(NodeId::to_string).collect()
    }

    fn is_incremental(&self) -> bool {
        self.incremental.unwrap_or_else(|| {
            let model = self.node().and_then(Node::as_model);
            model.is_some_and(|model| is_incremental(&self.basis, model))
        })
    }

    fn query(&self, sql: &str) -> Result<Answer, String> {
        match &self.queries {
            Some(queries) => queries.query(sql),
            None => Err("queries are not run here".to_string()),
        }
    }

    fn columns(&self, relation: &Relation) -> Result<Vec<Column>, String> {
        match &self.queries {
            Some(queries) => queries.columns(relation),
            None => Err("tables are not read here".to_string()),
        }
    }

    fn relation_exists(&self, relation: &Relation) -> bool {
        match &self.queries {
            Some(queries) => queries.exists(relation),
            None => false,
        }
    }

    fn log(&self, message: &str, to_terminal: bool) {
        if let Some(queries) = &self.queries {
            queries.log(message, to_terminal);
        }
    }
}

/// What `is_incremental()` answers in a model.
pub fn is_incremental(basis: &Basis, model: &Model) -> bool {
    plan::is_incremental(model, basis.facts.get(&model.common.id), basis.options)
}

/// The SQL of a model with the views and ephemeral models that it reads put in front as CTEs, as a
/// person or another tool can run it.
///
/// `inner` gives the compiled text of the models to put in, each before its readers.
pub fn with_ctes(sql: &str, inner: &[(Relation, Arc<str>)]) -> String {
    // A `with` of the model's own, after comments, which stay in front.
    const HEAD: &str = r"(?is)^((?:\s|--[^\n]*\n|/\*.*?\*/)*)with\s+(recursive\s+)?";
    static WITH: LazyLock<Regex> = LazyLock::new(|| Regex::new(HEAD).expect("the pattern is ours"));
    if inner.is_empty() {
        return sql.to_string();
    }
    let mut text = String::new();
    let mut body = sql.to_string();
    for (at, (relation, inner_sql)) in inner.iter().enumerate() {
        let name = format!("__dbt__cte__{}", relation.identifier);
        let quoted = format!("\"{name}\"");
        let mut inner_text = fragment(inner_sql).unwrap_or(inner_sql).trim().to_string();
        for (earlier, _) in &inner[..at] {
            let cte = format!("\"__dbt__cte__{}\"", earlier.identifier);
            inner_text = inner_text.replace(&earlier.to_string(), &cte);
        }
        if at > 0 {
            text.push_str(", ");
        }
        text.push_str(&format!("{quoted} as (\n{inner_text}\n)"));
        body = body.replace(&relation.to_string(), &quoted);
    }
    match WITH.captures(&body) {
        Some(head) => {
            let recursive = head.get(2).map_or("", |_| "recursive ");
            let rest = &body[head[0].len()..];
            format!("{}with {recursive}{text}, {rest}", &head[1])
        }
        None => format!("with {text}\n{body}"),
    }
}

/// Whether a relation is inlined rather than read from a table.
pub fn is_inlined(relation: &Relation) -> bool {
    relation.kind == RelationKind::Cte
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ephemeral_models_become_ctes() {
        let inner = [
            (Relation::table("main", "a"), Arc::from("select 1 as id")),
            (
                Relation::table("main", "b"),
                Arc::from("select * from \"main\".\"a\""),
            ),
        ];
        assert_eq!(
            with_ctes(
                "WITH x as (select * from \"main\".\"b\") select * from x",
                &inner
            ),
            "with \"__dbt__cte__a\" as (\nselect 1 as id\n), \"__dbt__cte__b\" as (\nselect * from \
             \"__dbt__cte__a\"\n), x as (select * from \"__dbt__cte__b\") select * from x"
        );
        assert_eq!(
            with_ctes(
                "-- with care\nwith recursive x as (select * from \"main\".\"a\") select * from x",
                &inner[..1]
            ),
            "-- with care\nwith recursive \"__dbt__cte__a\" as (\nselect 1 as id\n), x as (select * \
             from \"__dbt__cte__a\") select * from x"
        );
    }
}
