//! Jinja in, text out: dbt's names on minijinja.
//!
//! ```text
//! macro files ─▶ Macros::load ─▶ Macros          compiled once, shared by all threads
//! Source + Scope + Host ─▶ render ─▶ Rendered    text, map back to the source, what was asked for
//! ```
//!
//! A project is rendered twice. In the parse pass (`Scope::execute` false, undefined names lenient)
//! the [`Calls`] are what counts: they become the edges of the graph. In the compile pass the
//! [`Host`] answers from the resolved manifest, and the text counts. This room imports nothing of
//! refx but `diagnostic`, and opens no file: a render is a function of its arguments, but for
//! `env_var()`.

use std::ops::Range;
use std::sync::Arc;

use crate::diagnostic::Span;

mod adapter;
mod arguments;
mod blocks;
mod calls;
mod chain;
mod clock;
mod context;
mod environment;
mod failure;
mod filters;
mod format;
mod functions;
mod identifier;
mod json;
mod library;
mod macros;
mod modules;
mod native;
mod own;
mod query;
mod relation;
mod render;
mod rewrite;
mod scope;
mod spans;
mod strings;
mod tokens;
mod trace;
mod unreturned;
mod values;
mod words;

#[cfg(test)]
mod tests;

pub use blocks::{Block, BlockKind, blocks};
pub use calls::{Calls, has_fixed_text, static_calls};
pub use context::DBT_VERSION;
pub use identifier::column_name;
pub use macros::{BUILTIN, Dispatch, MacroDefinition, MacroFile, MacroKind, Macros, Parameter};
pub use relation::{Column, Relation, RelationKind};
pub use render::{Rendered, call, parse, parse_call, render, render_value};
pub use scope::{
    Answer, Argument, EnvironmentVars, Host, RefCall, Scope, Undefined, Vars, is_secret, redact,
    redactor,
};
pub use spans::SpanMap;
pub use trace::{CameOut, Origin, Trace};

/// A file, or one string of a YAML file, that holds Jinja.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    /// Path relative to the project root.
    pub file: Arc<str>,
    pub text: Arc<str>,
    /// Where the text starts in the file: spans are offsets of the file.
    pub offset: usize,
}

impl Source {
    /// A whole file.
    pub fn whole(file: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Source {
            file: file.into(),
            text: text.into(),
            offset: 0,
        }
    }

    /// A range of the text as a place in the file.
    pub fn span(&self, range: &Range<usize>) -> Span {
        Span::new(
            self.file.clone(),
            self.offset + range.start..self.offset + range.end,
        )
    }
}
