//! No text makes it panic, and what parses picks nodes of the manifest.

use super::super::named;
use super::*;
use crate::project::yaml;

/// xorshift: the same texts at each run, without another crate.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn text(&mut self, pieces: &[&str]) -> String {
        let length = self.below(9);
        (0..length)
            .map(|_| pieces[self.below(pieces.len())])
            .collect()
    }
}

const PIECES: [&str; 38] = [
    "+",
    "@",
    "1",
    "2",
    "+3",
    ",",
    " ",
    ":",
    ".",
    "*",
    "?",
    "[",
    "]",
    "!",
    "-",
    "/",
    "\\",
    "**",
    "é",
    "\u{0}",
    "🦀",
    "tag",
    "tag:",
    "fqn:",
    "source:",
    "config.",
    "path:",
    "state:",
    "version:",
    "selector:",
    "seg",
    "segmentation",
    "score",
    "v2",
    "user_360",
    "crm",
    "models",
    "٣",
];

#[test]
fn random_selectors() {
    let (selectors, _) = {
        let yaml = "selectors: [{name: seg, definition: crm+}]";
        named(&yaml::parse("selectors.yml", yaml).expect("it is well-formed"))
    };
    let manifest = manifest();
    let graph = graph::build(&manifest).expect("the nodes of the tests have no circle");
    let scope = Scope {
        manifest: &manifest,
        graph: &graph,
        selectors: &selectors,
        state: State::default(),
        columns: None,
        runs: &ResourceType::ALL,
    };
    let mut random = Random(0x2545_F491_4F6C_DD1D);
    let mut found = 0;
    for _ in 0..2_000 {
        let (select, exclude) = (random.text(&PIECES), random.text(&PIECES));
        if let Ok(picked) = pick(&ask(&[&select], &[&exclude]), &scope) {
            assert!(picked.nodes.iter().all(|id| manifest.get(id).is_some()));
            found += usize::from(!picked.nodes.is_empty());
        }
    }
    // The pieces must not be so wild that only errors are tried.
    assert!(found > 50, "{found} of the texts picked something");
}

#[test]
fn random_definitions() {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        ", ",
        ": ",
        "union",
        "intersection",
        "exclude",
        "method",
        "value",
        "tag",
        "selector",
        "name",
        "definition",
        "a",
        "\n",
        "- ",
        "  ",
        "true",
        "'",
        "3",
    ];
    let mut random = Random(0x9E37_79B9_7F4A_7C15);
    for _ in 0..3_000 {
        let text = format!(
            "selectors:\n- name: a\n  definition: {}",
            random.text(&pieces)
        );
        if let Ok(root) = yaml::parse("selectors.yml", &text) {
            named(&root);
        }
    }
}
