//! What one call of refx decides for all templates: variables, target, instants.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime, Utc};
use serde_json::Value;

use crate::template::{Relation, Scope, Undefined, Vars};

/// The values that every render of an invocation shares. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Invocation {
    pub project: Arc<str>,
    /// The `target` dict of the templates.
    pub target: Arc<Value>,
    /// Schema of relations that name none.
    pub schema: Arc<str>,
    pub vars: Arc<Vars>,
    pub as_of: DateTime<Utc>,
    /// The clock gave the instant: neither the command line nor the project file does.
    pub by_clock: bool,
    pub run_started_at: DateTime<Utc>,
    pub invocation_id: Arc<str>,
    pub flags: Arc<Value>,
}

impl Invocation {
    /// A scope without a model. `execute` false is the parse pass, in which undefined names are
    /// lenient.
    pub fn scope(&self, execute: bool) -> Scope {
        let mut scope = Scope::new(self.project.clone(), self.as_of);
        scope.target = self.target.clone();
        scope.vars = self.vars.clone();
        scope.run_started_at = self.run_started_at;
        scope.invocation_id = self.invocation_id.clone();
        scope.flags = self.flags.clone();
        scope.execute = execute;
        scope.undefined = if execute {
            Undefined::Strict
        } else {
            Undefined::Lenient
        };
        scope
    }

    /// A scope for a text of the project with the texts of `{% docs %}` blocks.
    pub fn documented(&self, docs: &Arc<BTreeMap<String, String>>) -> Scope {
        let mut scope = self.scope(false);
        scope.docs = docs.clone();
        scope
    }

    pub fn relation(&self, identifier: &str) -> Relation {
        Relation::table(&*self.schema, identifier)
    }
}

/// `2024-08-31`, `2024-08-31 06:00`, `2024-08-31T06:00:00` (UTC), or RFC 3339 with its offset.
pub fn instant(text: &str) -> Option<DateTime<Utc>> {
    if let Ok(date) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(date.and_time(NaiveTime::MIN).and_utc());
    }
    if let Ok(instant) = DateTime::parse_from_rfc3339(text) {
        return Some(instant.to_utc());
    }
    let formats = [
        "%Y-%m-%d %H:%M",
        "%Y-%m-%d %H:%M:%S%.f",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%dT%H:%M:%S%.f",
    ];
    formats
        .iter()
        .find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
        .map(|instant| instant.and_utc())
}
