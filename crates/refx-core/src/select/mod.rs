//! Which nodes the user means: dbt's selector language.
//!
//! ```text
//! --select segmentation+ tag:daily,crm --exclude user_360
//! ```
//! [`parse`] reads the text into a [`Selector`], [`named`] reads `selectors.yml`, and [`pick`] holds
//! both against the manifest and the graph. `docs/selectors.md` is the language for users. Rules and
//! words are those of dbt-core 1.12 (`graph/selector*.py`).

mod asks;
mod columns;
mod glob;
mod matches;
mod method;
mod parse;
mod pick;
mod selectors;
mod state;
mod suggestion;

#[cfg(test)]
mod tests;

pub use asks::{asks_for_columns, asks_for_state, asks_what_changed};
pub use columns::{ColumnId, ColumnPaths, ColumnPattern, Direction};
pub use method::{FqnPattern, Method, StateCheck, TestType, Value, VersionKind};
pub use parse::{Atom, Depth, Reach, Selector, parse};
pub use selectors::{NamedSelector, Selectors, named};
pub use state::{Compared, Snapshot, State};

use crate::diagnostic::{Code, Diagnostic, Severity};
use crate::graph::{Graph, NodeSet};
use crate::manifest::{Manifest, ResourceType};

use pick::{Evaluation, Found};

/// What the user asks for, as the command line gives it.
#[derive(Clone, Debug, Default)]
pub struct Criteria {
    /// Each value of `--select`; a repetition adds to the union.
    pub select: Vec<String>,
    pub exclude: Vec<String>,
    /// `--selector`: a name in `selectors.yml`.
    pub selector: Option<String>,
    /// `--resource-type`; empty for all that the command runs.
    pub resource_types: Vec<ResourceType>,
    /// `--exclude-resource-type`.
    pub exclude_resource_types: Vec<ResourceType>,
    pub indirect: Indirect,
    /// Whether the selection may pick nothing.
    pub allow_empty: bool,
}

impl Criteria {
    /// The selector of `selectors.yml` that stands in where none is given.
    fn default_of<'s>(&self, selectors: &'s Selectors) -> Option<&'s NamedSelector> {
        let given = !self.select.is_empty() || !self.exclude.is_empty() || self.selector.is_some();
        selectors.default_selector().filter(|_| !given)
    }

    /// Whether some nodes are asked for, rather than all that there are.
    fn narrows(&self, selectors: &Selectors) -> bool {
        !self.select.is_empty()
            || !self.exclude.is_empty()
            || self.selector.is_some()
            || !self.resource_types.is_empty()
            || !self.exclude_resource_types.is_empty()
            || self.default_of(selectors).is_some()
    }
}

/// Which tests join the nodes that they read, without being selected themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Indirect {
    /// All that read at least one selected node.
    #[default]
    Eager,
    /// Those that read selected nodes only.
    Cautious,
    /// Those that read selected nodes, what these are built from, and sources only.
    Buildable,
    /// None.
    Empty,
}

impl Indirect {
    pub const ALL: [Indirect; 4] = [
        Indirect::Eager,
        Indirect::Cautious,
        Indirect::Buildable,
        Indirect::Empty,
    ];

    /// dbt's name of the mode, as `--indirect-selection` takes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Indirect::Eager => "eager",
            Indirect::Cautious => "cautious",
            Indirect::Buildable => "buildable",
            Indirect::Empty => "empty",
        }
    }
}

/// What there is to pick from.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    pub manifest: &'a Manifest,
    pub graph: &'a Graph,
    pub selectors: &'a Selectors,
    pub state: State<'a>,
    /// How columns depend on each other; needed where [`asks_for_columns`] says so.
    pub columns: Option<&'a dyn ColumnPaths>,
    /// The resource types that the command works on: models for `run`, all of them for `ls`.
    pub runs: &'a [ResourceType],
}

#[derive(Clone, Debug, PartialEq)]
pub struct Picked {
    pub nodes: NodeSet,
    /// Selectors that match nothing: errors where nothing is picked at all and
    /// [`Criteria::allow_empty`] is not set, else warnings.
    pub diagnostics: Vec<Diagnostic>,
}

/// Picks the nodes that the criteria mean. Without `--select` it is everything, or the selector of
/// `selectors.yml` that is the default.
///
/// Errors: [`Code::InvalidSelector`] for text that does not parse, an unknown selector, or state that
/// a method needs and that is not there.
pub fn pick(criteria: &Criteria, scope: &Scope) -> Result<Picked, Diagnostic> {
    let mut picking = Picking {
        evaluation: Evaluation::new(scope, criteria.indirect),
        scope,
        warnings: Vec::new(),
    };
    let included = picking.included(criteria)?;
    let excluded = picking.listed(&criteria.exclude)?;
    let nodes = pick::difference(&included, &excluded).nodes;
    let mut warnings = picking.warnings;

    let kinds = kinds(criteria, scope.runs);
    let is_run = |kind: ResourceType| kinds.contains(&kind);
    let kind_of = |id| scope.manifest.get(id).map(|node| node.resource_type());
    let picked: NodeSet = nodes
        .iter()
        .filter(|id| kind_of(id).is_some_and(is_run))
        .cloned()
        .collect();
    if picked.is_empty() && warnings.is_empty() && !included.nodes.is_empty() {
        let message = match nodes.is_empty() {
            true => "everything that is selected is also excluded".to_string(),
            false => format!(
                "{} selected, and none is of a type that this command works on",
                count(nodes.len())
            ),
        };
        let names: Vec<&str> = kinds.iter().map(|kind| kind.as_str()).collect();
        let warning = Diagnostic::warning(Code::EmptySelection, message);
        warnings.push(match nodes.is_empty() {
            true => warning,
            false => warning.note(format!("it works on: {}", names.join(", "))),
        });
    }
    if picked.is_empty() && criteria.narrows(scope.selectors) && !criteria.allow_empty {
        refuse_empty(&mut warnings);
    }
    Ok(Picked {
        nodes: picked,
        diagnostics: warnings,
    })
}

/// Makes errors of the warnings about a selection that picks nothing, and names the way through.
fn refuse_empty(warnings: &mut Vec<Diagnostic>) {
    const WAY: &str = "pass `--allow-empty` where a selection may pick nothing, as \
        `state:modified` does in CI";
    let last = warnings.pop().unwrap_or_else(|| {
        Diagnostic::warning(Code::EmptySelection, "the selection picks nothing")
    });
    warnings.push(match last.help {
        Some(_) => last.note(WAY),
        None => last.help(WAY),
    });
    for warning in warnings {
        warning.severity = Severity::Error;
    }
}

fn count(nodes: usize) -> String {
    match nodes {
        1 => "1 node is".to_string(),
        many => format!("{many} nodes are"),
    }
}

fn kinds(criteria: &Criteria, runs: &[ResourceType]) -> Vec<ResourceType> {
    let asked = &criteria.resource_types;
    runs.iter()
        .copied()
        .filter(|kind| asked.is_empty() || asked.contains(kind))
        .filter(|kind| !criteria.exclude_resource_types.contains(kind))
        .collect()
}

struct Picking<'a> {
    evaluation: Evaluation<'a>,
    scope: &'a Scope<'a>,
    warnings: Vec<Diagnostic>,
}

impl Picking<'_> {
    fn included(&mut self, criteria: &Criteria) -> Result<Found, Diagnostic> {
        let by_hand = !criteria.select.is_empty() || !criteria.exclude.is_empty();
        let default = criteria.default_of(self.scope.selectors);
        match &criteria.selector {
            // dbt drops the other options silently, and runs more than was asked for.
            Some(name) if by_hand => Err(parse::invalid(
                "`--selector` goes with neither `--select` nor `--exclude`",
            )
            .help(format!(
                "name it among the others: `--select selector:{name}`"
            ))),
            Some(name) => self.named(name),
            None if !criteria.select.is_empty() => self.listed(&criteria.select),
            None => match default {
                Some(selector) => self.named(&selector.name),
                None => Ok(self.evaluation.everything()),
            },
        }
    }

    fn named(&mut self, name: &str) -> Result<Found, Diagnostic> {
        let found = self.evaluation.named(name)?;
        if found.nodes.is_empty() {
            let message = format!("the selector `{name}` matches nothing");
            let warning = Diagnostic::warning(Code::EmptySelection, message);
            self.warnings.push(match self.scope.selectors.get(name) {
                Some(selector) => warning.at(selector.span.clone()),
                None => warning,
            });
        }
        Ok(found)
    }

    /// The union of several texts, with a warning for each word in them that matches nothing: one
    /// slip among good words would go unseen otherwise.
    fn listed(&mut self, texts: &[String]) -> Result<Found, Diagnostic> {
        let mut parts = Vec::new();
        for text in texts {
            match parse(text)? {
                Selector::Union(words) if !words.is_empty() => {
                    for word in &words {
                        parts.push(self.word(word)?);
                    }
                }
                word => parts.push(self.word(&word)?),
            }
        }
        Ok(self.evaluation.union(parts))
    }

    fn word(&mut self, word: &Selector) -> Result<Found, Diagnostic> {
        let found = self.evaluation.evaluate(word)?;
        if found.nodes.is_empty() {
            let mut empty = Vec::new();
            let atoms: Vec<&Selector> = match word {
                Selector::Intersection(parts) => parts.iter().collect(),
                other => vec![other],
            };
            for part in atoms {
                if let Selector::Atom(atom) = part
                    && self.evaluation.evaluate(part)?.nodes.is_empty()
                {
                    empty.push(atom);
                }
            }
            self.warnings
                .push(suggestion::empty(word, &empty, self.scope));
        }
        Ok(found)
    }
}
