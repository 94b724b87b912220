//! Where tables land.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use super::yaml::{self, Node, Spanned, Text};
use crate::diagnostic::{Code, Diagnostic, Span};

/// Where tables land, and what a run may use.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// The name it is chosen by: `--target dev`.
    #[serde(skip)]
    pub name: String,
    /// The profile that it comes from; the project's name where there is none.
    #[serde(skip)]
    pub profile: String,
    /// `refx`, where the target stands in a `profiles.yml`.
    #[serde(rename = "type", default = "refx")]
    pub kind: String,
    /// The root of all tables: a folder relative to the project, or a URL (`s3://…`, `gs://…`).
    pub root: Spanned<String>,
    /// The schema (folder) of the tables.
    pub schema: Option<Spanned<String>>,
    /// The database, for `target.database`. Accepted for dbt.
    pub database: Option<Text>,
    /// Access to the object store. Secrets come from the environment: `{{ env_var('…') }}`.
    #[serde(default)]
    pub storage_options: StorageOptions,
    /// How many models run at the same time.
    pub threads: Option<Spanned<Threads>>,
    /// The most memory that a run may use, such as `8GB`; beyond it, data spill to disk.
    pub memory_limit: Option<Spanned<Bytes>>,
    /// The folder that data spill to; the system's own where absent.
    pub spill_directory: Option<Spanned<String>>,
    /// Whether a run must ask less of the tables: tests join a selection only if all they read is in it.
    #[serde(default)]
    pub protected: bool,
}

fn refx() -> String {
    "refx".into()
}

impl Target {
    /// The target of a project that names none: a folder beside the models.
    pub fn local(name: &str, file: &str) -> Self {
        Target {
            name: name.to_owned(),
            profile: String::new(),
            kind: refx(),
            root: Spanned {
                value: "warehouse".into(),
                span: Span::file(file),
            },
            schema: None,
            database: None,
            storage_options: StorageOptions::default(),
            threads: None,
            memory_limit: None,
            spill_directory: None,
            protected: false,
        }
    }

    /// Stands in a project file until its target is known.
    pub(super) fn unchosen() -> Self {
        Target::local("dev", "")
    }
}

/// Options of an object store, which may be secrets: shown by their names only.
#[derive(Clone, Default, PartialEq, Eq, JsonSchema)]
pub struct StorageOptions(pub BTreeMap<String, String>);

impl fmt::Debug for StorageOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = self.0.keys().map(|key| (key, "…"));
        f.debug_map().entries(hidden).finish()
    }
}

impl<'de> Deserialize<'de> for StorageOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // The values stay out of the messages.
        let wrong = |what: &str, node: &Node| {
            Diagnostic::error(Code::WrongType, format!("expected {what}")).at(node.span.clone())
        };
        yaml::from_node(deserializer, |node| {
            if node.is_null() {
                return Ok(StorageOptions::default());
            }
            let entries = node
                .as_map()
                .ok_or_else(|| wrong("keys and values", &node))?;
            let mut options = BTreeMap::new();
            for (key, value) in entries {
                let text = value
                    .scalar_text()
                    .ok_or_else(|| wrong("text", value))?
                    .into_owned();
                options.insert(key.as_str().unwrap_or_default().to_owned(), text);
            }
            Ok(StorageOptions(options))
        })
    }
}

/// A number of threads: one or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Threads(#[schemars(range(min = 1))] pub usize);

impl<'de> Deserialize<'de> for Threads {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| match yaml::decode(&node)? {
            0 => Err(Diagnostic::error(Code::InvalidValue, "no thread at all")
                .at(node.span)
                .help("write 1 or more, or leave the key out")),
            threads => Ok(Threads(threads)),
        })
    }
}

/// An amount of memory: `8GB`, `512 MiB`, or a number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Reads `8GB`; none for what is not an amount. `GB` is a thousand millions, `GiB` is 1024³.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text
            .find(|letter: char| !letter.is_ascii_digit() && letter != '.')
            .unwrap_or(text.len());
        let number: f64 = text[..digits].parse().ok()?;
        let unit: f64 = match text[digits..].trim().to_lowercase().as_str() {
            "" | "b" => 1.0,
            "k" | "kb" => 1e3,
            "m" | "mb" => 1e6,
            "g" | "gb" => 1e9,
            "t" | "tb" => 1e12,
            "kib" => 1024.0,
            "mib" => 1_048_576.0,
            "gib" => 1_073_741_824.0,
            "tib" => 1_099_511_627_776.0,
            _ => return None,
        };
        let bytes = (number * unit).round();
        // Exact up to 2⁵³ bytes, which is more memory than there is.
        (1.0..=9e15).contains(&bytes).then_some(Bytes(bytes as u64))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            node.scalar_text()
                .and_then(|text| Bytes::parse(&text))
                .ok_or_else(|| {
                    yaml::wrong_type("an amount of memory", &node)
                        .help("write a number with its unit: `8GB`, `512MiB`")
                })
        })
    }
}

impl JsonSchema for Bytes {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Bytes".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": ["string", "integer"],
            "examples": ["8GB", "512MiB"]
        })
    }
}
