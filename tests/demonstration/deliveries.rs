//! Builds day after day over what collectors deliver: feeds that come late, contents that the
//! catalogue learns of later or changes its mind about, events that come again, words that nobody
//! has heard before. After each day all tests pass, `user_360` is published, and the tables are what
//! one full build makes of the same files.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use chrono::{Days, NaiveDate};
use clap::Parser;

use super::generate::{Args, generate};
use crate::readers::{remove, work_folder};

/// What is delivered on one day after the other: what is odd about it, and the arguments of the
/// generator for each batch.
const DAYS: [(&str, &[&str]); 4] = [
    (
        "page views and searches are late, and contents change their category",
        &["--day 1 --without page_views --without searches --with recategorized-content"],
    ),
    // The page views of the second day are there before those of the first.
    (
        "searches come, plays are late, events are delivered again, contents are not in the catalogue",
        &[
            "--day 1 --only searches",
            "--day 2 --without video_events --with redelivered-events --with uncatalogued-content",
        ],
    ),
    (
        "plays and page views come out of turn, the catalogue has what it lacked and changes types, \
         users, logins and newsletters are late",
        &[
            "--day 1 --only page_views",
            "--day 2 --only video_events --with redelivered-events --with uncatalogued-content",
            "--day 3 --without users --without logins --without newsletter_events \
             --with uncatalogued-content --with changed-content-type",
        ],
    ),
    (
        "all that was late is there, and nobody has heard some of its words",
        &[
            "--day 3 --only users --only logins --only newsletter_events",
            "--day 4 --with new-words",
        ],
    ),
];

#[test]
fn no_delivery_harms_a_table() {
    let demonstration = Demonstration::new("deliveries");
    demonstration.deliver("");
    demonstration.refx(0, &["seed"]);
    demonstration.refx(0, &["run"]);
    for (day, (what, batches)) in (1..).zip(DAYS) {
        for batch in batches {
            demonstration.deliver(batch);
        }
        let told = demonstration.refx(day, &["build"]);
        let published = told
            .lines()
            .any(|line| line.starts_with("ok") && line.contains(" user_360 "));
        assert!(published, "{what}: `user_360` was not published\n{told}");
        let told = demonstration.refx(day, &["run", "--full-refresh"]);
        let same = told.contains("tables unchanged") && !told.contains("written");
        assert!(same, "{what}: one full build gives other tables\n{told}");
    }
    // What was late is there in full: each page view of a known user that the files have.
    let counted = "select sum(page_views) as n from {{ ref('user_daily_activity') }}";
    let delivered =
        "select count(*) as n from {{ ref('stg_page_views') }} where {{ is_known_user() }}";
    assert_eq!(demonstration.count(counted), demonstration.count(delivered));
}

/// The raw files and the tables of one sequence of days.
struct Demonstration {
    work: PathBuf,
    day: NaiveDate,
}

impl Demonstration {
    fn new(name: &str) -> Self {
        let work = work_folder(name);
        let _ = fs::remove_dir_all(&work);
        Demonstration {
            work,
            day: NaiveDate::from_ymd_opt(2024, 9, 1).expect("the calendar has the day"),
        }
    }

    fn deliver(&self, batch: &str) {
        let raw = self.work.join("raw");
        let fixed = ["generate", "--users", "100", "--days", "20", "--out"];
        let args = fixed
            .into_iter()
            .map(Into::into)
            .chain([raw.into_os_string()])
            .chain(batch.split_whitespace().map(Into::into));
        let args = Args::try_parse_from(args).unwrap_or_else(|error| panic!("{batch}: {error}"));
        generate(&args).unwrap_or_else(|error| panic!("{batch}: {error}"));
    }

    /// Runs a command as of that many days after the history, and gives what it prints.
    fn refx(&self, day: u64, arguments: &[&str]) -> String {
        let as_of = self.day + Days::new(day);
        let output = Command::new(env!("CARGO_BIN_EXE_refx"))
            .args(arguments)
            .arg("--target-path")
            .arg(self.work.join("artifacts"))
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .env("NO_COLOR", "1")
            .env("COLUMNS", "120")
            .env("REFX_RAW", self.work.join("raw"))
            .env("REFX_WAREHOUSE", self.work.join("warehouse"))
            .env("REFX_AS_OF", as_of.to_string())
            .output()
            .unwrap_or_else(|error| panic!("refx: {error}"));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "as of {as_of}:\n{text}\n{errors}");
        text
    }

    /// The one number that a query gives.
    fn count(&self, query: &str) -> i64 {
        let told = self.refx(
            DAYS.len() as u64,
            &["show", "--output", "csv", "--inline", query],
        );
        let number = told.lines().nth(1).and_then(|line| line.parse().ok());
        number.unwrap_or_else(|| panic!("`{query}` gives no number: {told}"))
    }
}

impl Drop for Demonstration {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            remove(&self.work);
        }
    }
}
