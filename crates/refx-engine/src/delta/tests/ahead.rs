//! A table does not go back, and rows that add up are not added twice.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;

const ONE: &str = "select 1 as id, 'a' as v";

impl Place {
    async fn append(&self, origin: Origin) -> Result<Commit, Error> {
        let write = Write {
            origin: Some(origin),
            ..Write::new(self.location(), Action::Append { key: None })
        };
        self.write_as(ONE, write).await
    }

    async fn replace(&self, origin: Origin) -> Result<Commit, Error> {
        let versions: u64 = origin.inputs.values().map(|input| input.version).sum();
        let number = format!("{}{versions}", origin.as_of.timestamp());
        let write = Write {
            origin: Some(origin),
            ..Write::new(self.location(), Action::Overwrite { key: None })
        };
        // Other rows for each instant and input: what changes nothing makes no commit.
        self.write_as(&pairs(&format!("({number}, 'b')")), write)
            .await
    }

    /// Appends a row without a word of refx.
    async fn by_another_tool(&self) {
        let done = self.write(ONE, Action::Append { key: None }).await;
        done.unwrap();
    }

    async fn restore_to(&self, version: i64) {
        let options = maintain::Restore {
            to: maintain::To::Version(version),
            key: None,
            dry_run: false,
            run_id: "run".into(),
        };
        let session = self.session().await;
        let done = maintain::restore(&session, &self.location(), &options).await;
        done.unwrap();
    }

    /// Writes a checkpoint, and removes the log before it as if it had expired.
    async fn expire_log(&self) {
        maintain::checkpoint(&self.location(), false).await.unwrap();
        let last = self.facts().await.version;
        for version in 0..last {
            let entry = format!("t/_delta_log/{version:020}.json");
            let _ = std::fs::remove_file(self.root.join(entry));
        }
    }

    async fn count(&self) -> usize {
        self.all().await.len()
    }
}

fn by_clock(as_of: &str) -> Origin {
    Origin {
        by_clock: true,
        ..origin(as_of, true)
    }
}

fn reading(place: &Place, version: u64, origin: Origin) -> Origin {
    let location = place.location();
    let input = Input { version, location };
    Origin {
        inputs: [("source.shop.raw.events".to_owned(), input)].into(),
        ..origin
    }
}

fn is_repeated(done: &Commit, version: i64) -> bool {
    (done.version, done.repeats) == (None, Some(version))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_earlier_instant_is_refused() {
    let place = Place::new();
    place.replace(origin("2024-09-01", false)).await.unwrap();
    let error = place
        .replace(origin("2024-07-15", false))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the table is as of 2024-09-01 00:00:00 UTC since version 0, and the run is as of \
         2024-07-15 00:00:00 UTC"
    );
    assert_eq!(place.facts().await.version, 0);
    // The commit of another tool does not hide it, and neither does a log that has expired.
    place.by_another_tool().await;
    let error = place.replace(origin("2024-07-15", false)).await;
    assert!(matches!(error, Err(Error::Ahead(_))), "{error:?}");
    place.by_another_tool().await;
    place.expire_log().await;
    let error = place.replace(origin("2024-07-15", false)).await;
    assert!(matches!(error, Err(Error::Ahead(_))), "{error:?}");
    let allowed = Origin {
        allow_older: true,
        ..origin("2024-07-15", false)
    };
    assert_eq!(place.replace(allowed).await.unwrap().version, Some(3));
    // From there on it counts from the earlier instant.
    place.by_another_tool().await;
    place.replace(origin("2024-07-16", false)).await.unwrap();
}

/// Says yes, and lets another writer be first the first time.
struct Raced<'a> {
    place: &'a Place,
    other: Mutex<Option<Origin>>,
}

#[async_trait]
impl Audit for Raced<'_> {
    async fn passes(&self, _: &Candidate<'_>) -> bool {
        let other = self.other.lock().unwrap().take();
        if let Some(other) = other {
            self.place.replace(other).await.unwrap();
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slower_older_run_does_not_overwrite_a_newer_one() {
    let place = Place::new();
    // The input, which has moved on to version 2.
    for _ in 0..3 {
        place.by_another_tool().await;
    }
    let table = Place::new();
    let read = |version, as_of| reading(&place, version, origin(as_of, false));
    let write = |origin| Write {
        origin: Some(origin),
        ..Write::new(table.location(), Action::Overwrite { key: None })
    };
    table.replace(read(0, "2024-09-01")).await.unwrap();
    let raced = |other| Raced {
        place: &table,
        other: Mutex::new(Some(other)),
    };
    let late = write(read(1, "2024-09-01"));
    let late = table
        .audited(ONE, &late, &raced(read(2, "2024-09-01")))
        .await;
    let Err(Error::Ahead(Ahead::Input {
        table: 2, run: 1, ..
    })) = late
    else {
        panic!("{late:?}");
    };
    let late = write(read(2, "2024-09-02"));
    let late = table
        .audited(ONE, &late, &raced(read(2, "2024-09-03")))
        .await;
    assert!(
        matches!(late, Err(Error::Ahead(Ahead::Instant { .. }))),
        "{late:?}"
    );
    // The input was made anew, and counts from 0 again.
    std::fs::remove_dir_all(place.root.join("t")).unwrap();
    place.by_another_tool().await;
    table.replace(read(0, "2024-09-03")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_runs_by_the_clock_the_later_may_end_first() {
    let place = Place::new();
    place.append(by_clock("2024-09-02")).await.unwrap();
    let other = |origin| Origin {
        variables: "other".into(),
        ..origin
    };
    let earlier = other(by_clock("2024-09-01"));
    place.append(earlier.clone()).await.unwrap();
    assert_eq!(place.count().await, 2);
    let third = Origin {
        variables: "third".into(),
        ..by_clock("2024-09-03")
    };
    place.append(third).await.unwrap();
    // Not where the instant is in the rows, or the files were others.
    let reads = Origin {
        reads_instant: true,
        variables: "more".into(),
        ..earlier.clone()
    };
    let error = place.append(reads).await;
    assert!(
        matches!(error, Err(Error::Ahead(Ahead::Instant { .. }))),
        "{error:?}"
    );
    let files = |digest: &str, origin| Origin {
        files: [("source.shop.raw.files".to_owned(), digest.to_owned())].into(),
        ..origin
    };
    place
        .append(files("new", by_clock("2024-09-04")))
        .await
        .unwrap();
    let error = place.append(files("old", by_clock("2024-09-03"))).await;
    assert!(
        matches!(error, Err(Error::Ahead(Ahead::Files { .. }))),
        "{error:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_by_the_clock_that_is_started_again_adds_nothing() {
    let place = Place::new();
    let read = |version, as_of| reading(&place, version, by_clock(as_of));
    place.append(read(4, "2024-09-01")).await.unwrap();
    let again = place.append(read(4, "2024-09-02")).await.unwrap();
    assert!(is_repeated(&again, 0), "{again:?}");
    // Also after others have written, be it other slices of the same inputs.
    place.by_another_tool().await;
    let slice = |origin| Origin {
        variables: "country = FR".into(),
        ..origin
    };
    place.append(slice(read(4, "2024-09-01"))).await.unwrap();
    let again = place.append(read(4, "2024-09-02")).await.unwrap();
    assert!(is_repeated(&again, 0), "{again:?}");
    let again = place.append(slice(read(4, "2024-09-02"))).await.unwrap();
    assert!(is_repeated(&again, 2), "{again:?}");
    // Under the instant of the run it is the same run, whatever has come into the inputs.
    let resumed = Origin {
        by_clock: false,
        ..read(5, "2024-09-01")
    };
    let again = place.append(resumed).await.unwrap();
    assert!(is_repeated(&again, 0), "{again:?}");
    // Also where it was started again without its instant before, and is then resumed under it.
    let fresh = Place::new();
    fresh.append(read(4, "2024-09-02")).await.unwrap();
    let resumed = Origin {
        by_clock: false,
        ..read(4, "2024-09-01")
    };
    let again = fresh.append(resumed.clone()).await.unwrap();
    assert!(is_repeated(&again, 0), "{again:?}");
    fresh
        .replace(Origin {
            adds_up: false,
            ..resumed
        })
        .await
        .unwrap();
    // New inputs are new work.
    let later = place.append(read(5, "2024-09-03")).await.unwrap();
    assert_eq!(later.version, Some(3));
    // So is an interval that has a name.
    let named = Origin {
        by_clock: false,
        ..read(5, "2024-09-04")
    };
    assert_eq!(place.append(named).await.unwrap().version, Some(4));
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_that_rest_on_the_clock_alone_are_not_guessed_at() {
    let place = Place::new();
    let clock = |as_of, query: &str| Origin {
        reads_instant: true,
        query: Some(query.to_owned()),
        ..by_clock(as_of)
    };
    place.append(clock("2024-09-01", "day 1")).await.unwrap();
    // The query comes to the same: it takes no more of the instant than its day.
    let again = place.append(clock("2024-09-02", "day 1")).await.unwrap();
    assert!(is_repeated(&again, 0), "{again:?}");
    let unclear = place.append(clock("2024-09-02", "day 2")).await;
    assert!(matches!(unclear, Err(Error::Unclear { .. })), "{unclear:?}");
    let named = |as_of| Origin {
        by_clock: false,
        ..clock(as_of, "day 2")
    };
    let resumed = place.append(named("2024-09-01")).await.unwrap();
    assert!(is_repeated(&resumed, 0), "{resumed:?}");
    assert_eq!(
        place.append(named("2024-09-02")).await.unwrap().version,
        Some(1)
    );
    assert_eq!(place.count().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_that_reads_its_own_table_knows_what_is_there() {
    let place = Place::new();
    let reads = |version, as_of| Origin {
        by_clock: false,
        reads_itself: true,
        ..reading(&place, version, origin(as_of, true))
    };
    place.append(reads(1, "2024-09-01")).await.unwrap();
    let again = place.append(reads(1, "2024-09-01")).await.unwrap();
    assert!(is_repeated(&again, 0), "{again:?}");
    // What came into its inputs since is not there yet.
    let more = place.append(reads(2, "2024-09-01")).await.unwrap();
    assert_eq!(more.version, Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_restore_took_back_can_be_applied_again_without_the_log() {
    let place = Place::new();
    place.append(origin("2024-09-01", true)).await.unwrap();
    place.append(origin("2024-09-02", true)).await.unwrap();
    place.restore_to(0).await;
    place.by_another_tool().await;
    place.expire_log().await;
    let again = place.append(origin("2024-09-02", true)).await.unwrap();
    assert_eq!((again.version, again.repeats), (Some(4), None));
    let again = place.append(origin("2024-09-02", true)).await.unwrap();
    assert!(is_repeated(&again, 4), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_to_rows_of_another_tool_leaves_no_mark() {
    let place = Place::new();
    place.by_another_tool().await;
    place.append(origin("2024-09-02", true)).await.unwrap();
    place.restore_to(0).await;
    place.by_another_tool().await;
    place.expire_log().await;
    place.append(origin("2024-09-01", true)).await.unwrap();
    assert_eq!(place.count().await, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_one_mark() {
    let place = Place::new();
    for day in 1..=5 {
        let as_of = format!("2024-09-0{day}");
        place.append(origin(&as_of, true)).await.unwrap();
    }
    for version in 0..5 {
        let log = place.log(version).await;
        let marks: Vec<&Value> = log.iter().filter_map(|line| line.get("txn")).collect();
        let [mark] = marks.as_slice() else {
            panic!("{marks:?}");
        };
        assert_eq!(mark["appId"], "refx/model.shop.visits");
    }
    maintain::checkpoint(&place.location(), false)
        .await
        .unwrap();
    let table = place
        .root
        .join("t/_delta_log/00000000000000000004.checkpoint.parquet");
    let session = place.engine.session();
    let source = crate::engine::SourceTable::at(table.display().to_string());
    session
        .register_source(&Name::bare("c"), &source)
        .await
        .unwrap();
    let marks = session.rows_as_json("select count(*) from c where txn is not null", 1);
    assert_eq!(marks.await.unwrap().rows, [[json!(1)]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_an_older_code_are_remembered_until_all_are_of_one() {
    let place = Place::new();
    let code = |fingerprint: &str, as_of| Origin {
        fingerprint: fingerprint.into(),
        keeps_rows: true,
        ..origin(as_of, false)
    };
    let mut older = Vec::new();
    for (fingerprint, as_of) in [
        ("a", "2024-09-01"),
        ("b", "2024-09-02"),
        ("a", "2024-09-03"),
    ] {
        place.append(code(fingerprint, as_of)).await.unwrap();
        older.push(place.facts().await.record.unwrap().older_code);
    }
    assert_eq!(older, [None, Some(0), Some(0)]);
    place.replace(origin("2024-09-04", false)).await.unwrap();
    assert_eq!(place.facts().await.record.unwrap().older_code, None);
}
