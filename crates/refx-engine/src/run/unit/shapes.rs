//! The columns of nodes, known before any table is.

use datafusion::arrow::datatypes::SchemaRef;

use crate::check::{Answers, Outcome};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Node, NodeId};

/// The columns of nodes as readers see them, from a check.
#[derive(Clone, Debug, Default)]
pub struct Shapes(Answers);

impl From<Answers> for Shapes {
    fn from(answers: Answers) -> Self {
        Shapes(answers)
    }
}

impl Shapes {
    pub(super) fn get(&self, id: &NodeId) -> Option<&SchemaRef> {
        Some(&self.0.get(id)?.planned()?.shape)
    }

    /// # Errors
    /// Where the columns of the node are not known.
    pub(super) fn of(&self, node: &Node) -> Result<&SchemaRef, Diagnostic> {
        self.get(node.id()).ok_or_else(|| {
            let name = node.name();
            let diagnostic = Diagnostic::error(
                Code::InvalidInput,
                format!("the columns of `{name}` are not known, so no rows of it can be given"),
            );
            let diagnostic = match self.why(node.id()) {
                Some(why) => diagnostic.note(why),
                None => diagnostic,
            };
            diagnostic.help(format!("`refx check --select +{name}` shows what is wrong"))
        })
    }

    fn why(&self, id: &NodeId) -> Option<String> {
        let checked = self.0.get(id)?;
        match &checked.outcome {
            Outcome::NotChecked { because } if because != id => self.why(because),
            _ => Some(checked.diagnostics.first()?.message.clone()),
        }
    }
}
