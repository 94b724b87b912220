//! Snippets whose result is that of Jinja2 3.1, set up as dbt sets it up: a sandbox with the extensions
//! `do` and `loopcontrols`. The results in `jinja2.json` were written by it.

use super::*;

#[test]
fn snippets_give_what_jinja2_gives() {
    let snippets: Vec<[String; 2]> =
        serde_json::from_str(include_str!("jinja2.json")).expect("the file is a list of pairs");
    let project = Project::new();
    let (macros, _) = project.load();
    let mut differ = Vec::new();
    for [text, expected] in &snippets {
        // Something stands after the text, since Jinja drops a final new line.
        let source = Source::whole("models/a.sql", format!("{text}."));
        let found = super::render(&macros, &source, &project.scope, &project.host());
        let found = match found {
            Ok(rendered) => rendered.text,
            Err(diagnostic) => format!("error: {}", diagnostic.message),
        };
        if found.strip_suffix('.') != Some(expected) {
            differ.push(format!(
                "{text}\n  expected {expected:?}\n  found    {found:?}"
            ));
        }
    }
    assert!(snippets.len() > 600, "{} snippets are few", snippets.len());
    assert!(
        differ.is_empty(),
        "{} differ\n{}",
        differ.len(),
        differ.join("\n")
    );
}
