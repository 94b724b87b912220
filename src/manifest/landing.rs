//! Where nodes land: the names that SQL reads them by, and that no two share one.

use std::collections::HashMap;

use crate::diagnostic::{Code, Diagnostic};
use crate::project::Spanned;
use crate::project::config::TestConfig;
use crate::template::{self, Argument, BUILTIN, Relation, RelationKind};

use super::build::{Builder, silent};
use super::{Common, Manifest, Node};

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

    /// Two tables in one place would overwrite each other.
    pub(super) fn same_location(&mut self, manifest: &Manifest) {
        let mut taken: HashMap<(Option<&String>, String), &Node> = HashMap::new();
        for node in manifest.nodes.values() {
            let relation = match node {
                Node::Model(model) => &model.relation,
                Node::Seed(seed) => &seed.relation,
                _ => continue,
            };
            // Folders of a file system that ignores case would be one.
            let key = (relation.schema.as_ref(), relation.identifier.to_lowercase());
            if let Some(other) = taken.insert(key, node) {
                self.diagnostics.push(
                    Diagnostic::error(
                        Code::DuplicateLocation,
                        format!(
                            "`{}` and `{}` would both land in `{}`",
                            other.name(),
                            node.name(),
                            relation.identifier
                        ),
                    )
                    .at(node.common().span.clone())
                    .related(other.common().span.clone(), "the other one is here")
                    .help("give one of them another `alias` or `schema`"),
                );
            }
        }
    }
}
