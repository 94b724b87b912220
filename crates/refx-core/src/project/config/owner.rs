//! Who answers for a node.

use std::fmt;

use schemars::JsonSchema;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use crate::project::yaml::{self, Many};

/// Who answers for something: a name, or a name and addresses.
#[derive(Clone, Default, PartialEq, Eq, Serialize)]
pub struct Owner {
    pub name: Option<String>,
    pub email: Vec<String>,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let addresses = self.email.join(", ");
        match &self.name {
            Some(name) if addresses.is_empty() => f.write_str(name),
            Some(name) => write!(f, "{name} <{addresses}>"),
            None => f.write_str(&addresses),
        }
    }
}

impl<'de> Deserialize<'de> for Owner {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            if let Some(name) = node.as_str() {
                return Ok(Owner {
                    name: Some(name.to_owned()),
                    email: Vec::new(),
                });
            }
            let map = yaml::decode::<OwnerMap>(&node)?;
            Ok(Owner {
                name: map.name,
                email: map.email.0,
            })
        })
    }
}

impl JsonSchema for Owner {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Owner".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let map = generator.subschema_for::<OwnerMap>();
        schemars::json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}

/// An owner with addresses. dbt lets it have keys of one's own, which are not kept.
#[derive(Deserialize, JsonSchema)]
struct OwnerMap {
    /// The name of a person or a team.
    name: Option<String>,
    /// Addresses.
    #[serde(default)]
    email: Many<String>,
}
