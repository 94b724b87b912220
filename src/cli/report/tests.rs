//! A small run, as it is printed.

use std::sync::{Arc, Mutex};

use chrono::DateTime;

use super::*;
use refx_core::diagnostic::{Code, Span};
use refx_engine::run::{RowCounts, RunSummary, SkipReason};

#[derive(Clone, Default)]
struct Buffer(Arc<Mutex<Vec<u8>>>);

impl Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Buffer {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn id(text: &str) -> NodeId {
    NodeId::new(text)
}

const MODELS: [(&str, &str); 4] = [
    ("consumption", "user_content"),
    ("navigation", "user_activity"),
    ("segmentation", "rfa"),
    ("crm", "user_360"),
];

/// A report whose tables are [`MODELS`], each with tests named `not_null_<model>_…`, and what it
/// writes to both streams.
fn report(options: Options) -> (Report, Buffer) {
    let buffer = Buffer::default();
    let mut report = Report::new(Box::new(buffer.clone()), Box::new(buffer.clone()), options);
    for (theme, table) in MODELS {
        let model = id(&format!("model.user_reference.{table}"));
        for column in ["user_id", "segment"] {
            let test = id(&format!("test.user_reference.not_null_{table}_{column}"));
            report.tables.tested.insert(test, model.clone());
        }
        let (theme, table) = (theme.to_string(), table.to_string());
        report.tables.places.insert(model, Place { theme, table });
    }
    report.tables.theme_width = 12;
    report.tables.table_width = 13;
    report.set_texts(Arc::new(|file| {
        (file == "models/segmentation/rfa.sql")
            .then(|| "select user_id,\n  visited_at\nfrom x\n".into())
    }));
    report.set_redact(Arc::new(|text| text.replace("hunter2", "*****")));
    (report, buffer)
}

fn step(index: usize, theme: &str, name: &str, outcome: Outcome) -> Event {
    let (kind, action) = match name.starts_with("not_null") {
        true => (ResourceType::Test, "test"),
        false => (ResourceType::Model, "merge"),
    };
    let ran = !matches!(outcome, Outcome::Skipped(_));
    Event::StepFinished(Arc::new(StepResult {
        info: StepInfo {
            node: id(&format!("{}.user_reference.{name}", kind.as_str())),
            name: name.into(),
            resource_type: kind,
            theme: theme.into(),
            action,
            index,
            total: 7,
        },
        outcome,
        started_at: ran.then_some(DateTime::UNIX_EPOCH),
        elapsed: Duration::from_millis(420),
        warnings: Vec::new(),
        compiled: None,
    }))
}

fn play(report: &Report) {
    let rows = |inserted, updated, unchanged| RowCounts {
        inserted,
        updated,
        deleted: 0,
        unchanged,
    };
    let broken = Diagnostic::error(Code::UnknownColumn, "no column `visited_at` in `x`")
        .at(Span::new("models/segmentation/rfa.sql", 18..28))
        .help("did you mean `visited_on`?");
    let nulls = Diagnostic::error(
        Code::TestFailed,
        "3 rows of `user_activity` have no `segment`",
    )
    .note("the password is hunter2");
    for event in [
        Event::RunStarted(RunInfo {
            invocation_id: "4f1c".into(),
            command: "build",
            project: "user_reference".into(),
            target: "local".into(),
            root: "warehouse".into(),
            as_of: DateTime::UNIX_EPOCH,
            by_clock: false,
            started_at: DateTime::UNIX_EPOCH,
            steps: 7,
            threads: 4,
        }),
        step(
            1,
            "consumption",
            "user_content",
            Outcome::Committed {
                version: 3,
                rows: rows(12_345, 2, 7),
            },
        ),
        step(
            2,
            "navigation",
            "user_activity",
            Outcome::Unchanged {
                version: Some(7),
                rows: rows(0, 0, 1999),
            },
        ),
        step(
            3,
            "consumption",
            "not_null_user_content_user_id",
            Outcome::Passed,
        ),
        step(
            4,
            "navigation",
            "not_null_user_activity_user_id",
            Outcome::Passed,
        ),
        step(
            5,
            "navigation",
            "not_null_user_activity_segment",
            Outcome::TestFailed {
                failures: 3,
                diagnostic: nulls,
            },
        ),
        Event::Message {
            text: "half way".into(),
            node: Some(id("model.user_reference.rfa")),
        },
        step(6, "segmentation", "rfa", Outcome::Failed(broken)),
        step(
            7,
            "crm",
            "user_360",
            Outcome::Skipped(SkipReason::Upstream(id("model.user_reference.rfa"))),
        ),
        Event::RunFinished(RunSummary {
            failed: 2,
            elapsed: Duration::from_millis(4_230),
            ..RunSummary::default()
        }),
    ] {
        report.event(&event);
    }
}

const EXCERPTS: &str = "\
error[test-failed]: 3 rows of `user_activity` have no `segment`
 |
 = note: the password is *****

error[unknown-column]: no column `visited_at` in `x`
 --> models/segmentation/rfa.sql:2:3
  |
2 |   visited_at
  |   ^^^^^^^^^^
  |
  = help: did you mean `visited_on`?

failed in 4.2 s: 1 model failed, 1 test failed, 1 model skipped, 1 table written, 1 unchanged, 2 tests passed
next: correct what is shown above, then `refx build --select user_activity+ rfa+`
";

#[test]
fn a_run_reads_as_lines_a_table_and_excerpts() {
    let (report, buffer) = report(Options::default());
    play(&report);
    let expected = "\
build `user_reference` on target `local` (warehouse), as of 1970-01-01 00:00 UTC
7 steps, 4 at a time

ok      0.4 s  consumption   user_content   merge    v3  12,345 inserted, 2 updated
same    0.4 s  navigation    user_activity  merge    v7  1,999 rows, none changed
FAIL    0.4 s  navigation    user_activity  test     3 failures: not_null_user_activity_segment
log   rfa: half way
FAIL    0.4 s  segmentation  rfa            merge    no column `visited_at` in `x`
skip           crm           user_360       merge    not run, because `rfa` failed

      theme         table          action  version  inserted  updated  deleted  unchanged   time  tests
ok    consumption   user_content   merge        v3    12,345        2        0          7  0.4 s  1 passed
FAIL  navigation    user_activity  merge        v7         0        0        0      1,999  0.4 s  1 FAILED, 1 passed
FAIL  segmentation  rfa            merge                                                   0.4 s
skip  crm           user_360       merge

";
    assert_eq!(buffer.text(), format!("{expected}{EXCERPTS}"));
}

#[test]
fn a_quiet_run_tells_only_what_failed() {
    let (report, buffer) = report(Options {
        quiet: true,
        ..Options::default()
    });
    play(&report);
    let expected = "\
FAIL    0.4 s  navigation    user_activity  test     3 failures: not_null_user_activity_segment
FAIL    0.4 s  segmentation  rfa            merge    no column `visited_at` in `x`

";
    assert_eq!(buffer.text(), format!("{expected}{EXCERPTS}"));
}

#[test]
fn a_narrow_terminal_loses_columns_and_no_line_is_longer() {
    let (report, buffer) = report(Options {
        width: Some(72),
        ..Options::default()
    });
    play(&report);
    let text = buffer.text();
    let (lines, _) = text.split_once("error[test-failed]").unwrap();
    for line in lines.lines() {
        assert!(wording::width(line) <= 72, "{line}");
    }
    assert!(
        lines.contains("table          inserted  updated  deleted"),
        "{lines}"
    );
}

#[test]
fn colour_is_used_only_where_allowed() {
    let (report, buffer) = report(Options {
        colour: true,
        ..Options::default()
    });
    play(&report);
    assert!(buffer.text().contains("\u{1b}[32mok\u{1b}[0m"));
    let none = |_: &str| None;
    let no_color = |name: &str| (name == "NO_COLOR").then(|| "1".to_string());
    let forced = |name: &str| (name == "CLICOLOR_FORCE").then(|| "1".to_string());
    let off = |name: &str| (name == "CLICOLOR").then(|| "0".to_string());
    assert!(coloured(ColorWhen::Auto, true, &none));
    assert!(!coloured(ColorWhen::Auto, false, &none));
    assert!(!coloured(ColorWhen::Auto, true, &no_color));
    assert!(coloured(ColorWhen::Always, true, &no_color));
    assert!(coloured(ColorWhen::Auto, false, &forced));
    assert!(!coloured(ColorWhen::Auto, true, &off));
}

#[test]
fn json_has_a_line_for_each_event() {
    let (report, buffer) = report(Options {
        json: true,
        ..Options::default()
    });
    play(&report);
    let lines: Vec<serde_json::Value> = buffer
        .text()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let events: Vec<&str> = lines
        .iter()
        .filter_map(|line| line["event"].as_str())
        .collect();
    assert_eq!(events.len(), 10);
    assert_eq!((events[0], events[9]), ("run_started", "run_finished"));
    assert!(lines.iter().all(|line| line["invocation_id"] == "4f1c"));
    assert_eq!(lines[1]["rows"]["inserted"], 12_345);
    assert_eq!(lines[1]["version"], 3);
    let failed = &lines[7];
    assert_eq!(failed["status"], "error");
    assert_eq!(failed["code"], "unknown-column");
    assert_eq!(failed["file"], "models/segmentation/rfa.sql");
    assert_eq!(
        (failed["line"].as_u64(), failed["column"].as_u64()),
        (Some(2), Some(3))
    );
    assert_eq!(failed["help"], "did you mean `visited_on`?");
    assert!(!buffer.text().contains("hunter2"));
}

#[test]
fn mistakes_are_told_in_one_go_and_counted() {
    let (report, buffer) = report(Options::default());
    let at = |file: &str| Span::file(file);
    report.diagnostics(&[
        Diagnostic::error(Code::UnknownRef, "no model named `a`").at(at("models/b.sql")),
        Diagnostic::warning(Code::UnusedVar, "nothing reads `days`"),
        Diagnostic::error(Code::EmptyModel, "no SELECT").at(at("models/a.sql")),
    ]);
    assert_eq!(
        buffer.text(),
        "warning[unused-var]: nothing reads `days`\n\n\
         error[empty-model]: no SELECT\n--> models/a.sql\n\n\
         error[unknown-ref]: no model named `a`\n--> models/b.sql\n\n\
         2 errors, 1 warning in 2 files\n"
    );
}

#[test]
fn a_reader_that_went_away_is_no_reason_to_stop() {
    struct Gone;
    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    play(&Report::new(
        Box::new(Gone),
        Box::new(Gone),
        Options::default(),
    ));
}
