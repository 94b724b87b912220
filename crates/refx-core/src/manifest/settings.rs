//! The settings of a node: layers from the general to the particular, merged, then typed.

use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value as Json};

use crate::diagnostic::{Code, Diagnostic, Severity, Span};
use crate::project::layers::{self, Layer, Origin, Setting};
use crate::project::yaml::{self, Many, Node as Yaml, Value};
use crate::project::{ModelProperties, Spanned};

/// The layers of one node, the later ones win.
#[derive(Debug, Default)]
pub(super) struct Layers {
    layers: Vec<Layer>,
}

impl Layers {
    /// The layers that the project file has for a node.
    pub(super) fn new(tree: Option<&Yaml>, fqn: &[String]) -> Self {
        Layers {
            layers: tree
                .map(|tree| layers::layers(tree, fqn))
                .unwrap_or_default(),
        }
    }

    pub(super) fn push(&mut self, config: Option<&Yaml>) {
        self.layers.extend(config.map(Layer::of));
    }

    /// The arguments of the calls of `config()` in a template.
    pub(super) fn calls(&mut self, calls: &[(Map<String, Json>, Span)]) {
        for (arguments, span) in calls {
            let arguments = Json::Object(arguments.clone());
            self.push(Some(&Yaml::from_json(&arguments, span)));
        }
    }

    /// What the properties of a model or seed say beside `config:`.
    pub(super) fn properties(&mut self, properties: &ModelProperties) {
        let mut layer = Layer::default();
        let mut add = |name: &str, json: Json, span: &Span| {
            let before = std::mem::take(&mut layer);
            layer = before.with(name, Yaml::from_json(&json, span));
        };
        if let Some(key) = &properties.primary_key {
            add("primary_key", key.value.0.clone().into(), &key.span);
        }
        if let Some(tags) = &properties.tags {
            add("tags", tags.value.0.clone().into(), &tags.span);
        }
        if let Some(meta) = &properties.meta {
            add("meta", Json::Object(meta.value.clone()), &meta.span);
        }
        if let Some(owner) = &properties.owner {
            let json = match &owner.value.name {
                Some(name) if owner.value.email.is_empty() => name.clone().into(),
                name => serde_json::json!({ "name": name, "email": owner.value.email }),
            };
            add("owner", json, &owner.span);
        }
        if let Some(cadence) = &properties.cadence {
            add("cadence", cadence.value.clone().into(), &cadence.span);
        }
        if let Some(group) = &properties.group {
            add("group", group.value.clone().into(), &group.span);
        }
        if let Some(access) = &properties.access {
            let word = serde_json::to_value(access.value).unwrap_or_default();
            add("access", word, &access.span);
        }
        self.layers.push(layer);
    }

    /// The settings once the calls of `config()` are known; `general` is what they come to without.
    pub(super) fn with_calls(
        mut self,
        general: Settings,
        calls: &[(Map<String, Json>, Span)],
    ) -> Settings {
        if calls.is_empty() {
            return general;
        }
        self.calls(calls);
        self.merge()
    }

    /// The keys that the node itself gives in a setting that is a map.
    pub(super) fn own_keys(&self, name: &str) -> BTreeSet<String> {
        let own = self
            .layers
            .iter()
            .filter(|layer| layer.origin == Origin::Node);
        let settings = own.flat_map(|layer| &layer.settings);
        let named = settings.filter(|(key, _)| key.as_str() == Some(name));
        let entries = named.filter_map(|(_, value)| value.as_map());
        let keys = entries.flatten().filter_map(|(key, _)| key.as_str());
        keys.map(str::to_owned).collect()
    }

    /// One setting of each name, by dbt's rules.
    pub(super) fn merge(&self) -> Settings {
        let last = |name: &str| {
            let settings = self.layers.iter().flat_map(|layer| &layer.settings);
            let mut settings = settings.rev();
            let found = settings.find(|(key, _)| key.as_str() == Some(name));
            found.map(|(_, value)| value.clone())
        };
        Settings {
            merged: layers::merge(&self.layers),
            unique_key: last("unique_key"),
            primary_key: last("primary_key"),
        }
    }
}

/// The merged settings of a node, each with the place of the layer that wrote it.
#[derive(Debug)]
pub(super) struct Settings {
    merged: BTreeMap<String, Setting>,
    /// The last of the two that was written under this very name: `merged` takes them for one.
    unique_key: Option<Yaml>,
    primary_key: Option<Yaml>,
}

impl Settings {
    pub(super) fn to_json(&self) -> Map<String, Json> {
        self.merged
            .iter()
            .map(|(name, setting)| (name.clone(), setting.value.to_json()))
            .collect()
    }

    /// Whether a setting is given for a folder only, under any of its names.
    pub(super) fn is_of_folder(&self, names: &[&str]) -> bool {
        let mut given = names.iter().filter_map(|name| self.merged.get(*name));
        given.all(|setting| setting.origin == Origin::Folder)
    }

    /// `unique_key`, as it is written.
    pub(super) fn unique_key(&self) -> Option<Spanned<Many<String>>> {
        yaml::decode(self.unique_key.as_ref()?).ok()
    }

    /// `primary_key`, as it is written.
    pub(super) fn primary_key(&self) -> Option<Spanned<Many<String>>> {
        yaml::decode(self.primary_key.as_ref()?).ok()
    }

    /// The settings in their types. What is wrong is reported and left at its default.
    pub(super) fn decode<T: DeserializeOwned + Default>(
        &self,
        unknown_keys: Severity,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> T {
        let entries: Vec<(Yaml, Yaml)> = self
            .merged
            .iter()
            .map(|(name, setting)| {
                let key = Yaml::text(name, setting.span.clone());
                (key, setting.value.clone())
            })
            .collect();
        let Some((first, _)) = entries.first() else {
            return T::default();
        };
        let span = first.span.clone();
        let map = Yaml::new(Value::Map(entries), span);
        yaml::decode_all(&map, unknown_keys, diagnostics).unwrap_or_default()
    }
}

/// The error of a model whose own settings give two different keys: in its properties, their
/// `config:` and the calls of `config()`. Settings of folders are there to be replaced. `by_name`: the
/// `unique_key` says what is replaced, as of `delete+insert`, and need not be the primary key.
pub(super) fn two_keys(
    properties: Option<&ModelProperties>,
    config: Option<&Yaml>,
    calls: &[(Map<String, Json>, Span)],
    by_name: bool,
) -> Option<Diagnostic> {
    let mut own = Layers::default();
    if let Some(properties) = properties {
        own.properties(properties);
    }
    own.push(config);
    own.calls(calls);
    let settings = own.layers.iter().flat_map(|layer| &layer.settings);
    let keys = settings.filter(|(name, value)| {
        let is_key = matches!(name.as_str(), Some("primary_key" | "unique_key"));
        is_key && !value.is_null()
    });
    let mut known: BTreeMap<&str, (Vec<String>, Span)> = BTreeMap::new();
    for (name, value) in keys {
        let columns = columns_of(value);
        let of = match name.as_str() {
            Some("unique_key") if by_name => "unique_key",
            _ => "primary_key",
        };
        let Some((other, place)) = known.get(of) else {
            known.insert(of, (columns, name.span.clone()));
            continue;
        };
        if *other != columns {
            let listed = |columns: &[String]| columns.join("`, `");
            return Some(
                Diagnostic::error(
                    Code::InvalidConfig,
                    format!(
                        "the primary key is `{}` here, and `{}` elsewhere",
                        listed(&columns),
                        listed(other)
                    ),
                )
                .at(name.span.clone())
                .related(place.clone(), "the other key is here")
                .help("name the key in one place"),
            );
        }
    }
    None
}

/// The columns of a key, sorted: their order does not matter to a key.
fn columns_of(value: &Yaml) -> Vec<String> {
    let texts = |value: &Yaml| value.scalar_text().map(|text| text.trim().to_owned());
    let mut columns: Vec<String> = match value.as_list() {
        Some(columns) => columns.iter().filter_map(texts).collect(),
        None => texts(value).into_iter().collect(),
    };
    columns.sort();
    columns.dedup();
    columns
}

/// The words of a cadence.
const CADENCES: [&str; 9] = [
    "hourly",
    "daily",
    "weekly",
    "biweekly",
    "monthly",
    "quarterly",
    "yearly",
    "once",
    "never",
];

/// The error of a cadence that is neither one of the words nor a cron expression.
pub(super) fn unknown_cadence(cadence: &Spanned<String>) -> Option<Diagnostic> {
    let written = cadence.value.trim();
    if CADENCES.contains(&written.to_lowercase().as_str()) || is_cron(written) {
        return None;
    }
    let diagnostic = Diagnostic::error(Code::InvalidConfig, format!("`{written}` is no cadence"))
        .at(cadence.span.clone())
        .did_you_mean(written, CADENCES);
    Some(match diagnostic.help {
        Some(_) => diagnostic,
        None => diagnostic.help(format!(
            "write one of `{}`, or a cron expression such as `0 6 * * 1`",
            CADENCES.join("`, `")
        )),
    })
}

/// Whether a text is a cron expression: five fields, or six with seconds, or a word such as `@daily`.
fn is_cron(written: &str) -> bool {
    let fields: Vec<&str> = written.split_whitespace().collect();
    let is_field = |field: &&str| {
        let known = |letter: char| letter.is_ascii_alphanumeric() || "*/,-?#".contains(letter);
        field.chars().all(known)
            && field.starts_with(|first: char| {
                first.is_ascii_digit() || matches!(first, '*' | '?') || is_day_or_month(field)
            })
    };
    match fields.as_slice() {
        [word] => matches!(
            *word,
            "@hourly" | "@daily" | "@midnight" | "@weekly" | "@monthly" | "@yearly" | "@annually"
        ),
        fields => (5..=6).contains(&fields.len()) && fields.iter().all(is_field),
    }
}

/// Whether a field begins with the short name of a day or a month: `mon-fri`, `jan`.
fn is_day_or_month(field: &str) -> bool {
    const NAMES: [&str; 20] = [
        "sun", "mon", "tue", "wed", "thu", "fri", "sat", "jan", "feb", "mar", "apr", "may", "jun",
        "jul", "aug", "sep", "oct", "nov", "dec", "l",
    ];
    let lower = field.to_lowercase();
    NAMES.iter().any(|name| lower.starts_with(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cadence_is_a_word_or_a_cron_expression() {
        let told = |written: &str| {
            let cadence = Spanned {
                value: written.to_owned(),
                span: Span::file("models/a.yml"),
            };
            unknown_cadence(&cadence).map(|told| told.message)
        };
        for right in [
            "daily",
            "Monthly",
            "0 6 * * 1",
            "*/15 * * * *",
            "0 0 1 jan,jul mon-fri",
            "@daily",
        ] {
            assert_eq!(told(right), None, "{right}");
        }
        for wrong in ["dayly", "every day", "0 6 * *", "0 6 * * 1 2 3", "@dayly"] {
            assert!(told(wrong).is_some(), "{wrong}");
        }
    }
}
