//! Nodes that refx does not make: sources, exposures; and the groups that own models.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value as Json};

use crate::diagnostic::Span;
use crate::project::config::SourceConfig;
use crate::project::yaml::Node as Yaml;
use crate::project::{SourceProperties, SourceTable};
use crate::template::{self, Calls, Relation, RelationKind, Source as Text};

use super::build::{Builder, Draft};
use super::settings::Layers;
use super::{Exposure, Group, Node, NodeId, Source};

impl Builder<'_> {
    pub(super) fn sources(&mut self) -> Vec<Draft> {
        let project = self.project;
        let mut drafts = Vec::new();
        for properties in &project.properties {
            for source in &properties.sources {
                for table in &source.tables {
                    drafts.push(self.source(&properties.file, source, table));
                }
            }
        }
        drafts
    }

    fn source(&mut self, file: &Arc<str>, source: &SourceProperties, table: &SourceTable) -> Draft {
        let project = self.invocation.project.clone();
        let (group, name) = (source.name.as_str(), table.name.as_str());
        let id = NodeId::new(format!("source.{project}.{group}.{name}"));
        let mut fqn = vec![project.to_string()];
        fqn.extend(folders(file));
        fqn.extend([group.to_string(), name.to_string()]);

        let mut layers = Layers::new(self.project.file.sources.as_ref(), &fqn);
        let beside = |tags: Option<(&Vec<String>, &Span)>,
                      meta: Option<(&Map<String, Json>, &Span)>| {
            let mut settings = Map::new();
            let mut place = None;
            if let Some((tags, span)) = tags {
                settings.insert("tags".into(), tags.clone().into());
                place = Some(span);
            }
            if let Some((meta, span)) = meta {
                settings.insert("meta".into(), Json::Object(meta.clone()));
                place = place.or(Some(span));
            }
            Some(Yaml::from_json(&Json::Object(settings), place?))
        };
        layers.push(
            beside(
                source.tags.as_ref().map(|tags| (&tags.value.0, &tags.span)),
                source.meta.as_ref().map(|meta| (&meta.value, &meta.span)),
            )
            .as_ref(),
        );
        layers.push(source.config.as_ref());
        layers.push(
            beside(
                table.tags.as_ref().map(|tags| (&tags.value.0, &tags.span)),
                table.meta.as_ref().map(|meta| (&meta.value, &meta.span)),
            )
            .as_ref(),
        );
        layers.push(table.config.as_ref());
        let merged = layers.merge();
        let mut diagnostics = Vec::new();
        let config: SourceConfig = merged.decode(self.unknown_keys(), &mut diagnostics);
        let place = source.place(table).unwrap_or_else(|diagnostic| {
            diagnostics.push(diagnostic);
            None
        });
        let mut common = self.common(id, name, file, fqn, &merged);
        common.span = table.name.span.clone();
        common.properties_path = Some(file.clone());
        common.description = self.description(table.description.as_ref(), &mut diagnostics);
        common.label(&config.tags.0, &config.meta);
        common.columns = self.columns(&table.columns, &mut diagnostics);
        common.owner = (config.owner.as_ref())
            .or(table.owner.as_ref())
            .or(source.owner.as_ref())
            .map(ToString::to_string);
        let schema = source.schema.as_ref().map_or(group, |schema| &schema.value);
        let identifier = table.identifier.as_ref().map_or(name, |name| &name.value);
        self.diagnostics.extend(diagnostics);
        Draft {
            enabled: config.enabled.unwrap_or(true),
            node: Node::Source(Source {
                common,
                source_name: group.to_string(),
                relation: Relation {
                    database: None,
                    schema: Some(schema.to_string()),
                    identifier: identifier.to_string(),
                    kind: RelationKind::External,
                },
                table: Box::new(table.clone()),
                place: place.map(Box::new),
            }),
            calls: Calls::default(),
        }
    }

    pub(super) fn exposures(&mut self) -> Vec<Draft> {
        let project = self.project;
        let mut drafts = Vec::new();
        for properties in &project.properties {
            for exposure in &properties.exposures {
                let name = exposure.name.as_str();
                let package = self.invocation.project.clone();
                let mut fqn = vec![package.to_string()];
                fqn.extend(folders(&properties.file));
                fqn.push(name.to_string());
                let mut layers = Layers::new(project.file.exposures.as_ref(), &fqn);
                layers.push(exposure.config.as_ref());
                let merged = layers.merge();
                let settings = merged.to_json();
                let id = NodeId::new(format!("exposure.{package}.{name}"));
                let mut common = self.common(id, name, &properties.file, fqn, &merged);
                common.span = exposure.name.span.clone();
                common.properties_path = Some(properties.file.clone());
                let mut diagnostics = Vec::new();
                common.description =
                    self.description(exposure.description.as_ref(), &mut diagnostics);
                self.diagnostics.append(&mut diagnostics);
                common.label(&exposure.tags.0, &exposure.meta);
                let owner = exposure.owner.as_ref().map(|owner| &owner.value);
                common.owner = owner.map(ToString::to_string);
                let mut calls = Calls::default();
                for read in exposure.depends_on.iter() {
                    let found = expression(&read.value, &read.span);
                    calls.refs.extend(found.refs);
                    calls.sources.extend(found.sources);
                }
                let switch = settings.get("enabled").and_then(Json::as_bool);
                drafts.push(Draft {
                    enabled: exposure.enabled.or(switch).unwrap_or(true),
                    node: Node::Exposure(Exposure {
                        common,
                        kind: (exposure.kind.as_ref())
                            .map_or_else(|| "application".into(), |kind| kind.value.clone()),
                        label: exposure.label.clone(),
                        url: exposure.url.clone(),
                        maturity: exposure.maturity.as_ref().map(|word| word.value.clone()),
                        owner_email: owner.and_then(|owner| owner.email.first().cloned()),
                    }),
                    calls,
                });
            }
        }
        drafts
    }

    pub(super) fn groups(&mut self) -> BTreeMap<String, Group> {
        let mut groups = BTreeMap::new();
        let mut diagnostics = Vec::new();
        for properties in &self.project.properties {
            for group in &properties.groups {
                groups.insert(
                    group.name.value.clone(),
                    Group {
                        name: group.name.value.clone(),
                        owner: group.owner.as_ref().map(|owner| owner.value.to_string()),
                        description: self.description(group.description.as_ref(), &mut diagnostics),
                        path: properties.file.clone(),
                    },
                );
            }
        }
        self.diagnostics.append(&mut diagnostics);
        groups
    }
}

/// The folders of a properties file below the first one, as dbt counts them into names.
pub(super) fn folders(file: &str) -> Vec<String> {
    let mut parts: Vec<String> = file.split('/').skip(1).map(str::to_string).collect();
    parts.pop();
    parts
}

/// The calls in an expression that stands in YAML without braces: `ref('users')`.
pub(super) fn expression(text: &str, span: &Span) -> Calls {
    let braced = match text.contains("{{") || text.contains("{%") {
        true => text.to_string(),
        false => format!("{{{{{text}}}}}"),
    };
    let source = Text {
        file: span.file.clone(),
        offset: span.start.saturating_sub(braced.len() - text.len()),
        text: braced.as_str().into(),
    };
    let mut calls = template::static_calls(&source);
    // The text may be quoted in the file, so the value's own place is the surer one.
    for (_, place) in &mut calls.refs {
        *place = span.clone();
    }
    for (_, _, place) in &mut calls.sources {
        *place = span.clone();
    }
    calls
}
