//! The methods of the selector language: what a value such as `tag:daily` asks of a node.

use crate::diagnostic::Diagnostic;
use crate::manifest::{Access, ResourceType};

use super::columns::ColumnPattern;
use super::glob::{Glob, PathGlob};
use super::parse::invalid;

/// A method with its value, read once: what is left is to hold it against nodes.
#[derive(Clone, Debug, PartialEq)]
pub enum Method {
    /// Name, folder or package.
    Fqn(FqnPattern),
    Tag(Value),
    Group(Value),
    Owner(Value),
    Cadence(Value),
    Access(Access),
    Source {
        package: Glob,
        source: Glob,
        table: Glob,
        text: String,
    },
    Exposure {
        package: Glob,
        name: Glob,
        text: String,
    },
    Path(PathGlob, String),
    File(Value),
    Package(Value),
    /// A setting, reached through its keys, and the value that it must have or hold.
    Config {
        keys: Vec<String>,
        value: Value,
    },
    ResourceType(ResourceType),
    TestName(Value),
    UnitTest(Value),
    TestType(TestType),
    State(StateCheck),
    /// A column, and with `+` the nodes that it comes from or goes to.
    Column(Box<ColumnPattern>),
    /// The status that the node had in the last run.
    Result(Value),
    Version(VersionKind),
    /// Selectors of `selectors.yml`, by name.
    Selector(Value),
    /// Something that a dbt project may select and refx does not have. It matches nothing, so that
    /// the selectors of such a project still load.
    Lacking {
        method: &'static str,
        what: String,
    },
}

/// A glob and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    pub text: String,
    glob: Glob,
}

impl Value {
    pub fn new(text: &str) -> Self {
        Value {
            text: text.to_string(),
            glob: Glob::new(text),
        }
    }

    pub fn matches(&self, text: &str) -> bool {
        self.glob.matches(text)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestType {
    Generic,
    Singular,
    Data,
    Unit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StateCheck {
    New,
    Old,
    Unmodified,
    Modified,
    ModifiedBody,
    ModifiedConfigs,
    ModifiedDescriptions,
    ModifiedRelation,
    ModifiedMacros,
    ModifiedContract,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionKind {
    Latest,
    Prerelease,
    Old,
    None,
}

/// Every name that a method may be called by.
pub const NAMES: [&str; 26] = [
    "fqn",
    "tag",
    "group",
    "owner",
    "cadence",
    "access",
    "source",
    "exposure",
    "path",
    "file",
    "package",
    "config",
    "resource_type",
    "test_name",
    "test_type",
    "unit_test",
    "state",
    "result",
    "version",
    "column",
    "selector",
    "source_status",
    "metric",
    "semantic_model",
    "saved_query",
    "function",
];

/// Resource types that dbt has and refx does not.
const LACKING_TYPES: [&str; 6] = [
    "snapshot",
    "metric",
    "semantic_model",
    "saved_query",
    "function",
    "operation",
];

impl Method {
    /// Reads `name`, arguments after its dots included, with a value that is not empty.
    pub fn parse(name: &str, value: &str) -> Result<Method, Diagnostic> {
        let mut parts = name.split('.');
        let method = parts.next().unwrap_or_default();
        let arguments: Vec<String> = parts.map(str::to_string).collect();
        if NAMES.contains(&method) && method != "config" && !arguments.is_empty() {
            return Err(invalid(format!("`{method}` takes nothing after a dot"))
                .help(format!("write `{method}:{value}`")));
        }
        let own = || Value::new(value);
        Ok(match method {
            "fqn" => Method::Fqn(FqnPattern::new(value)),
            "tag" => Method::Tag(own()),
            "group" => Method::Group(own()),
            "owner" => Method::Owner(own()),
            "cadence" => Method::Cadence(own()),
            "access" => Method::Access(one_of(method, value, &ACCESS)?),
            "source" => source(value)?,
            "exposure" => exposure(value)?,
            "path" => Method::Path(PathGlob::new(value), value.to_string()),
            "file" => Method::File(own()),
            "package" => Method::Package(own()),
            "config" => config(arguments, value)?,
            "resource_type" => resource_type(value)?,
            "test_name" => Method::TestName(own()),
            "test_type" => Method::TestType(one_of(method, value, &TEST_TYPES)?),
            "state" => Method::State(one_of(method, value, &STATE_CHECKS)?),
            "result" => Method::Result(own()),
            "version" => Method::Version(one_of(method, value, &VERSION_KINDS)?),
            "column" => Method::Column(Box::new(column(value)?)),
            "selector" => Method::Selector(own()),
            "source_status" => lacking("source_status", "records of how fresh a source was"),
            "metric" => lacking("metric", "metrics"),
            "semantic_model" => lacking("semantic_model", "semantic models"),
            "saved_query" => lacking("saved_query", "saved queries"),
            "unit_test" => Method::UnitTest(own()),
            "function" => lacking("function", "functions as nodes"),
            unknown => {
                let diagnostic = invalid(format!("no selector method is named `{unknown}`"));
                return Err(match crate::diagnostic::closest(unknown, NAMES) {
                    Some(near) => diagnostic.help(format!("did you mean `{near}:{value}`?")),
                    None => diagnostic.help(format!("the methods are {}", NAMES[..21].join(", "))),
                });
            }
        })
    }

    /// Reads a value that names no method: a path, a file or a name.
    pub fn default_for(value: &str) -> Result<Method, Diagnostic> {
        let lower = value.to_lowercase();
        let name = if value.contains(['/', '\\']) {
            "path"
        } else if [".sql", ".py", ".csv"]
            .iter()
            .any(|end| lower.ends_with(end))
        {
            "file"
        } else {
            "fqn"
        };
        Method::parse(name, value)
    }

    /// The method as it is written before the colon.
    pub fn name(&self) -> String {
        match self {
            Method::Fqn(_) => "fqn",
            Method::Tag(_) => "tag",
            Method::Group(_) => "group",
            Method::Owner(_) => "owner",
            Method::Cadence(_) => "cadence",
            Method::Access(_) => "access",
            Method::Source { .. } => "source",
            Method::Exposure { .. } => "exposure",
            Method::Path(..) => "path",
            Method::File(_) => "file",
            Method::Package(_) => "package",
            Method::Config { keys, .. } => return format!("config.{}", keys.join(".")),
            Method::ResourceType(_) => "resource_type",
            Method::TestName(_) => "test_name",
            Method::UnitTest(_) => "unit_test",
            Method::TestType(_) => "test_type",
            Method::State(_) => "state",
            Method::Result(_) => "result",
            Method::Version(_) => "version",
            Method::Column(_) => "column",
            Method::Selector(_) => "selector",
            Method::Lacking { method, .. } => method,
        }
        .to_string()
    }
}

const ACCESS: [(&str, Access); 3] = [
    ("private", Access::Private),
    ("protected", Access::Protected),
    ("public", Access::Public),
];

const TEST_TYPES: [(&str, TestType); 5] = [
    ("generic", TestType::Generic),
    ("schema", TestType::Generic),
    ("singular", TestType::Singular),
    ("data", TestType::Data),
    ("unit", TestType::Unit),
];

const STATE_CHECKS: [(&str, StateCheck); 10] = [
    ("new", StateCheck::New),
    ("old", StateCheck::Old),
    ("unmodified", StateCheck::Unmodified),
    ("modified", StateCheck::Modified),
    ("modified.body", StateCheck::ModifiedBody),
    ("modified.configs", StateCheck::ModifiedConfigs),
    (
        "modified.persisted_descriptions",
        StateCheck::ModifiedDescriptions,
    ),
    ("modified.relation", StateCheck::ModifiedRelation),
    ("modified.macros", StateCheck::ModifiedMacros),
    ("modified.contract", StateCheck::ModifiedContract),
];

const VERSION_KINDS: [(&str, VersionKind); 4] = [
    ("latest", VersionKind::Latest),
    ("prerelease", VersionKind::Prerelease),
    ("old", VersionKind::Old),
    ("none", VersionKind::None),
];

fn one_of<T: Copy>(method: &str, value: &str, choices: &[(&str, T)]) -> Result<T, Diagnostic> {
    match choices.iter().find(|(name, _)| *name == value) {
        Some((_, choice)) => Ok(*choice),
        None => Err(not_among(
            method,
            value,
            choices.iter().map(|(name, _)| *name),
        )),
    }
}

fn not_among<'a>(
    method: &str,
    value: &str,
    names: impl Iterator<Item = &'a str> + Clone,
) -> Diagnostic {
    let all: Vec<&str> = names.clone().collect();
    let diagnostic = invalid(format!("`{method}:` does not take `{value}`"));
    match crate::diagnostic::closest(value, names) {
        Some(near) => diagnostic.help(format!("did you mean `{method}:{near}`?")),
        None => diagnostic.help(format!("it takes one of {}", all.join(", "))),
    }
}

fn lacking(method: &'static str, what: impl Into<String>) -> Method {
    Method::Lacking {
        method,
        what: what.into(),
    }
}

fn source(value: &str) -> Result<Method, Diagnostic> {
    let parts: Vec<&str> = value.split('.').collect();
    let (package, source, table) = match parts[..] {
        [source] => ("*", source, "*"),
        [source, table] => ("*", source, table),
        [package, source, table] => (package, source, table),
        _ => {
            return Err(invalid(format!("`source:{value}` has too many dots"))
                .help("write `source:name`, `source:name.table` or `source:package.name.table`"));
        }
    };
    Ok(Method::Source {
        package: Glob::new(package),
        source: Glob::new(source),
        table: Glob::new(table),
        text: value.to_string(),
    })
}

fn column(value: &str) -> Result<ColumnPattern, Diagnostic> {
    ColumnPattern::new(value).ok_or_else(|| {
        invalid(format!("`column:{value}` names no column"))
            .help(format!("write `column:{value}.name_of_the_column`"))
    })
}

fn exposure(value: &str) -> Result<Method, Diagnostic> {
    let parts: Vec<&str> = value.split('.').collect();
    let (package, name) = match parts[..] {
        [name] => ("*", name),
        [package, name] => (package, name),
        _ => {
            return Err(invalid(format!("`exposure:{value}` has too many dots"))
                .help("write `exposure:name` or `exposure:package.name`"));
        }
    };
    Ok(Method::Exposure {
        package: Glob::new(package),
        name: Glob::new(name),
        text: value.to_string(),
    })
}

fn config(keys: Vec<String>, value: &str) -> Result<Method, Diagnostic> {
    if keys.is_empty() || keys.iter().any(String::is_empty) {
        return Err(invalid("`config` names no setting")
            .help(format!("for instance `config.materialized:{value}`")));
    }
    Ok(Method::Config {
        keys,
        value: Value::new(value),
    })
}

fn resource_type(value: &str) -> Result<Method, Diagnostic> {
    if let Some(known) = ResourceType::ALL
        .into_iter()
        .find(|known| known.as_str() == value)
    {
        return Ok(Method::ResourceType(known));
    }
    if LACKING_TYPES.contains(&value) {
        return Ok(lacking("resource_type", format!("nodes of type `{value}`")));
    }
    let names = ResourceType::ALL.into_iter().map(ResourceType::as_str);
    Err(not_among("resource_type", value, names))
}

/// dbt's pattern over fully qualified names: package, folders, name.
///
/// It matches the name itself, or the beginning of the fully qualified name, part by part, with or
/// without the package: `segmentation` is every node in that folder. From the first part with a
/// wildcard on, the rest must match as a whole, and the star crosses dots. A pattern without a dot is
/// also matched with the name alone: `mart_*` is every model of such a name, in any folder.
/// Rules: dbt-core 1.12, `graph/selector_methods.py`, `is_selected_node`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FqnPattern {
    pub text: String,
    /// The whole text, where it has a wildcard and no dot.
    name: Option<Glob>,
    /// The parts before the first one with a wildcard.
    plain: Vec<String>,
    /// All from that part on, and how many parts it has.
    wild: Option<(Glob, usize)>,
    /// The last two parts joined by `_`, for `name.v2` and `name_v2`.
    versioned: String,
}

impl FqnPattern {
    pub fn new(text: &str) -> Self {
        let parts: Vec<&str> = text.split('.').collect();
        let first_wild = parts.iter().position(|part| Glob::is_pattern(part));
        let (plain, rest) = parts.split_at(first_wild.unwrap_or(parts.len()));
        FqnPattern {
            text: text.to_string(),
            name: (first_wild.is_some() && parts.len() == 1).then(|| Glob::new(text)),
            plain: plain.iter().map(|part| part.to_string()).collect(),
            wild: first_wild.map(|_| (Glob::new(&rest.join(".")), rest.len())),
            versioned: parts[parts.len().saturating_sub(2)..].join("_"),
        }
    }

    /// `versioned` says that the last part of the name is the model's version.
    pub fn matches(&self, fqn: &[String], versioned: bool) -> bool {
        let without_package = fqn.get(1..).unwrap_or_default();
        self.matches_from(fqn, versioned) || self.matches_from(without_package, versioned)
    }

    fn matches_from(&self, fqn: &[String], versioned: bool) -> bool {
        let is_name = |name: &String| {
            *name == self.text || self.name.as_ref().is_some_and(|glob| glob.matches(name))
        };
        let by_name = match fqn {
            [.., name, version] if versioned => {
                is_name(name) || format!("{name}_{version}") == self.versioned
            }
            [.., name] => is_name(name),
            [] => false,
        };
        if by_name {
            return true;
        }
        // A dot in a name separates as one between names does.
        let parts: Vec<&str> = fqn.iter().flat_map(|part| part.split('.')).collect();
        let asked = self.plain.len() + self.wild.as_ref().map_or(0, |(_, count)| *count);
        if parts.len() < asked {
            return false;
        }
        let (start, rest) = parts.split_at(self.plain.len());
        start.iter().zip(&self.plain).all(|(part, own)| part == own)
            && self
                .wild
                .as_ref()
                .is_none_or(|(glob, _)| glob.matches(&rest.join(".")))
    }
}
