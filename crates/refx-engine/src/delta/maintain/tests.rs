use std::collections::BTreeMap;
use std::fs::{File, FileTimes};
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use std::num::NonZeroU64;

use super::super::{Action, Commit, Merge, NoAudit, PrimaryKey, Write, provider};
use super::*;
use crate::engine::{Engine, Name, Session, Settings};

const DAY: Duration = Duration::from_secs(86400);

/// A session and a place for one table, gone with the value.
struct Place {
    engine: Engine,
    root: PathBuf,
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

impl Place {
    fn new() -> Place {
        Place {
            engine: Engine::new(&Settings::default()).unwrap(),
            root: std::env::temp_dir().join(format!("refx-maintain-{}", uuid::Uuid::new_v4())),
        }
    }

    fn path(&self) -> PathBuf {
        self.root.join("t")
    }

    fn location(&self) -> Location {
        Location::new(&self.path().display().to_string(), BTreeMap::new()).unwrap()
    }

    async fn session(&self, version: Option<i64>) -> Session {
        let session = self.engine.session();
        if self.path().exists() {
            let table = provider(&session, &self.location(), version).await.unwrap();
            session.register_table(&Name::bare("t"), table).unwrap();
        }
        session
    }

    async fn write_as(&self, sql: &str, write: Write) -> Commit {
        let session = self.session(None).await;
        let plan = session.plan(sql).await.unwrap();
        super::super::write(&session, &plan, &write, &NoAudit)
            .await
            .unwrap()
    }

    /// Merges rows of `id` and `v`, as a run of refx does.
    async fn merge(&self, rows: &str) -> Commit {
        let key = PrimaryKey::new(["id"]).unwrap();
        let mut write = Write::new(self.location(), Action::Merge(Merge::on(key)));
        write.commit_info = info(rows);
        self.write_as(&pairs(rows), write).await
    }

    async fn append(&self, rows: &str) -> Commit {
        let mut write = Write::new(self.location(), Action::Append { key: None });
        write.commit_info = info(rows);
        self.write_as(&pairs(rows), write).await
    }

    async fn rows(&self, version: Option<i64>) -> Value {
        let session = self.session(version).await;
        let answer = session
            .rows_as_json("select * from t order by 1", 1000)
            .await;
        json!(answer.unwrap().rows)
    }

    /// The Parquet files of the folder.
    fn files(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.path()).unwrap();
        let names = files.map(|file| file.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = names.filter(|name| name.ends_with(".parquet")).collect();
        files.sort();
        files
    }

    /// A file of so many days, made where there is none.
    fn aged(&self, name: &str, days: u32) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        let file = File::options()
            .append(true)
            .create(true)
            .open(path)
            .unwrap();
        let at = SystemTime::now() - DAY * days;
        file.set_times(FileTimes::new().set_modified(at)).unwrap();
    }

    /// Makes the table look as if all that happened to it had happened so many days earlier.
    fn age(&self, days: u32) {
        let then = DAY.as_millis() as i64 * i64::from(days);
        let log = self.path().join("_delta_log");
        for file in std::fs::read_dir(log).unwrap() {
            let path = file.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "json")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().map(|line| {
                    let mut action: Value = serde_json::from_str(line).unwrap();
                    for at in [
                        "/commitInfo/timestamp",
                        "/remove/deletionTimestamp",
                        "/add/modificationTime",
                    ] {
                        if let Some(at) = action.pointer_mut(at) {
                            *at = json!(at.as_i64().unwrap() - then);
                        }
                    }
                    action.to_string()
                });
                let text = lines.collect::<Vec<_>>().join("\n");
                std::fs::write(&path, text).unwrap();
            }
        }
        for name in self.files() {
            let path = self.path().join(name);
            let file = File::options().append(true).open(path).unwrap();
            let at = file.metadata().unwrap().modified().unwrap() - DAY * days;
            file.set_times(FileTimes::new().set_modified(at)).unwrap();
        }
    }

    fn vacuum(&self) -> Vacuum {
        Vacuum {
            retention: None,
            force: false,
            dry_run: false,
            run_id: "caretaker".into(),
        }
    }

    async fn optimize(&self, zorder: &[&str], dry_run: bool) -> Result<Optimized, Error> {
        let options = Optimize {
            zorder: zorder.iter().map(|name| name.to_string()).collect(),
            target_size: None,
            dry_run,
            run_id: "caretaker".into(),
        };
        optimize(&self.engine.session(), &self.location(), &options).await
    }

    async fn restore(&self, to: To) -> Result<Restored, Error> {
        let options = Restore {
            to,
            key: PrimaryKey::new(["id"]),
            dry_run: false,
            run_id: "caretaker".into(),
        };
        restore(&self.engine.session(), &self.location(), &options).await
    }

    async fn facts(&self) -> super::super::TableFacts {
        super::super::inspect(&self.location())
            .await
            .unwrap()
            .unwrap()
    }

    /// What refx wrote into the last commit.
    async fn carried(&self) -> BTreeMap<String, Value> {
        let mut info = self.facts().await.commit_info;
        // Which version it was is in the restore's own test.
        info.retain(|name, _| name.starts_with("refx.") && name != "refx.carried_from");
        info
    }
}

fn pairs(rows: &str) -> String {
    format!("select column1 as id, column2 as v from (values {rows})")
}

fn info(rows: &str) -> BTreeMap<String, Value> {
    BTreeMap::from([
        ("refx.run_id".into(), json!("run")),
        ("refx.fingerprint".into(), json!(rows)),
        ("refx.key".into(), json!(["id"])),
    ])
}

/// What a commit carries that leaves the rows of `info` as they are.
fn kept(rows: &str) -> BTreeMap<String, Value> {
    let mut info = info(rows);
    info.insert("refx.run_id".into(), json!("caretaker"));
    info.insert("refx.version".into(), json!(env!("CARGO_PKG_VERSION")));
    info
}

fn refusal(error: Error) -> (String, String) {
    match error {
        Error::Refused { what, help } => (what, help),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_keeps_what_the_retention_reads() {
    let place = Place::new();
    place.merge("(1, 'a')").await;
    place.merge("(1, 'b')").await;
    place.age(6);
    let old = place.files();
    place.merge("(1, 'c')").await;
    place.age(2);
    // Version 0's file was removed 8 days ago, version 1's two days ago.
    let done = vacuum(&place.location(), &place.vacuum()).await.unwrap();
    assert_eq!(done.files.len(), 1, "{done:?}");
    assert!(old.contains(&done.files[0]) && done.bytes > 100);
    assert_eq!(done.retention, DAY * 7);
    assert_eq!(place.files().len(), 2);
    assert_eq!(place.rows(Some(1)).await, json!([[1, "b"]]));
    assert_eq!(place.rows(None).await, json!([[1, "c"]]));
    // Two commits, begin and end, which say what the last merge said.
    assert_eq!(done.version, Some(4));
    assert_eq!(place.carried().await, kept("(1, 'c')"));
    let again = vacuum(&place.location(), &place.vacuum()).await.unwrap();
    assert_eq!((again.files.len(), again.version), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_longer_retention_keeps_what_a_checkpoint_has_forgotten() {
    let place = Place::new();
    place.merge("(1, 'a')").await;
    place.age(20);
    place.merge("(1, 'b')").await;
    place.age(20);
    // The file is 40 days old, and was removed 20 days ago. The checkpoint forgets files that were removed more than 7 days ago.
    checkpoint(&place.location(), false).await.unwrap();
    let options = Vacuum {
        retention: Some(DAY * 30),
        ..place.vacuum()
    };
    let done = vacuum(&place.location(), &options).await.unwrap();
    assert_eq!(done.files, Vec::<String>::new());
    let options = Vacuum {
        retention: Some(DAY * 19),
        ..place.vacuum()
    };
    let done = vacuum(&place.location(), &options).await.unwrap();
    assert_eq!(done.files.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vacuum_takes_what_failed_writes_left_and_nothing_else() {
    let place = Place::new();
    place.merge("(1, 'a')").await;
    let waste = [
        "_change_data/part-3.parquet",
        "_delta_log/00000000000000000007.json#1",
        "country=be/part-1.parquet",
        "part-0.parquet",
        "part-2.parquet#12",
    ];
    let kept = [
        "README.md",
        "_delta_log/00000000000000000007.json.tmp",
        "_dropbox/part-4.parquet",
        ".hidden/part-5.parquet",
        "inner/_delta_log/00000000000000000000.json",
        "inner/part-6.parquet",
        "inner/part-6.parquet#1",
        "deletion_vector_1.bin",
    ];
    for name in waste.iter().chain(&kept) {
        place.aged(name, 8);
    }
    place.aged("part-young.parquet", 6);
    place.aged("part-young.parquet#1", 6);
    let dry = Vacuum {
        dry_run: true,
        ..place.vacuum()
    };
    let found = vacuum(&place.location(), &dry).await.unwrap();
    assert_eq!(
        (found.files.as_slice(), found.version),
        (&waste.map(str::to_owned)[..], None)
    );
    assert!(waste.iter().all(|name| place.path().join(name).exists()));
    let done = vacuum(&place.location(), &place.vacuum()).await.unwrap();
    assert_eq!(done.files, waste);
    assert!(!waste.iter().any(|name| place.path().join(name).exists()));
    for name in kept
        .iter()
        .chain(&["part-young.parquet", "part-young.parquet#1"])
    {
        assert!(place.path().join(name).exists(), "{name}");
    }
    assert_eq!(place.rows(None).await, json!([[1, "a"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn change_data_stays_as_long_as_its_version() {
    let place = Place::new();
    let feed = |rows: &str| {
        let key = PrimaryKey::new(["id"]).unwrap();
        let mut write = Write::new(place.location(), Action::Merge(Merge::on(key)));
        let on = ("delta.enableChangeDataFeed".to_owned(), "true".to_owned());
        write.configuration = BTreeMap::from([on]);
        (pairs(rows), write)
    };
    for rows in ["(1, 'a'), (2, 'b')", "(1, 'A'), (2, 'b')"] {
        let (sql, write) = feed(rows);
        place.write_as(&sql, write).await;
    }
    let folder = place.path().join("_change_data");
    let changes = || std::fs::read_dir(&folder).unwrap().count();
    assert!(changes() > 0);
    for file in std::fs::read_dir(&folder).unwrap() {
        // Staged long before it was committed.
        let name = file.unwrap().file_name().into_string().unwrap();
        place.aged(&format!("_change_data/{name}"), 8);
    }
    let done = vacuum(&place.location(), &place.vacuum()).await.unwrap();
    assert_eq!(done.files, Vec::<String>::new());
    place.age(8);
    let done = vacuum(&place.location(), &place.vacuum()).await.unwrap();
    assert!(
        done.files
            .iter()
            .any(|file| file.starts_with("_change_data/")),
        "{done:?}"
    );
    assert_eq!(changes(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_retention_is_refused_without_force() {
    let place = Place::new();
    place.merge("(1, 'a')").await;
    place.merge("(1, 'b')").await;
    let short = Vacuum {
        retention: Some(Duration::from_secs(36 * 3600)),
        ..place.vacuum()
    };
    let refused = vacuum(&place.location(), &short).await.unwrap_err();
    let (what, help) = refusal(refused);
    assert_eq!(
        what,
        "a retention of 36 hours is shorter than the 7 days for which the table keeps its files"
    );
    assert!(help.contains("`--force`"), "{help}");
    let forced = Vacuum {
        retention: Some(Duration::ZERO),
        force: true,
        ..place.vacuum()
    };
    let done = vacuum(&place.location(), &forced).await.unwrap();
    assert_eq!(done.files.len(), 1);
    assert_eq!(place.rows(None).await, json!([[1, "b"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn names_with_spaces_and_signs_are_kept() {
    let place = Place::new();
    let sql = "select column1 as id, column2 as v from (values (1, 'a b'), (2, 'c/d'), (3, 'é%'))";
    let mut write = Write::new(place.location(), Action::Append { key: None });
    write.partition_by = vec!["v".into()];
    place.write_as(sql, write.clone()).await;
    let rows = place.rows(None).await;
    // One partition is replaced, so that a tombstone has such a name too.
    write.action = Action::InsertOverwrite { key: None };
    place.write_as("select 4 as id, 'a b' as v", write).await;
    let options = |retention| Vacuum {
        retention: Some(retention),
        force: true,
        ..place.vacuum()
    };
    // All files are older than the retention, and none was removed before it.
    for file in walkdir::WalkDir::new(place.path()) {
        let name = file.unwrap().path().to_string_lossy().into_owned();
        if name.ends_with(".parquet") {
            place.aged(&name, 8);
        }
    }
    let done = vacuum(&place.location(), &options(DAY)).await.unwrap();
    assert_eq!(done.files, Vec::<String>::new());
    assert_eq!(place.rows(Some(0)).await, rows);
    let done = vacuum(&place.location(), &options(Duration::ZERO))
        .await
        .unwrap();
    assert_eq!(done.files.len(), 1, "{done:?}");
    let rows = place.rows(None).await;
    assert_eq!(rows, json!([[2, "c/d"], [3, "é%"], [4, "a b"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn compaction_changes_files_and_no_rows() {
    let place = Place::new();
    for row in ["(1, 'a')", "(2, null)", "(3, 'c')"] {
        place.append(row).await;
    }
    let rows = place.rows(None).await;
    let dry = place.optimize(&[], true).await.unwrap();
    assert_eq!((dry.files_removed, dry.version), (3, None));
    let done = place.optimize(&[], false).await.unwrap();
    assert_eq!(done.files_removed, dry.files_removed);
    assert_eq!(done.bytes_removed, dry.bytes_removed);
    assert_eq!((done.files_added, done.version), (Some(1), Some(3)));
    assert_eq!(place.rows(None).await, rows);
    assert_eq!(place.carried().await, kept("(3, 'c')"));
    let log = place.path().join("_delta_log/00000000000000000003.json");
    let log = std::fs::read_to_string(log).unwrap();
    assert!(!log.contains("\"dataChange\":true"), "{log}");
    let again = place.optimize(&[], false).await.unwrap();
    assert_eq!((again.files_removed, again.version), (0, None));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_of_compaction_is_what_is_done() {
    let place = Place::new();
    let mut write = Write::new(place.location(), Action::Append { key: None });
    write.partition_by = vec!["v".into()];
    for rows in [
        "(1, 'a'), (2, 'b')",
        "(3, 'a')",
        "(4, null), (5, 'b')",
        "(6, null)",
        "(7, 'c')",
    ] {
        place.write_as(&pairs(rows), write.clone()).await;
    }
    // Room for two small files and not for three.
    let target = place.facts().await.bytes / place.facts().await.files * 5 / 2;
    // A file past the target parts its neighbours.
    let large = "select value as id, 'a' as v from generate_series(100, 4000)";
    place.write_as(large, write.clone()).await;
    for rows in ["(8, 'a')", "(9, 'a')", "(10, 'a')"] {
        place.write_as(&pairs(rows), write.clone()).await;
    }
    let options = |dry_run| Optimize {
        zorder: Vec::new(),
        target_size: NonZeroU64::new(target),
        dry_run,
        run_id: "caretaker".into(),
    };
    let session = place.engine.session();
    let dry = optimize(&session, &place.location(), &options(true))
        .await
        .unwrap();
    let done = optimize(&session, &place.location(), &options(false))
        .await
        .unwrap();
    // Of `a` two and two of six, two of `b`, two without a value.
    assert_eq!(dry.files_removed, 8);
    assert_eq!(
        (done.files_removed, done.bytes_removed),
        (dry.files_removed, dry.bytes_removed)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn files_in_oddly_named_folders_are_put_together() {
    for zorder in [&[][..], &["id"]] {
        let place = Place::new();
        let mut write = Write::new(place.location(), Action::Append { key: None });
        write.partition_by = vec!["v".into()];
        for id in 1..=2 {
            let values = ["~", "a~b", "x/y z%~", "é", "#?&", "null"];
            let rows = values.map(|value| match value {
                "null" => format!("({id}, null)"),
                value => format!("({id}, '{value}')"),
            });
            place
                .write_as(&pairs(&rows.join(", ")), write.clone())
                .await;
        }
        let sorted = |rows: Value| {
            let rows = rows.as_array().unwrap().iter();
            let mut rows: Vec<String> = rows.map(ToString::to_string).collect();
            rows.sort();
            rows
        };
        let rows = sorted(place.rows(None).await);
        let done = place.optimize(zorder, false).await.unwrap();
        assert_eq!((done.files_removed, done.files_added), (12, Some(6)));
        assert_eq!(sorted(place.rows(None).await), rows);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_file_is_taken_for_one_without_rows() {
    use super::super::apply::by_path;
    use super::super::inspect::snapshot;
    let place = Place::new();
    place.append("(1, 'a')").await;
    let table = opened(&place.location()).await.unwrap();
    let present = snapshot(&table, &place.location()).unwrap();
    let file = place.files().pop().unwrap();
    let url = url::Url::from_file_path(place.path().join(&file)).unwrap();
    let known = by_path(present, vec![url.to_string()]).unwrap();
    assert_eq!(known.into_keys().collect::<Vec<_>>(), [file]);
    let other = by_path(present, vec!["file:///elsewhere/a.parquet".to_owned()]);
    assert!(matches!(other, Err(Error::Io { .. })), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_z_order_is_made_once() {
    let place = Place::new();
    place.append("(3, 'c'), (1, 'a')").await;
    place.append("(2, 'b')").await;
    let rows = place.rows(None).await;
    let done = place.optimize(&["V", "id"], false).await.unwrap();
    assert_eq!((done.files_removed, done.files_added), (2, Some(1)));
    assert_eq!(place.rows(None).await, rows);
    assert_eq!(place.carried().await[ZORDER], json!(["v", "id"]));
    let again = place.optimize(&["v", "id"], false).await.unwrap();
    assert_eq!(again, Optimized::default());
    assert_eq!(
        place.optimize(&["id"], false).await.unwrap().files_removed,
        1
    );
    // A write forgets the order.
    place.append("(4, 'd')").await;
    assert_eq!(
        place.optimize(&["id"], true).await.unwrap().files_removed,
        2
    );
    place.optimize(&[], false).await.unwrap();
    assert!(!place.carried().await.contains_key(ZORDER));

    let (what, help) = refusal(place.optimize(&["nope"], false).await.unwrap_err());
    assert_eq!(what, "the table has no column `nope` to order by");
    assert_eq!(help, "it has id, v");
}

#[tokio::test(flavor = "multi_thread")]
async fn optimized_files_hold_plain_strings() {
    use deltalake::parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
    let place = Place::new();
    for id in 1..3 {
        let sql = format!(
            "select {id} as id, 'x' as s, ['y', null] as l, named_struct('n', 'z') as st,
             arrow_cast('b', 'Binary') as b"
        );
        let write = Write::new(place.location(), Action::Append { key: None });
        place.write_as(&sql, write).await;
    }
    for zorder in [&[][..], &["s"]] {
        let before = place.files();
        assert!(
            place
                .optimize(zorder, false)
                .await
                .unwrap()
                .version
                .is_some()
        );
        let new: Vec<String> = place
            .files()
            .into_iter()
            .filter(|file| !before.contains(file))
            .collect();
        assert_eq!(new.len(), 1);
        let file = File::open(place.path().join(&new[0])).unwrap();
        // What the footer says in `ARROW:schema`, which this reader obeys.
        let schema = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let schema = format!("{:?}", schema.schema());
        assert!(
            schema.contains("Utf8") && !schema.contains("View"),
            "{schema}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_optimize_does_not_commit_on_top_of_another_writer() {
    let place = Place::new();
    place.append("(1, 'a')").await;
    place.append("(2, 'b')").await;
    let table = opened(&place.location()).await.unwrap();
    place.append("(3, 'c')").await;
    // deltalake would put its commit on top of the append, and say of version 3 what was of 1.
    let options = Optimize {
        zorder: Vec::new(),
        target_size: None,
        dry_run: false,
        run_id: "caretaker".into(),
    };
    let (session, location) = (place.engine.session(), place.location());
    let bins = optimize::compaction(&table, &location, None).unwrap();
    let info = BTreeMap::new();
    let late = optimize::rewrite(&session, &location, &table, &options, &[], bins, info).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    assert_eq!(place.facts().await.version, 2);
    // The command itself begins again.
    let done = place.optimize(&[], false).await.unwrap();
    assert_eq!((done.files_removed, done.version), (3, Some(3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_is_written_once() {
    let place = Place::new();
    place.merge("(1, 'a')").await;
    place.merge("(1, 'b')").await;
    let file = place
        .path()
        .join("_delta_log/00000000000000000001.checkpoint.parquet");
    let expected = Checkpoint {
        version: 1,
        missing: true,
    };
    assert_eq!(checkpoint(&place.location(), true).await.unwrap(), expected);
    assert!(!file.exists());
    assert_eq!(
        checkpoint(&place.location(), false).await.unwrap(),
        expected
    );
    let written = file.metadata().unwrap().modified().unwrap();
    let again = checkpoint(&place.location(), false).await.unwrap();
    assert!(!again.missing);
    assert_eq!(file.metadata().unwrap().modified().unwrap(), written);
    // Without the log before it, the table is read from the checkpoint.
    for version in 0..2 {
        let entry = format!("_delta_log/{version:020}.json");
        std::fs::remove_file(place.path().join(entry)).unwrap();
    }
    assert_eq!(place.rows(None).await, json!([[1, "b"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_history_is_told_in_words() {
    let place = Place::new();
    place.merge("(1, 'a'), (2, 'b')").await;
    place.merge("(1, 'A'), (3, 'c')").await;
    place.append("(4, 'd')").await;
    place.optimize(&[], false).await.unwrap();
    place.restore(To::Version(1)).await.unwrap();
    let told = history(&place.location(), None).await.unwrap();
    let words: Vec<(i64, &str)> = told
        .iter()
        .map(|change| (change.version, change.operation.as_str()))
        .collect();
    assert_eq!(
        words,
        [
            (4, "restored to version 1"),
            (3, "optimized"),
            (2, "appended"),
            (1, "merged"),
            (0, "created"),
        ]
    );
    let rows = |version: usize| {
        let rows = told[4 - version].rows;
        (rows.inserted, rows.updated, rows.deleted)
    };
    assert_eq!(rows(0), (Some(2), None, None));
    assert_eq!(rows(1), (Some(1), Some(1), Some(0)));
    assert_eq!(rows(2), (Some(1), None, None));
    assert_eq!(rows(4), (None, None, None));
    assert_eq!(told[0].run_id.as_deref(), Some("caretaker"));
    let few = history(&place.location(), Some(2)).await.unwrap();
    assert_eq!(few, told[..2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_brings_back_rows_columns_and_what_refx_wrote() {
    let place = Place::new();
    place.merge("(1, 'a'), (2, 'b')").await;
    let wider = "select 1 as id, 'A' as v, 7 as more";
    let key = PrimaryKey::new(["id"]).unwrap();
    let merge = Write::new(place.location(), Action::Merge(Merge::on(key)));
    place.write_as(wider, merge.clone()).await;
    let done = place.restore(To::Version(0)).await.unwrap();
    assert_eq!((done.to, done.from, done.version), (0, 1, Some(2)));
    assert_eq!((done.rows_before, done.rows_after), (Some(2), Some(2)));
    assert_eq!(done.columns_gone, ["more"]);
    assert_eq!(place.rows(None).await, json!([[1, "a"], [2, "b"]]));
    assert_eq!(place.carried().await, kept("(1, 'a'), (2, 'b')"));
    // A second time there is nothing to do, and the next run merges on top.
    let again = place.restore(To::Version(0)).await.unwrap();
    assert_eq!((again.differs, again.version), (false, None));
    place.write_as(wider, merge).await;
    assert_eq!(place.rows(None).await, json!([[1, "A", 7], [2, "b", null]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_finds_the_version_of_an_instant() {
    let place = Place::new();
    place.merge("(1, 'a')").await;
    place.age(3);
    place.merge("(1, 'b')").await;
    place.age(1);
    place.merge("(1, 'c')").await;
    let now = chrono::Utc::now();
    let days_ago = |days| To::At(now - chrono::Duration::days(days));
    let (what, help) = refusal(place.restore(days_ago(5)).await.unwrap_err());
    assert!(what.starts_with("there is no version as old as "), "{what}");
    assert!(
        help.starts_with("the oldest that the log has is version 0, of "),
        "{help}"
    );
    assert_eq!(place.restore(days_ago(2)).await.unwrap().to, 0);
    assert_eq!(place.rows(None).await, json!([[1, "a"]]));
    assert_eq!(
        place.restore(To::Version(1)).await.unwrap().version,
        Some(4)
    );
    assert_eq!(place.rows(None).await, json!([[1, "b"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_cannot_come_back_is_refused() {
    let place = Place::new();
    for rows in ["(1, 'a'), (1, 'b'), (null, 'c')", "(2, 'd')"] {
        // As another tool writes, which knows of no key.
        let write = Write::new(place.location(), Action::Append { key: None });
        place.write_as(&pairs(rows), write).await;
    }
    let key = Action::Overwrite {
        key: PrimaryKey::new(["id"]),
    };
    place
        .write_as(&pairs("(1, 'a')"), Write::new(place.location(), key))
        .await;
    let (what, _) = refusal(place.restore(To::Version(9)).await.unwrap_err());
    assert_eq!(what, "there is no version 9: the last is 2");
    let broken = place.restore(To::Version(0)).await.unwrap_err();
    assert!(
        matches!(broken, Error::NullKey { rows: 1, .. }),
        "{broken:?}"
    );

    let forced = Vacuum {
        retention: Some(Duration::ZERO),
        force: true,
        ..place.vacuum()
    };
    vacuum(&place.location(), &forced).await.unwrap();
    let (what, _) = refusal(place.restore(To::Version(1)).await.unwrap_err());
    assert!(
        what.starts_with("version 1 needs 2 files that are gone, `part-"),
        "{what}"
    );
    assert_eq!(place.facts().await.version, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_the_log_has_lost_is_told() {
    let place = Place::new();
    for row in ["(1, 'a')", "(1, 'b')", "(1, 'c')"] {
        place.merge(row).await;
    }
    place.restore(To::Version(1)).await.unwrap();
    checkpoint(&place.location(), false).await.unwrap();
    place.merge("(1, 'd')").await;
    for version in 0..3 {
        let entry = format!("_delta_log/{version:020}.json");
        std::fs::remove_file(place.path().join(entry)).unwrap();
    }
    let (what, help) = refusal(place.restore(To::Version(1)).await.unwrap_err());
    assert_eq!(what, "version 1 is no longer in the log");
    assert_eq!(help, "the oldest that it has is version 3");
    assert_eq!(
        place.restore(To::Version(3)).await.unwrap().version,
        Some(5)
    );
    assert_eq!(place.rows(None).await, json!([[1, "b"]]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_waits_for_a_vacuum() {
    let place = Place::new();
    place.merge("(1, 'a')").await;
    place.merge("(1, 'b')").await;
    let table = opened(&place.location()).await.unwrap();
    let start = deltalake::protocol::DeltaOperation::VacuumStart {
        retention_check_enabled: true,
        specified_retention_millis: None,
        default_retention_millis: 0,
    };
    vacuum::commit(&table, &place.location(), [], start)
        .await
        .unwrap();
    let (what, _) = refusal(place.restore(To::Version(0)).await.unwrap_err());
    assert_eq!(what, "a vacuum of the table has begun and has not ended");
    place.age(1);
    assert!(place.restore(To::Version(0)).await.is_ok());
}
