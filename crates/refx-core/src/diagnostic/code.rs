//! Codes as text: how they are printed, looked up, explained.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{Code, Diagnostic};

impl Code {
    /// What the code means and what to do about it, in Markdown.
    pub fn explain(self) -> String {
        let lines = self.documentation().lines();
        let lines: Vec<&str> = lines
            .map(|line| line.strip_prefix(' ').unwrap_or(line).trim_end())
            .collect();
        lines.join("\n")
    }

    /// The first sentence of its explanation.
    pub fn summary(self) -> String {
        let text = self.explain();
        let paragraph = text.split("\n\n").next().unwrap_or_default();
        let line = paragraph.replace('\n', " ");
        let end = line.find(". ").map_or(line.len(), |at| at + 1);
        line[..end].to_string()
    }

    /// The code that is printed so. What people copy with it is taken off: `error[unknown-ref]`.
    ///
    /// # Errors
    /// [`Code::InvalidValue`], with the nearest code there is.
    pub fn find(written: &str) -> Result<Code, Diagnostic> {
        let name = written.trim().trim_end_matches(':').trim_end_matches(']');
        let name = name.rsplit('[').next().unwrap_or(name);
        let mut codes = Code::ALL.iter().copied();
        if let Some(code) = codes.find(|code| code.as_str().eq_ignore_ascii_case(name)) {
            return Ok(code);
        }
        let unknown = Diagnostic::error(Code::InvalidValue, format!("no code named `{name}`"))
            .did_you_mean(name, Code::ALL.iter().map(|code| code.as_str()));
        Err(match unknown.help {
            Some(_) => unknown,
            None => unknown.help("`refx explain` lists all codes"),
        })
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let name = String::deserialize(from)?;
        let found = Code::ALL.iter().find(|code| code.as_str() == name);
        found
            .copied()
            .ok_or_else(|| serde::de::Error::custom(format!("no code named `{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_with_an_example() {
        for code in Code::ALL {
            let text = code.explain();
            let lines = text.lines().count();
            assert!(
                text.matches("```").count() >= 2 && (4..=20).contains(&lines),
                "`{code}` is explained in {lines} lines: {text}"
            );
            let summary = code.summary();
            assert!(
                summary.ends_with(['.', ':']) && summary.len() < 200,
                "{summary}"
            );
        }
    }

    #[test]
    fn a_code_is_found_as_it_is_printed() {
        assert_eq!(Code::find("error[unknown-ref]:"), Ok(Code::UnknownRef));
        assert_eq!(Code::find("Unknown-Ref"), Ok(Code::UnknownRef));
        let unknown = Code::find("unknown-rf").unwrap_err();
        assert_eq!(unknown.help.as_deref(), Some("did you mean `unknown-ref`?"));
        let far = Code::find("x").unwrap_err();
        assert_eq!(far.help.as_deref(), Some("`refx explain` lists all codes"));
    }

    #[test]
    fn a_diagnostic_is_the_same_after_json() {
        let span = super::super::Span::new("models/daily.sql", 17..22);
        let told = Diagnostic::warning(Code::UnknownRef, "no model named `ordrs`")
            .at(span.clone())
            .label("here")
            .related(span, "and here")
            .note("a note")
            .help("the way out");
        let json = serde_json::to_string(&told).unwrap();
        assert!(
            json.contains(r#""code":"unknown-ref","severity":"warning""#),
            "{json}"
        );
        assert_eq!(serde_json::from_str::<Diagnostic>(&json).unwrap(), told);
        let unknown = json.replace("unknown-ref", "unknown-rf");
        let error = serde_json::from_str::<Diagnostic>(&unknown).unwrap_err();
        assert!(error.to_string().contains("no code named `unknown-rf`"));
    }
}
