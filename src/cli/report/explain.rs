//! What a code means, as `refx explain` prints it.

use serde_json::{Value, json};

use super::Report;
use super::documents::VERSION;
use super::wording::{FAINT, Line, PLAIN, STRONG};
use crate::cli::args::ExplainOutput;
use refx_core::diagnostic::Code;

impl Report {
    /// A code with its text and examples.
    pub fn explanation(&self, code: Code, output: ExplainOutput) {
        match output {
            ExplainOutput::Json => {
                let mut document = entry(code);
                document["version"] = VERSION.into();
                self.result(&document.to_string());
            }
            ExplainOutput::Text => {
                let paint = |line: Line| line.paint(None, self.options.colour);
                let head = paint(Line::default().push(code.as_str(), STRONG));
                let mut text = format!("{head}\n\n");
                for (line, example) in lines(&code.explain()) {
                    let line = match example {
                        true => Line::default().push(format!("    {line}"), FAINT),
                        false => Line::default().push(line, PLAIN),
                    };
                    text.push_str(&format!("{}\n", paint(line)));
                }
                self.result(&text);
            }
        }
    }

    /// Every code with its first sentence.
    pub fn codes(&self, output: ExplainOutput) {
        let mut codes = Code::ALL.to_vec();
        codes.sort_by_key(|code| code.as_str());
        if output == ExplainOutput::Json {
            let entries: Vec<Value> = codes.into_iter().map(entry).collect();
            return self.result(&json!({ "version": VERSION, "codes": entries }).to_string());
        }
        let width = codes.iter().map(|code| code.as_str().len()).max();
        for code in codes {
            let line = Line::default()
                .column(code.as_str(), width.unwrap_or(0), STRONG)
                .push(code.summary(), PLAIN);
            self.result(&line.paint(self.options.width, self.options.colour));
        }
    }
}

fn entry(code: Code) -> Value {
    json!({ "code": code, "summary": code.summary(), "explanation": code.explain() })
}

/// The lines of a Markdown text without its fences, and whether each is of an example.
fn lines(markdown: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut example = false;
    markdown.lines().filter_map(move |line| {
        if line.starts_with("```") {
            example = !example;
            return None;
        }
        Some((line, example))
    })
}
