//! Tables and columns as templates see them.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use minijinja::value::{DynObject, Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, ErrorKind, State};

use super::arguments::bind;
use super::values;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum RelationKind {
    #[default]
    Table,
    View,
    /// The text of an ephemeral model, named in a `WITH`.
    Cte,
    External,
}

impl RelationKind {
    fn as_str(self) -> &'static str {
        match self {
            RelationKind::Table => "table",
            RelationKind::View => "view",
            RelationKind::Cte => "cte",
            RelationKind::External => "external",
        }
    }

    fn from_name(name: &str) -> Option<RelationKind> {
        [
            RelationKind::Table,
            RelationKind::View,
            RelationKind::Cte,
            RelationKind::External,
        ]
        .into_iter()
        .find(|kind| kind.as_str() == name)
    }
}

/// A table, a view or a CTE. It prints as quoted SQL: `"schema"."identifier"`.
///
/// Templates read `.database`, `.schema`, `.identifier` (also `.name`, `.table`), `.type`, `.is_table`,
/// `.is_view`, `.is_cte`, and call `.include(schema=false)`, `.quote(…)`, `.render()` and
/// `.replace_path(…)`, as in dbt's `BaseRelation`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Relation {
    pub database: Option<String>,
    pub schema: Option<String>,
    pub identifier: String,
    pub kind: RelationKind,
}

impl Relation {
    pub fn table(schema: impl Into<String>, identifier: impl Into<String>) -> Self {
        Relation {
            database: None,
            schema: Some(schema.into()),
            identifier: identifier.into(),
            kind: RelationKind::Table,
        }
    }

    pub(super) fn value(self) -> Value {
        Value::from_object(RelationObject {
            quoted: [true; 3],
            relation: self,
        })
    }

    /// The relation that a template handed over.
    pub(super) fn from_value(value: &Value) -> Option<Relation> {
        value
            .downcast_object_ref::<RelationObject>()
            .map(|object| object.relation.clone())
    }
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_relation(f, self, [true; 3])
    }
}

/// A name as SQL writes it: in double quotes, those inside doubled.
pub(super) fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn write_relation(
    f: &mut fmt::Formatter<'_>,
    relation: &Relation,
    quoted: [bool; 3],
) -> fmt::Result {
    let identifier = Some(&relation.identifier).filter(|name| !name.is_empty());
    let parts = [
        relation.database.as_ref(),
        relation.schema.as_ref(),
        identifier,
    ];
    let mut first = true;
    for (part, quoted) in parts.into_iter().zip(quoted) {
        if let Some(part) = part {
            if !first {
                f.write_str(".")?;
            }
            first = false;
            if quoted {
                f.write_str(&quote(part))?;
            } else {
                f.write_str(part)?;
            }
        }
    }
    Ok(())
}

#[derive(Clone, Debug, PartialEq)]
struct RelationObject {
    relation: Relation,
    /// Whether database, schema and identifier are printed in quotes.
    quoted: [bool; 3],
}

const PATH: [&str; 3] = ["database", "schema", "identifier"];

impl Object for RelationObject {
    /// dbt's relations are mappings, and packages tell them from text by that.
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Map
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Str(&["database", "schema", "identifier", "type"])
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let relation = &self.relation;
        let kind = relation.kind;
        Some(match key.as_str()? {
            "database" => Value::from(relation.database.clone()),
            "schema" => Value::from(relation.schema.clone()),
            "identifier" | "name" | "table" | "alias" => Value::from(relation.identifier.as_str()),
            "type" => Value::from(kind.as_str()),
            "is_table" => Value::from(kind == RelationKind::Table),
            "is_view" => Value::from(kind == RelationKind::View),
            "is_cte" => Value::from(kind == RelationKind::Cte),
            "metadata" => {
                values::dict([(Value::from("type"), Value::from("RefxRelation"))]).ok()?
            }
            "is_materialized_view" | "is_dynamic_table" | "is_pointer" => Value::from(false),
            _ => return None,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let mut changed = RelationObject::clone(self);
        match method {
            "render" => return Ok(Value::from(self.to_string())),
            "without_identifier" => changed.relation.identifier.clear(),
            "include" => {
                let [database, schema, identifier] = bind("include", PATH, args)?;
                if database.is_some_and(|include| !include.is_true()) {
                    changed.relation.database = None;
                }
                if schema.is_some_and(|include| !include.is_true()) {
                    changed.relation.schema = None;
                }
                if identifier.is_some_and(|include| !include.is_true()) {
                    changed.relation.identifier.clear();
                }
            }
            "quote" => {
                for (quoted, wanted) in changed.quoted.iter_mut().zip(bind("quote", PATH, args)?) {
                    *quoted = wanted.map_or(*quoted, |wanted| wanted.is_true());
                }
            }
            "replace_path" | "incorporate" => {
                let [database, schema, identifier] = bind(method, PATH, args)?;
                if let Some(value) = database {
                    changed.relation.database = optional(&value);
                }
                if let Some(value) = schema {
                    changed.relation.schema = optional(&value);
                }
                if let Some(value) = identifier {
                    changed.relation.identifier = value.to_string();
                }
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(Value::from_object(changed))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<RelationObject>()?;
        Some(self.to_string().cmp(&other.to_string()))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&**self, f)
    }
}

impl fmt::Display for RelationObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_relation(f, &self.relation, self.quoted)
    }
}

fn optional(value: &Value) -> Option<String> {
    (!value.is_none() && !value.is_undefined()).then(|| value.to_string())
}

/// `api.Relation.create(database, schema, identifier, type)`.
pub(super) fn create(args: &[Value]) -> Result<Value, Error> {
    let [database, schema, identifier, kind] = bind(
        "api.Relation.create",
        ["database", "schema", "identifier", "type"],
        args,
    )?;
    let kind = kind.and_then(|kind| optional(&kind)).unwrap_or_default();
    Ok(Relation {
        database: database.as_ref().and_then(optional),
        schema: schema.as_ref().and_then(optional),
        identifier: identifier.as_ref().and_then(optional).unwrap_or_default(),
        kind: RelationKind::from_name(&kind).unwrap_or_default(),
    }
    .value())
}

/// A column of a table, with its type in the words of the engine.
///
/// Templates read `.name` (also `.column`), `.quoted`, `.data_type` (also `.dtype`), and call
/// `.is_string()`, `.is_number()`, `.is_numeric()`, `.is_float()`, `.is_integer()`, as in dbt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    pub data_type: String,
}

impl Column {
    pub(super) fn value(self) -> Value {
        Value::from_object(self)
    }

    /// Whether the type is one of these words, perhaps with a number behind (`Utf8`, `varchar(12)`).
    fn is_any(&self, words: &[&str]) -> bool {
        let kind = self.data_type.to_lowercase();
        words.iter().any(|word| kind.starts_with(word))
    }

    fn is_integer(&self) -> bool {
        self.is_any(&["int", "uint", "bigint", "smallint", "tinyint", "unsigned"])
            && !self.is_any(&["interval"])
    }

    fn is_float(&self) -> bool {
        self.is_any(&["float", "double", "real"])
    }

    fn is_numeric(&self) -> bool {
        self.is_any(&["decimal", "numeric"])
    }

    /// The length in `varchar(12)`; 256 where none is given, as in dbt.
    fn string_size(&self) -> u32 {
        let size = self.data_type.split(['(', ')']).nth(1);
        size.and_then(|size| size.trim().parse().ok())
            .unwrap_or(256)
    }

    fn is_string(&self) -> bool {
        self.is_any(&[
            "utf8",
            "largeutf8",
            "varchar",
            "text",
            "string",
            "char",
            "largestring",
        ])
    }
}

impl Object for Column {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        Some(match key.as_str()? {
            "name" | "column" => Value::from(self.name.as_str()),
            "quoted" => Value::from(quote(&self.name)),
            "data_type" | "dtype" => Value::from(self.data_type.as_str()),
            _ => return None,
        })
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::NonEnumerable
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        _args: &[Value],
    ) -> Result<Value, Error> {
        if method == "string_size" {
            return Ok(Value::from(self.string_size()));
        }
        Ok(Value::from(match method {
            "is_string" => self.is_string(),
            "is_integer" => self.is_integer(),
            "is_float" => self.is_float(),
            "is_numeric" => self.is_numeric(),
            "is_number" => self.is_integer() || self.is_float() || self.is_numeric(),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }))
    }

    fn custom_cmp(self: &Arc<Self>, other: &DynObject) -> Option<Ordering> {
        let other = other.downcast_ref::<Column>()?;
        Some((&self.name, &self.data_type).cmp(&(&other.name, &other.data_type)))
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<Column {} ({})>", self.name, self.data_type)
    }
}
