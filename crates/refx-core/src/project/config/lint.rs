//! Which rules of lint apply, and how grave what they find is.

use schemars::JsonSchema;
use serde::de::Deserializer;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Code, Severity};
use crate::project::yaml;

/// How grave what a rule finds is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The rule does not apply.
    Off,
    /// What it finds is a warning.
    Warn,
    /// What it finds is an error.
    Error,
}

/// The words for the levels.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Word {
    Off,
    Warn,
    Error,
}

impl<'de> Deserialize<'de> for Level {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        yaml::from_node(deserializer, |node| {
            // To YAML, a bare `off` is the same as `false`.
            if node.value == yaml::Value::Bool(false) {
                return Ok(Level::Off);
            }
            Ok(match yaml::decode::<Word>(&node)? {
                Word::Off => Level::Off,
                Word::Warn => Level::Warn,
                Word::Error => Level::Error,
            })
        })
    }
}

impl JsonSchema for Level {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Level".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let word = generator.subschema_for::<Word>();
        schemars::json_schema!({ "anyOf": [word, { "const": false }] })
    }
}

impl Level {
    /// None where the rule does not apply.
    pub fn severity(self) -> Option<Severity> {
        match self {
            Level::Off => None,
            Level::Warn => Some(Severity::Warning),
            Level::Error => Some(Severity::Error),
        }
    }
}

/// The rules, each with the level that it has where nothing is set.
macro_rules! rules {
    ($($(#[doc = $doc:literal])+ $field:ident: $code:ident = $level:ident,)+) => {
        /// Levels of the rules of lint, by the name of the rule: `off`, `warn` or `error`.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
        #[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
        pub struct Lint {
            $($(#[doc = $doc])+ pub $field: Option<Level>,)+
        }

        impl Lint {
            /// Every rule, its level where nothing is set, and what it looks for.
            pub const RULES: &'static [(Code, Level, &'static str)] =
                &[$((Code::$code, Level::$level, concat!($($doc),+)),)+];

            /// The level that is set; none where none is, or where the code is no rule.
            pub fn level(&self, rule: Code) -> Option<Level> {
                match rule {
                    $(Code::$code => self.$field,)+
                    _ => None,
                }
            }
        }
    };
}

rules! {
    /// Functions of the clock and of chance.
    wall_clock: WallClock = Warn,
    /// Functions and limits that take rows by an order which is not given.
    no_order: NoOrder = Warn,
    /// An order that leaves open which of two rows comes first.
    partial_order: PartialOrder = Warn,
    /// Comparisons with NULL, which are never true.
    null_comparison: NullComparison = Error,
    /// Columns compared with themselves.
    self_comparison: SelfComparison = Error,
    /// Outer joins whose rows without a match are dropped again.
    outer_join_undone: OuterJoinUndone = Warn,
    /// NOT IN over a query that may give NULL.
    nullable_not_in: NullableNotIn = Warn,
    /// Comparisons of two types, at a loss.
    lossy_comparison: LossyComparison = Warn,
    /// Joins on columns of two types, at a loss.
    join_types: JoinTypes = Warn,
    /// Branches of a union with their columns in different orders.
    union_columns: UnionColumns = Warn,
    /// Branches of a union with types that meet at a loss.
    union_types: UnionTypes = Warn,
    /// Whole numbers divided by whole numbers.
    integer_division: IntegerDivision = Warn,
    /// Sums over a join that count a row more than once.
    fan_out: FanOut = Warn,
    /// Published tables whose columns are those of the tables read.
    select_star: SelectStar = Warn,
    /// CTEs that nothing reads.
    unused_cte: UnusedCte = Warn,
    /// Columns of a primary key in which the query puts NULL.
    nullable_key: NullableKey = Warn,
    /// Queries that give several rows of one key.
    unproven_key: UnprovenKey = Warn,
    /// Views that nothing reads.
    unreferenced_model: UnreferencedModel = Warn,
    /// Columns of a published table without a description.
    undescribed_indicator: UndescribedIndicator = Warn,
    /// Published tables without an owner.
    no_owner: NoOwner = Warn,
    /// Indicators that are computed twice in the same way.
    same_meaning: SameMeaning = Warn,
    /// Columns of one name that are computed in two ways.
    two_meanings: TwoMeanings = Warn,
    /// Comments that silence nothing.
    unused_allow: UnusedAllow = Warn,
}

impl Lint {
    /// The rules, by name.
    pub fn names() -> impl Iterator<Item = &'static str> {
        Lint::RULES.iter().map(|(rule, ..)| rule.as_str())
    }

    /// The rule of a name.
    pub fn rule(name: &str) -> Option<Code> {
        let mut rules = Lint::RULES.iter().map(|(rule, ..)| *rule);
        rules.find(|rule| rule.as_str() == name)
    }

    /// The level of a rule where nothing is set.
    pub fn default_level(rule: Code) -> Level {
        let known = Lint::RULES.iter().find(|(known, ..)| *known == rule);
        known.map_or(Level::Warn, |(_, level, _)| *level)
    }
}
