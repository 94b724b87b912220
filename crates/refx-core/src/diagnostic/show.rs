//! A diagnostic as text for people.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};

use super::{Diagnostic, Severity};

/// Shows a diagnostic as `rustc` does: title, excerpt of the file, notes, help.
///
/// `text` gives the text of a file of the project; a diagnostic in a file that it does not know is
/// shown without its excerpt. No trailing newline.
pub fn render<'a>(
    diagnostic: &Diagnostic,
    text: &dyn Fn(&str) -> Option<&'a str>,
    colour: bool,
) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group = Group::with_title(
        level
            .primary_title(diagnostic.message.as_str())
            .id(diagnostic.code.as_str()),
    );
    if let Some(span) = &diagnostic.span {
        if let Some(source) = text(&span.file).filter(|source| !source.is_empty()) {
            let mut annotation = AnnotationKind::Primary.span(span.within(source));
            if let Some(label) = &diagnostic.label {
                annotation = annotation.label(label.as_str());
            }
            group = group.element(
                Snippet::source(source)
                    .path(&*span.file)
                    .annotation(annotation),
            );
        } else {
            group = group.element(annotate_snippets::Origin::path(&*span.file));
        }
    }
    for related in &diagnostic.related {
        group = group.element(Level::NOTE.message(related.message.as_str()));
        if let Some(source) = text(&related.span.file).filter(|source| !source.is_empty()) {
            group = group.element(
                Snippet::source(source)
                    .path(&*related.span.file)
                    .annotation(AnnotationKind::Context.span(related.span.within(source))),
            );
        }
    }
    for note in &diagnostic.notes {
        group = group.element(Level::NOTE.message(note.as_str()));
    }
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    renderer.render(&[group]).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostic::{Code, Span, closest};

    #[test]
    fn shows_the_line_and_the_way_out() {
        let text = "select *\nfrom {{ ref('ordrs') }}\n";
        let diagnostic = Diagnostic::error(Code::UnknownRef, "no model named `ordrs`")
            .at(Span::new("models/daily.sql", 17..22))
            .did_you_mean("ordrs", ["customers", "orders"]);
        assert_eq!(
            render(&diagnostic, &|_| Some(text), false),
            "error[unknown-ref]: no model named `ordrs`\n \
             --> models/daily.sql:2:9\n  \
             |\n\
             2 | from {{ ref('ordrs') }}\n  \
             |         ^^^^^\n  \
             |\n  \
             = help: did you mean `orders`?"
        );
    }

    #[test]
    fn a_far_name_is_not_offered() {
        assert_eq!(closest("orders", ["customers", "payments"]), None);
        assert_eq!(closest("colums", ["column", "columns"]), Some("columns"));
    }
}
