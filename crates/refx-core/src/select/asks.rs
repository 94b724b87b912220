//! What a selection needs to know before it can be picked: lineage, or an earlier run.
//!
//! The question is put to the selection as a whole: its own words, the selector of `selectors.yml`
//! that it names or that is the default, and all selectors that these use.

use super::method::{Method, StateCheck};
use super::parse::Selector;
use super::{Criteria, Selectors};

/// Whether a selection asks for the lineage of columns, which takes planning every query.
pub fn asks_for_columns(criteria: &Criteria, selectors: &Selectors) -> bool {
    asks(criteria, selectors, |method| {
        matches!(method, Method::Column(_))
    })
}

/// Whether a selection asks what was modified since another time.
pub fn asks_what_changed(criteria: &Criteria, selectors: &Selectors) -> bool {
    asks(criteria, selectors, |method| match method {
        Method::State(check) => !matches!(check, StateCheck::New | StateCheck::Old),
        _ => false,
    })
}

/// Whether a selection compares with an earlier run, so that nothing is an answer as good as any.
pub fn asks_for_state(criteria: &Criteria, selectors: &Selectors) -> bool {
    asks(criteria, selectors, |method| {
        matches!(method, Method::State(_) | Method::Result(_))
    })
}

fn asks(criteria: &Criteria, selectors: &Selectors, is: fn(&Method) -> bool) -> bool {
    let texts = criteria.select.iter().chain(&criteria.exclude);
    // A text that does not parse is rejected when the selection is picked.
    let written: Vec<Selector> = texts.filter_map(|text| super::parse(text).ok()).collect();
    let named = match &criteria.selector {
        Some(name) => selectors.get(name),
        None => criteria.default_of(selectors),
    };
    let mut open: Vec<&Selector> = written.iter().collect();
    open.extend(named.map(|named| &named.definition));
    // No selector leads back to itself, so that the walk ends.
    while let Some(selector) = open.pop() {
        match selector {
            Selector::Atom(atom) if is(&atom.method) => return true,
            Selector::Atom(atom) => {
                if let Method::Selector(name) = &atom.method {
                    let meant = selectors.names().filter(|known| name.matches(known));
                    let meant = meant.filter_map(|known| selectors.get(known));
                    open.extend(meant.map(|named| &named.definition));
                }
            }
            Selector::Union(parts) | Selector::Intersection(parts) => open.extend(parts),
            Selector::Difference(from, without) => open.extend([&**from, &**without]),
        }
    }
    false
}
