//! What a project is made of: models, seeds, tests, unit tests, sources, exposures, analyses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::diagnostic::Span;
use crate::project::config::{ModelConfig, SeedConfig, TestConfig};
use crate::project::{ColumnProperties, Constraint, Place, SourceTable};
use crate::template::Relation;

use super::{ForeignKey, UnitTest};

/// dbt's unique id of a node: `model.user_reference.user_360`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(Arc<str>);

impl NodeId {
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        NodeId(id.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ResourceType {
    Model,
    Seed,
    Test,
    UnitTest,
    Source,
    Exposure,
    Analysis,
}

impl ResourceType {
    /// Whether it is about another node: a data test or a unit test.
    pub fn is_test(self) -> bool {
        matches!(self, ResourceType::Test | ResourceType::UnitTest)
    }

    pub const ALL: [ResourceType; 7] = [
        ResourceType::Model,
        ResourceType::Seed,
        ResourceType::Test,
        ResourceType::UnitTest,
        ResourceType::Source,
        ResourceType::Exposure,
        ResourceType::Analysis,
    ];

    /// dbt's name of the type, as `resource_type:` and `--resource-type` take it.
    pub fn as_str(self) -> &'static str {
        match self {
            ResourceType::Model => "model",
            ResourceType::Seed => "seed",
            ResourceType::Test => "test",
            ResourceType::UnitTest => "unit_test",
            ResourceType::Source => "source",
            ResourceType::Exposure => "exposure",
            ResourceType::Analysis => "analysis",
        }
    }
}

/// A resource of the project, resolved: every `ref` and `source` in it is known to exist.
#[derive(Clone, Debug)]
pub enum Node {
    Model(Model),
    Seed(Seed),
    Test(Test),
    UnitTest(UnitTest),
    Source(Source),
    Exposure(Exposure),
    Analysis(Analysis),
}

/// What all nodes have.
#[derive(Clone, Debug)]
pub struct Common {
    pub id: NodeId,
    pub name: String,
    pub package: Arc<str>,
    /// The file that defines the node, relative to the project root.
    pub path: Arc<str>,
    /// The properties file that describes it, where one does.
    pub properties_path: Option<Arc<str>>,
    /// Its name there.
    pub described_at: Option<Span>,
    /// dbt's fully qualified name: package, folders, name.
    pub fqn: Vec<String>,
    /// Where the node is defined: its file, or its entry in a properties file.
    pub span: Span,
    pub description: String,
    pub tags: Vec<String>,
    pub meta: Map<String, Value>,
    pub group: Option<String>,
    pub owner: Option<String>,
    pub columns: Vec<ColumnProperties>,
    /// Nodes that this one reads, in the order in which it names them, without repetition.
    pub depends_on: Vec<NodeId>,
    /// Unique ids of the macros that this one calls.
    pub macros: Vec<String>,
    /// Digest of the node's code: template, settings, macros. It changes when the code does.
    pub fingerprint: String,
    /// The merged settings as they were written, for `config.*` selectors and artifacts.
    pub config: Map<String, Value>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Materialization {
    /// Nothing lands: its readers plan its query as part of theirs, and it is listed as a relation.
    View,
    /// As a view, and not listed as a relation.
    Ephemeral,
    Table,
    Incremental(Strategy),
}

impl Materialization {
    pub fn as_str(&self) -> &'static str {
        match self {
            Materialization::View => "view",
            Materialization::Ephemeral => "ephemeral",
            Materialization::Table => "table",
            Materialization::Incremental(_) => "incremental",
        }
    }

    /// Whether the model becomes a Delta table.
    pub fn lands(&self) -> bool {
        matches!(
            self,
            Materialization::Table | Materialization::Incremental(_)
        )
    }
}

/// How an incremental model's rows join those that are there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    Merge,
    Append,
    DeleteInsert,
    InsertOverwrite,
}

impl Strategy {
    pub fn as_str(self) -> &'static str {
        match self {
            Strategy::Merge => "merge",
            Strategy::Append => "append",
            Strategy::DeleteInsert => "delete_insert",
            Strategy::InsertOverwrite => "insert_overwrite",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Private,
    Protected,
    Public,
}

impl Access {
    pub fn as_str(self) -> &'static str {
        match self {
            Access::Private => "private",
            Access::Protected => "protected",
            Access::Public => "public",
        }
    }
}

#[derive(Clone, Debug)]
pub struct Model {
    pub common: Common,
    pub materialization: Materialization,
    /// Empty where none is set.
    pub primary_key: Vec<String>,
    /// The columns by whose values `delete+insert` replaces rows; they need not be a key. Empty for all
    /// other strategies.
    pub delete_by: Vec<String>,
    pub access: Access,
    pub version: Option<String>,
    pub latest_version: Option<String>,
    pub cadence: Option<String>,
    pub relation: Relation,
    pub config: Box<ModelConfig>,
    /// The template as the steward wrote it.
    pub text: Arc<str>,
    /// Whether the template asks `is_incremental()`.
    pub asks_incremental: bool,
    /// Constraints of the table as a whole; those of a column stand with the column.
    pub constraints: Vec<Constraint>,
    /// The constraints of both that point to another table, resolved.
    pub foreign_keys: Vec<ForeignKey>,
}

#[derive(Clone, Debug)]
pub struct Seed {
    pub common: Common,
    pub relation: Relation,
    /// The columns whose type is set for this very seed. A type that a folder's settings give is for
    /// the seeds that have the column.
    pub own_types: BTreeSet<String>,
    pub config: Box<SeedConfig>,
}

#[derive(Clone, Debug)]
pub struct Test {
    pub common: Common,
    pub kind: TestKind,
    /// The node that the test is about: the one whose properties declare it.
    pub attached: Option<NodeId>,
    pub config: Box<TestConfig>,
    /// Where failing rows go under `store_failures`.
    pub relation: Relation,
}

#[derive(Clone, Debug)]
pub enum TestKind {
    /// A `{% test %}` macro called with arguments.
    Generic {
        /// `unique`, without the `test_` of the macro's name.
        name: String,
        /// Unique id of the macro.
        macro_id: String,
        /// Arguments as written in the properties file, Jinja in them not yet rendered.
        arguments: Map<String, Value>,
        /// Where each argument was written.
        places: BTreeMap<String, Span>,
        column: Option<String>,
    },
    /// A SELECT of one's own whose rows are the failures.
    Singular { text: Arc<str> },
}

#[derive(Clone, Debug)]
pub struct Source {
    pub common: Common,
    /// The name of the group of tables: the first argument of `source()`.
    pub source_name: String,
    pub relation: Relation,
    pub table: Box<SourceTable>,
    /// Where the data is; none where the properties name no location.
    pub place: Option<Box<Place>>,
}

#[derive(Clone, Debug)]
pub struct Exposure {
    pub common: Common,
    /// `dashboard`, `application`, …
    pub kind: String,
    pub label: Option<String>,
    pub url: Option<String>,
    pub maturity: Option<String>,
    pub owner_email: Option<String>,
}

/// A query under `analyses/`: compiled, never run.
#[derive(Clone, Debug)]
pub struct Analysis {
    pub common: Common,
    pub text: Arc<str>,
}

impl Node {
    pub fn common(&self) -> &Common {
        match self {
            Node::Model(model) => &model.common,
            Node::Seed(seed) => &seed.common,
            Node::Test(test) => &test.common,
            Node::UnitTest(test) => &test.common,
            Node::Source(source) => &source.common,
            Node::Exposure(exposure) => &exposure.common,
            Node::Analysis(analysis) => &analysis.common,
        }
    }

    pub fn common_mut(&mut self) -> &mut Common {
        match self {
            Node::Model(model) => &mut model.common,
            Node::Seed(seed) => &mut seed.common,
            Node::Test(test) => &mut test.common,
            Node::UnitTest(test) => &mut test.common,
            Node::Source(source) => &mut source.common,
            Node::Exposure(exposure) => &mut exposure.common,
            Node::Analysis(analysis) => &mut analysis.common,
        }
    }

    pub fn id(&self) -> &NodeId {
        &self.common().id
    }

    pub fn name(&self) -> &str {
        &self.common().name
    }

    pub fn resource_type(&self) -> ResourceType {
        match self {
            Node::Model(_) => ResourceType::Model,
            Node::Seed(_) => ResourceType::Seed,
            Node::Test(_) => ResourceType::Test,
            Node::UnitTest(_) => ResourceType::UnitTest,
            Node::Source(_) => ResourceType::Source,
            Node::Exposure(_) => ResourceType::Exposure,
            Node::Analysis(_) => ResourceType::Analysis,
        }
    }

    /// The name under which SQL reads the node; none for what cannot be read.
    pub fn relation(&self) -> Option<&Relation> {
        match self {
            Node::Model(model) => Some(&model.relation),
            Node::Seed(seed) => Some(&seed.relation),
            Node::Source(source) => Some(&source.relation),
            Node::Test(_) | Node::UnitTest(_) | Node::Exposure(_) | Node::Analysis(_) => None,
        }
    }

    pub fn as_model(&self) -> Option<&Model> {
        match self {
            Node::Model(model) => Some(model),
            _ => None,
        }
    }

    pub fn as_unit_test(&self) -> Option<&UnitTest> {
        match self {
            Node::UnitTest(test) => Some(test),
            _ => None,
        }
    }

    pub fn as_test(&self) -> Option<&Test> {
        match self {
            Node::Test(test) => Some(test),
            _ => None,
        }
    }
}
