//! Panics: of refx, which are its defects, and of libraries, which trust what they read.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::PanicHookInfo;
use std::sync::{Mutex, PoisonError};

use refx_core::diagnostic::{Code, Diagnostic};

/// Panics that are remembered; nobody asks for more than the last ones.
const REMEMBERED: usize = 32;

/// The messages of panics and where they happened.
static SEEN: Mutex<VecDeque<(String, String)>> = Mutex::new(VecDeque::new());

/// Remembers where panics happen from now on. What the standard hook prints of them would only tear the
/// display; `RUST_BACKTRACE` brings it back.
pub fn watch() {
    let print = std::env::var_os("RUST_BACKTRACE").is_some();
    let standard = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        remember(panic);
        if print {
            standard(panic);
        }
    }));
}

fn remember(panic: &PanicHookInfo<'_>) {
    let Some(place) = panic.location() else {
        return;
    };
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    if seen.len() == REMEMBERED {
        seen.pop_front();
    }
    let place = format!("{}:{}", place.file(), place.line());
    seen.push_back((message(panic.payload()), place));
}

/// A panic as the failure of what it happened in.
pub(super) fn told(what: &str, panic: &(dyn Any + Send)) -> Diagnostic {
    let message = message(panic);
    let seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    let place = seen.iter().rev().find(|(known, _)| *known == message);
    let place = place.map(|(_, place)| place.as_str());
    // One line tells it; some messages have a backtrace in them.
    let message = message.lines().next().unwrap_or_default();
    match place.and_then(library) {
        Some(library) => Diagnostic::error(
            Code::QueryFailed,
            format!("{what} failed inside of a library: {message}"),
        )
        .note(format!("the library gave up at {library}"))
        .help("the table is as it was; please report this with the model's text and its data"),
        None => Diagnostic::error(
            Code::QueryFailed,
            format!("{what} met a defect of refx: {message}"),
        )
        .help("the table is as it was; please report this with the model's text"),
    }
}

/// The library and the place in it; none for refx's own code.
fn library(place: &str) -> Option<&str> {
    if let Some((_, rest)) = place.split_once("/registry/src/") {
        // The folder of the registry's index comes first.
        return rest.split_once('/').map(|(_, place)| place);
    }
    place.split_once("/library/").map(|(_, place)| place)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_is_named_by_its_own_path() {
        let place = "/home/me/.cargo/registry/src/index.crates.io-1949/arrow-55.0.0/src/a.rs:7";
        assert_eq!(library(place), Some("arrow-55.0.0/src/a.rs:7"));
        assert_eq!(
            library("/rustc/598/library/core/src/option.rs:9"),
            Some("core/src/option.rs:9")
        );
        assert_eq!(library("src/run/mod.rs:1"), None);
    }
}
