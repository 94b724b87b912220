//! Diagnostics that another one explains: a properties file that cannot be read takes its sources,
//! tests and keys with it, and each model that needs them would be an error of its own.

use std::collections::BTreeSet;

use super::{Code, Diagnostic, Span};

/// The diagnostics without those that a broken file explains. The error of that file says how many
/// are left out. `text` gives the text of a file of the project.
pub fn without_aftermath<'a>(
    mut diagnostics: Vec<Diagnostic>,
    text: &dyn Fn(&str) -> Option<&'a str>,
) -> Vec<Diagnostic> {
    let mut broken: Vec<Broken> = Vec::new();
    for diagnostic in &diagnostics {
        if let Some(found) = Broken::of(diagnostic, text)
            && broken
                .iter()
                .all(|known| known.place.file != found.place.file)
        {
            broken.push(found);
        }
    }
    if broken.is_empty() {
        return diagnostics;
    }
    diagnostics.retain(|diagnostic| {
        let cause = broken.iter_mut().find(|broken| broken.explains(diagnostic));
        match cause {
            Some(broken) => {
                broken.left_out += 1;
                false
            }
            None => true,
        }
    });
    for Broken {
        place, left_out, ..
    } in broken.iter().filter(|broken| broken.left_out > 0)
    {
        let told = diagnostics
            .iter_mut()
            .find(|diagnostic| diagnostic.span.as_ref() == Some(place));
        if let Some(told) = told {
            told.notes.push(match left_out {
                1 => "another finding comes from this, and is left out".to_owned(),
                more => format!("{more} other findings come from this, and are left out"),
            });
        }
    }
    diagnostics
}

/// A file of which a part is not known.
struct Broken {
    place: Span,
    /// The names that stand in it.
    words: BTreeSet<String>,
    /// Whether all that a YAML file says is lost.
    is_yaml: bool,
    left_out: usize,
}

impl Broken {
    fn of<'a>(diagnostic: &Diagnostic, text: &dyn Fn(&str) -> Option<&'a str>) -> Option<Broken> {
        let place = diagnostic.span.clone().filter(|_| diagnostic.is_error())?;
        let is_yaml = place.file.ends_with(".yml") || place.file.ends_with(".yaml");
        let content = text(&place.file).unwrap_or_default();
        let takes_names_along = match diagnostic.code {
            Code::BrokenYaml | Code::UnreadableFile => true,
            Code::WrongType | Code::MissingKey => is_yaml,
            // A file of macros is compiled as a whole.
            Code::JinjaSyntax => ["macro", "test", "docs"].iter().any(|block| {
                content.contains(&format!("{{% {block} "))
                    || content.contains(&format!("{{%- {block} "))
            }),
            _ => false,
        };
        let mut words = words(content);
        words.extend(stem(&place.file));
        takes_names_along.then_some(Broken {
            place,
            words,
            is_yaml: is_yaml && diagnostic.code == Code::BrokenYaml,
            left_out: 0,
        })
    }

    fn explains(&self, diagnostic: &Diagnostic) -> bool {
        let Some(span) = &diagnostic.span else {
            return false;
        };
        if span.file == self.place.file {
            return false;
        }
        match diagnostic.code {
            Code::UnknownRef
            | Code::UnknownSource
            | Code::UnknownMacro
            | Code::UnknownTest
            | Code::UnknownDoc
            | Code::UnknownFixture => {
                let named = diagnostic.message.split('`').nth(1).unwrap_or_default();
                let mut parts = words(named).into_iter().peekable();
                parts.peek().is_some() && parts.all(|part| self.words.contains(&part))
            }
            // What the file says of a model: its key, its columns, its owner.
            Code::InvalidConfig
            | Code::UndescribedIndicator
            | Code::NoOwner
            | Code::UnreferencedModel => {
                let of_a_model = span.file.ends_with(".sql");
                of_a_model
                    && self.is_yaml
                    && stem(&span.file).is_some_and(|name| self.words.contains(&name))
            }
            _ => false,
        }
    }
}

/// The name of a file without its folders and its ending.
fn stem(file: &str) -> Option<String> {
    let name = file.rsplit('/').next()?;
    let stem = name.split('.').next()?;
    (!stem.is_empty()).then(|| stem.to_owned())
}

fn words(text: &str) -> BTreeSet<String> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
