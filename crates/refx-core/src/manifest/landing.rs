//! Where nodes land: the names that SQL reads them by, the folders of their tables, and that no two
//! share one.

use std::collections::BTreeMap;

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::project::Spanned;
use crate::project::config::{StoreFailuresAs, TestConfig};
use crate::template::{self, Argument, BUILTIN, Relation, RelationKind};

use super::build::{Builder, silent};
use super::{Common, Manifest, Node, Test};

impl Builder<'_> {
    /// The name under which SQL reads a node, through the macros that make schemas and aliases.
    pub(super) fn relation_of(
        &self,
        common: &Common,
        schema: Option<&Spanned<String>>,
        alias: Option<&Spanned<String>>,
        default_alias: &str,
        kind: RelationKind,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Relation {
        let mut custom = |name: &str, argument: &str, given: Option<&Spanned<String>>| {
            let found = self.macros.resolve(&self.invocation.project, name)?;
            if &*found.package == BUILTIN {
                return None;
            }
            let node = serde_json::json!({
                "name": common.name, "package_name": &*common.package, "fqn": common.fqn,
                "unique_id": common.id.as_str(), "config": common.config, "tags": common.tags,
                "resource_type": common.id.as_str().split('.').next(),
                "original_file_path": &*common.path,
            });
            let given = given.map_or(serde_json::Value::Null, |text| text.value.clone().into());
            let arguments = [
                (argument.to_string(), Argument::Value(given)),
                ("node".to_string(), Argument::Value(node)),
            ];
            let scope = self.invocation.scope(false);
            match template::call(self.macros, &found.unique_id, &arguments, &scope, &silent()) {
                Ok(rendered) => Some(rendered.text.trim().to_string()),
                Err(diagnostic) => {
                    diagnostics.push(diagnostic);
                    None
                }
            }
        };
        let schema_name = custom("generate_schema_name", "custom_schema_name", schema);
        let alias_name = custom("generate_alias_name", "custom_alias_name", alias);
        let default = self.invocation.schema.as_ref();
        let named = self.project.file.target.schema.is_some();
        let schema_name =
            schema_name.unwrap_or_else(|| match schema.map(|schema| schema.value.trim()) {
                Some(custom) if named => format!("{default}_{custom}"),
                Some(custom) => custom.to_string(),
                None => default.to_string(),
            });
        let identifier = alias_name.unwrap_or_else(|| match alias {
            Some(alias) => alias.value.trim().to_string(),
            None => default_alias.to_string(),
        });
        Relation {
            database: None,
            schema: Some(schema_name),
            identifier,
            kind,
        }
    }

    /// Where the failing rows of a test go when they are kept.
    pub(super) fn failures(&self, config: &TestConfig, name: &str) -> Relation {
        let schema = config
            .schema
            .as_ref()
            .map_or("dbt_test__audit", |schema| &schema.value);
        let schema = match &self.project.file.target.schema {
            Some(target) => format!("{}_{schema}", target.value),
            None => schema.to_string(),
        };
        let name = config.alias.as_ref().map_or(name, |alias| &alias.value);
        Relation::table(schema, name)
    }

    /// Two tables in one folder would overwrite each other. A table inside of another one's folder is
    /// in danger from other tools: they take its files for waste of the outer table.
    pub(super) fn same_location(&mut self, manifest: &Manifest) {
        let plain = match &self.project.file.target.schema {
            Some(_) => None,
            None => Some(&*self.invocation.schema),
        };
        // Sorted by folder, so a folder comes right before those inside of it.
        let mut taken: BTreeMap<Vec<String>, &Node> = BTreeMap::new();
        for node in manifest.nodes.values() {
            let relation = match node {
                Node::Model(model) => &model.relation,
                Node::Seed(seed) => &seed.relation,
                Node::Test(test) => &test.relation,
                _ => continue,
            };
            let folders = match folders(relation, plain) {
                Ok(folders) => folders,
                Err(diagnostic) => {
                    let span = node.common().span.clone();
                    self.diagnostics.push(diagnostic.at(span));
                    continue;
                }
            };
            // Folders of a file system that ignores case would be one.
            let key: Vec<String> = folders.iter().map(|name| name.to_lowercase()).collect();
            match taken.get(&key) {
                Some(other) if may_share(node, other) => {}
                Some(other) => {
                    let shown = folders.join("/");
                    let what = format!(
                        "`{}` and `{}` would both land in `{shown}`",
                        other.name(),
                        node.name(),
                    );
                    self.diagnostics.push(collision(&what, node, other));
                }
                None => drop(taken.insert(key, node)),
            }
        }
        for (folders, node) in &taken {
            let outer = (1..folders.len()).find_map(|depth| taken.get(&folders[..depth]));
            if let Some(outer) = outer
                && lands(node)
                && lands(outer)
            {
                let what = format!(
                    "`{}` lands inside of the table `{}`, in `{}`",
                    node.name(),
                    outer.name(),
                    folders.join("/"),
                );
                self.diagnostics.push(Diagnostic {
                    severity: Severity::Warning,
                    ..collision(&what, node, outer)
                });
            }
        }
    }
}

/// The folders of a relation's table below the target's root, from the outside in. Relations of the
/// schema `plain` lie directly below the root.
///
/// # Errors
/// [`Code::InvalidConfig`], where a name cannot be the name of a folder.
pub fn folders<'a>(
    relation: &'a Relation,
    plain: Option<&str>,
) -> Result<Vec<&'a str>, Diagnostic> {
    let schema = relation.schema.as_deref();
    let schema = schema.filter(|schema| plain != Some(*schema));
    let folders: Vec<&str> = schema
        .into_iter()
        .chain([relation.identifier.as_str()])
        .collect();
    let odd = |letter: char| matches!(letter, '/' | '\\') || letter.is_control();
    let bad = folders
        .iter()
        .find(|name| matches!(**name, "" | "." | "..") || name.contains(odd));
    match bad {
        Some(name) => Err(Diagnostic::error(
            Code::InvalidConfig,
            format!("`{name}` cannot be the name of a table's folder"),
        )
        .help("set another `alias` or `schema`")),
        None => Ok(folders),
    }
}

/// Whether the node has a table of its own. The failing rows of a test are one.
fn lands(node: &Node) -> bool {
    match node {
        Node::Model(model) => model.materialization.lands(),
        Node::Seed(_) => true,
        Node::Test(test) => keeps_rows(test),
        _ => false,
    }
}

/// Whether two nodes may have one folder: tests that keep no failing rows, unless `--store-failures`
/// asks for them.
fn may_share(node: &Node, other: &Node) -> bool {
    match (node, other) {
        (Node::Test(one), Node::Test(two)) => !keeps_rows(one) || !keeps_rows(two),
        _ => false,
    }
}

fn keeps_rows(test: &Test) -> bool {
    match test.config.store_failures_as {
        Some(form) => form != StoreFailuresAs::Ephemeral,
        None => test.config.store_failures == Some(true),
    }
}

fn collision(what: &str, node: &Node, other: &Node) -> Diagnostic {
    Diagnostic::error(Code::DuplicateLocation, what)
        .at(node.common().span.clone())
        .related(other.common().span.clone(), "the other one is here")
        .help("give one of them another `alias` or `schema`")
}
