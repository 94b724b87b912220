//! The demonstration at the repository's root, compiled without an engine.

use std::path::Path;
use std::sync::Arc;

use crate::compile::{self, Basis};
use crate::load::{self, Request};
use crate::plan::Options;
use crate::project;

/// The macros of the demonstration and of refx's own tests do much with texts; the marks must not
/// change what they do.
#[test]
fn the_demonstration_is_led_back_into_its_macros() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
    let request = Request {
        target: None,
        profile: None,
        profiles: None,
        vars: Default::default(),
        as_of: load::instant("2024-09-01"),
        started_at: load::instant("2024-09-01").expect("a date"),
        invocation_id: "test".into(),
        command: "check",
        full_refresh: false,
        allow_older: false,
        threads: None,
    };
    let (files, _) = project::read(root);
    let loaded = load::load(root, files, &request).expect("the demonstration loads");
    let basis = Basis {
        manifest: loaded.manifest.clone(),
        macros: loaded.macros.clone(),
        invocation: loaded.invocation.clone(),
        facts: Arc::default(),
        options: Options {
            full_refresh: false,
            allow_older: false,
        },
        selected: Arc::default(),
    };
    let nodes = loaded.manifest.nodes.values();
    let compiled = nodes.filter_map(|node| {
        let compiled = compile::render(&basis, node, None).ok()?;
        Some((node.name(), compiled))
    });
    let (mut all, mut lost) = (0, Vec::new());
    for (name, compiled) in compiled {
        all += 1;
        if !compiled.is_traced() {
            lost.push(name.to_owned());
        }
    }
    assert!(all > 400, "{all} texts were compiled");
    assert!(lost.is_empty(), "{} of {all}: {lost:?}", lost.len());
}
