use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::{DateTime, TimeDelta, Utc};
use serde_json::{Value, json};

use super::*;
use crate::engine::{Engine, Name, Session, Settings};
use refx_core::project::config::OnSchemaChange;

mod ahead;
mod arriving;
mod damage;
mod evolving;
mod filters;
mod foreign;
mod merging;
mod missing;
mod properties;
mod publishing;
mod stores;
mod values;

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

/// What rows of a model are computed from that somebody asked for, as of a date.
fn origin(as_of: &str, adds_up: bool) -> Origin {
    Origin {
        model: "model.shop.visits".into(),
        fingerprint: "code".into(),
        as_of: instant(as_of),
        by_clock: false,
        inputs: BTreeMap::new(),
        files: BTreeMap::new(),
        code: "code".into(),
        variables: "none".into(),
        query: None,
        reads_instant: false,
        reads_itself: false,
        keeps_rows: false,
        adds_up,
        allow_older: false,
    }
}

fn instant(date: &str) -> DateTime<Utc> {
    format!("{date}T00:00:00Z").parse().unwrap()
}

/// Commits lines of another tool as a version.
fn commit_as_another_tool(table: &std::path::Path, version: i64, lines: &[Value]) {
    let lines: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let path = table.join(format!("_delta_log/{version:020}.json"));
    std::fs::write(path, lines.join("\n")).unwrap();
}

/// The line that takes a file out of a table without partitions.
fn removal_of(file: &Value) -> Value {
    json!({"remove": {
        "path": file["path"], "deletionTimestamp": 1_700_000_000_000_i64, "dataChange": true,
        "extendedFileMetadata": true, "partitionValues": {}, "size": file["size"],
    }})
}

/// The deletion vector in the examples of Delta's protocol: rows 3, 4, 7, 11, 18 and 29 of a file.
fn six_rows_deleted() -> Value {
    json!({
        "storageType": "i", "sizeInBytes": 44, "cardinality": 6,
        "pathOrInlineDv": "^Bg9^0rr910000000000iXQKl0rr91000f55c8Xg0@@D72lkbi5=-{L",
    })
}

impl Place {
    fn new() -> Place {
        Place {
            engine: Engine::new(&Settings::default()).unwrap(),
            root: std::env::temp_dir().join(format!("refx-delta-{}", uuid::Uuid::new_v4())),
        }
    }

    fn location(&self) -> Location {
        Location::new(&self.root.join("t").display().to_string(), BTreeMap::new()).unwrap()
    }

    async fn session(&self) -> Session {
        let session = self.engine.session();
        if inspect(&self.location()).await.unwrap().is_some() {
            let table = provider(&session, &self.location(), None).await.unwrap();
            session.register_table(&Name::bare("t"), table).unwrap();
        }
        session
    }

    async fn write(&self, sql: &str, action: Action) -> Result<Commit, Error> {
        self.write_as(sql, Write::new(self.location(), action))
            .await
    }

    async fn write_as(&self, sql: &str, write: Write) -> Result<Commit, Error> {
        let session = self.session().await;
        let plan = session.plan(sql).await.unwrap();
        super::write(&session, &plan, &write, &NoAudit).await
    }

    async fn rows(&self, sql: &str) -> Vec<Vec<Value>> {
        self.session()
            .await
            .rows_as_json(sql, 1000)
            .await
            .unwrap()
            .rows
    }

    async fn facts(&self) -> TableFacts {
        inspect(&self.location()).await.unwrap().unwrap()
    }
}

fn key(columns: &[&str]) -> PrimaryKey {
    PrimaryKey::new(columns.iter().copied()).unwrap()
}

fn merge_on(columns: &[&str]) -> Action {
    Action::Merge(Merge::on(key(columns)))
}

fn counts(inserted: u64, updated: u64, deleted: u64, unchanged: u64) -> Counts {
    Counts {
        source: inserted + updated + unchanged,
        inserted,
        updated,
        deleted,
        unchanged,
    }
}

/// How many are tried: a few, or with `REFX_FAULTS` all of them, or so many.
fn tried(few: u64, all: u64) -> u64 {
    match std::env::var("REFX_FAULTS").as_deref() {
        Ok("full") => all,
        Ok(number) => number.parse().unwrap_or(few),
        Err(_) => few,
    }
}

/// What everything random is drawn from.
fn seed() -> u64 {
    let seed = std::env::var("REFX_SEED").ok();
    seed.and_then(|seed| seed.parse().ok()).unwrap_or(1)
}

/// A line that `tests/faults/run.py` reads. The test's harness keeps what `print` says to itself.
fn tell(line: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// `(1, 'a')` and the like as a SELECT of `id` and `v`.
fn delete_insert(key: PrimaryKey) -> Action {
    Action::DeleteInsert {
        by: key.clone(),
        key: Some(key),
    }
}

fn pairs(rows: &str) -> String {
    format!("select column1 as id, column2 as v from (values {rows})")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_updates_what_differs_and_nothing_else() {
    let place = Place::new();
    let first = place
        .write(&pairs("(1, 'a'), (2, 'b'), (3, null)"), merge_on(&["id"]))
        .await
        .unwrap();
    assert_eq!((first.version, first.rows), (Some(0), counts(3, 0, 0, 0)));
    let second = place
        .write(&pairs("(2, 'B'), (3, null), (4, 'd')"), merge_on(&["id"]))
        .await
        .unwrap();
    assert_eq!((second.version, second.rows), (Some(1), counts(1, 1, 0, 1)));
    assert_eq!(
        json!(place.rows("select * from t order by id").await),
        json!([[1, "a"], [2, "B"], [3, null], [4, "d"]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_rows_commit_nothing() {
    let place = Place::new();
    let sql = "select 1 as id, cast('NaN' as double) as f, [1, null] as l, named_struct('a', 1, 'b', null) as s,
        cast(null as varchar) as n, timestamp '2024-01-01 00:00:00.123456' as at, 1.50 as d, arrow_cast('x', 'Binary') as b";
    for (number, action) in [
        merge_on(&["id"]),
        merge_on(&["id"]),
        Action::Overwrite {
            key: Some(key(&["id"])),
        },
        Action::Overwrite { key: None },
        delete_insert(key(&["id"])),
    ]
    .into_iter()
    .enumerate()
    {
        let commit = place.write(sql, action).await.unwrap();
        let expected = if number == 0 {
            (Some(0), counts(1, 0, 0, 0))
        } else {
            (None, counts(0, 0, 0, 1))
        };
        assert_eq!((commit.version, commit.rows), expected, "write {number}");
    }
    assert_eq!(place.facts().await.version, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_values_are_compared() {
    let place = Place::new();
    let sql = |l: &str, s: &str| format!("select 1 as id, {l} as l, named_struct('a', {s}) as s");
    place
        .write(&sql("[1, 2]", "1"), merge_on(&["id"]))
        .await
        .unwrap();
    for (l, s) in [("[1, 3]", "1"), ("[1, 3]", "2"), ("[1]", "2")] {
        let commit = place.write(&sql(l, s), merge_on(&["id"])).await.unwrap();
        assert_eq!(commit.rows, counts(0, 1, 0, 0), "{l} {s}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn duplicate_and_null_keys_are_refused_on_every_path() {
    let place = Place::new();
    let keyed = |action: fn(PrimaryKey) -> Action| action(key(&["id", "kind"]));
    let actions: [fn(PrimaryKey) -> Action; 5] = [
        |key| Action::Merge(Merge::on(key)),
        |key| Action::Overwrite { key: Some(key) },
        |key| Action::Append { key: Some(key) },
        delete_insert,
        |key| Action::InsertOverwrite { key: Some(key) },
    ];
    let sql = |rows: &str| {
        format!("select column1 as id, column2 as kind, column3 as v from (values {rows})")
    };
    let twice = sql("(1, 'x', 1), (1, 'x', 2), (1, 'y', 3), (2, 'z', 4)");
    let nulls = sql("(1, null, 1), (2, null, 2), (3, 'x', 3)");
    for loaded in [false, true] {
        if loaded {
            place
                .write(&sql("(9, 'x', 1)"), keyed(actions[0]))
                .await
                .unwrap();
        }
        for action in actions {
            match place.write(&twice, keyed(action)).await.unwrap_err() {
                Error::DuplicateKey {
                    keys,
                    rows,
                    samples,
                    ..
                } => {
                    assert_eq!((keys, rows), (1, 2));
                    let samples: Vec<String> = samples.iter().map(ToString::to_string).collect();
                    assert_eq!(samples, ["id = 1, kind = x (2 rows)\n  they differ in `v`"]);
                }
                other => panic!("{other}"),
            }
            match place.write(&nulls, keyed(action)).await.unwrap_err() {
                Error::NullKey {
                    rows, samples, key, ..
                } => {
                    assert_eq!((rows, key.as_str()), (2, "`id`, `kind`"));
                    let samples: Vec<String> = samples.iter().map(ToString::to_string).collect();
                    assert_eq!(samples, ["id = 1, kind = NULL", "id = 2, kind = NULL"]);
                }
                other => panic!("{other}"),
            }
        }
        let version = inspect(&place.location())
            .await
            .unwrap()
            .map(|facts| facts.version);
        assert_eq!(version, loaded.then_some(0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_of_a_known_key_is_refused() {
    let place = Place::new();
    let append = || Action::Append {
        key: Some(key(&["id"])),
    };
    place
        .write(&pairs("(1, 'a'), (2, 'b')"), append())
        .await
        .unwrap();
    let commit = place.write(&pairs("(3, 'c')"), append()).await.unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(1, 0, 0, 0)));
    match place
        .write(&pairs("(3, 'x'), (4, 'y')"), append())
        .await
        .unwrap_err()
    {
        Error::DuplicateKey { keys, samples, .. } => {
            let samples: Vec<String> = samples.iter().map(ToString::to_string).collect();
            assert_eq!((keys, samples), (1, vec!["id = 3".to_owned()]));
        }
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_column_names_are_merged() {
    let place = Place::new();
    let names = [
        "User Id",
        "a.b",
        "Größe",
        "select",
        "it's",
        "say \"hi\"",
        "target",
        "UPPER",
    ];
    let sql = |first: i64| {
        let columns = names.iter().enumerate().map(|(index, name)| {
            let value = if index == 0 { 7 } else { first + index as i64 };
            format!(
                "cast({value} as bigint) as \"{}\"",
                name.replace('"', "\"\"")
            )
        });
        format!("select {}", columns.collect::<Vec<_>>().join(", "))
    };
    let key = &["User Id", "UPPER"];
    let cdf = |action| Write {
        configuration: [("delta.enableChangeDataFeed".to_owned(), "true".to_owned())].into(),
        ..Write::new(place.location(), action)
    };
    place
        .write_as(&sql(0), cdf(merge_on(&key[..1])))
        .await
        .unwrap();
    let commit = place
        .write_as(&sql(10), cdf(merge_on(&key[..1])))
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(0, 1, 0, 0)));
    let again = place
        .write_as(&sql(10), cdf(merge_on(&key[..1])))
        .await
        .unwrap();
    assert_eq!((again.version, again.rows), (None, counts(0, 0, 0, 1)));
    let facts = place.facts().await;
    assert_eq!(
        facts
            .columns
            .iter()
            .map(|c| c.name.as_str())
            .collect::<Vec<_>>(),
        names
    );
    assert_eq!(
        json!(place.rows("select \"a.b\", \"UPPER\" from t").await),
        json!([[11, 17]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overwrite_is_one_commit_and_counts_by_key() {
    let place = Place::new();
    let overwrite = || Action::Overwrite {
        key: Some(key(&["id"])),
    };
    place
        .write(&pairs("(1, 'a'), (2, 'b'), (3, 'c')"), overwrite())
        .await
        .unwrap();
    let commit = place
        .write(&pairs("(2, 'b'), (3, 'C'), (4, 'd')"), overwrite())
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(1, 1, 1, 1)));
    // Another shape: columns, types and partitions may all change.
    let write = Write {
        partition_by: vec!["V".to_owned()],
        ..Write::new(place.location(), overwrite())
    };
    let sql = "select cast(id as varchar) as id, v, 1 as n from t";
    let commit = place.write_as(sql, write).await.unwrap();
    assert_eq!(commit.version, Some(2));
    let facts = place.facts().await;
    assert_eq!(
        (facts.rows, facts.partition_by),
        (Some(3), vec!["v".to_owned()])
    );
    assert_eq!(facts.columns[0].data_type, "varchar");
    assert!(!facts.columns[0].nullable && facts.columns[1].nullable);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_result_makes_an_empty_table() {
    let place = Place::new();
    let sql = "select 1 as id, null as nothing, arrow_cast(1, 'UInt64') as n where false";
    let commit = place.write(sql, merge_on(&["id"])).await.unwrap();
    assert_eq!((commit.version, commit.rows), (Some(0), counts(0, 0, 0, 0)));
    let types: Vec<String> = place
        .facts()
        .await
        .columns
        .into_iter()
        .map(|c| c.data_type)
        .collect();
    assert_eq!(types, ["bigint", "varchar", "bigint"]);
    let commit = place.write(sql, merge_on(&["id"])).await.unwrap();
    assert_eq!(commit.version, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_grows_with_the_model() {
    let place = Place::new();
    place
        .write(&pairs("(1, 'a'), (2, 'b')"), merge_on(&["id"]))
        .await
        .unwrap();
    let grown =
        "select arrow_cast(column1, 'Int32') as id, column2 as v, cast(column3 as timestamp) as at
        from (values (2, 'b', '2024-01-02'), (3, 'c', null))";
    let with = |change| Write {
        on_schema_change: change,
        ..Write::new(place.location(), merge_on(&["id"]))
    };
    let error = place
        .write_as(grown, with(OnSchemaChange::Fail))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the table has no column `at`, which the model selects"
    );
    let commit = place
        .write_as(grown, with(OnSchemaChange::AppendNewColumns))
        .await
        .unwrap();
    assert_eq!(
        (commit.rows, commit.columns[0].to_string().as_str()),
        (counts(1, 1, 0, 0), "new column `at` (timestamp)")
    );
    assert_eq!(
        json!(
            place
                .rows("select id, v, cast(at as date) from t order by id")
                .await
        ),
        json!([[1, "a", null], [2, "b", "2024-01-02"], [3, "c", null]])
    );
    // A column that is gone keeps its values, and new rows have NULL in it.
    let commit = place
        .write(&pairs("(2, 'B'), (4, 'd')"), merge_on(&["id"]))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(1, 1, 0, 0));
    assert_eq!(
        json!(
            place
                .rows("select id, v, cast(at as date) from t where id in (2, 4) order by id")
                .await
        ),
        json!([[2, "B", "2024-01-02"], [4, "d", null]])
    );
    let error = place
        .write("select 'x' as id, 'y' as v", merge_on(&["id"]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `id` is bigint in the table and varchar in the model"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn an_appended_column_without_zone_turns_its_feature_on() {
    let place = Place::new();
    place
        .write("select 1 as id", Action::Append { key: None })
        .await
        .unwrap();
    let sql = "select 2 as id, timestamp '2024-01-01 00:00:00' as at";
    place
        .write(sql, Action::Append { key: None })
        .await
        .unwrap();
    assert_eq!(
        json!(place.rows("select id, at is null from t order by id").await),
        json!([[1, true], [2, false]])
    );
    let facts = place.facts().await;
    assert_eq!(facts.columns[1].data_type, "timestamp");
    assert_eq!(facts.unwritable, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_are_replaced_as_a_whole() {
    let place = Place::new();
    let sql = |rows: &str| {
        format!("select column1 as id, column2 as \"Day\", column3 as v from (values {rows})")
    };
    let write = || Write {
        partition_by: vec!["Day".to_owned()],
        ..Write::new(
            place.location(),
            Action::InsertOverwrite {
                key: Some(key(&["id"])),
            },
        )
    };
    place
        .write_as(
            &sql("(1, 'mo', 1), (2, 'mo', 2), (3, 'tu', 3), (4, null, 4)"),
            write(),
        )
        .await
        .unwrap();
    let commit = place
        .write_as(&sql("(1, 'mo', 1), (5, 'mo', 5), (6, null, 6)"), write())
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(2, 0, 2, 1)));
    assert_eq!(
        json!(place.rows("select id from t order by id").await),
        json!([[1], [3], [5], [6]])
    );
    let commit = place.write_as(&sql("(3, 'tu', 3)"), write()).await.unwrap();
    assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 1)));
    let error = place
        .write_as(&sql("(3, 'mo', 3)"), write())
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::DuplicateKey { keys: 1, .. }),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn merges_of_partitioned_tables_by_the_partition() {
    let place = Place::new();
    let sql = |rows: &str| {
        format!("select column1 as id, column2 as kind, column3 as v from (values {rows})")
    };
    let write = || Write {
        partition_by: vec!["kind".to_owned()],
        ..Write::new(place.location(), merge_on(&["id", "kind"]))
    };
    place
        .write_as(&sql("(1, 'a', 1), (1, 'b', 2), (2, 'a', 3)"), write())
        .await
        .unwrap();
    let commit = place
        .write_as(&sql("(1, 'a', 9), (1, 'b', 2), (3, 'c', 4)"), write())
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(1, 1, 0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn chosen_columns_are_updated() {
    let place = Place::new();
    let sql = |v: i64, w: i64| format!("select 1 as id, {v} as v, {w} as w");
    place.write(&sql(1, 1), merge_on(&["id"])).await.unwrap();
    let action = |update| {
        Action::Merge(Merge {
            update,
            ..Merge::on(key(&["id"]))
        })
    };
    let commit = place
        .write(&sql(1, 2), action(UpdateColumns::Only(vec!["V".into()])))
        .await
        .unwrap();
    assert_eq!(commit.version, None);
    let commit = place
        .write(&sql(5, 2), action(UpdateColumns::Except(vec!["v".into()])))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(0, 1, 0, 0));
    assert_eq!(
        json!(place.rows("select * from t").await),
        json!([[1, 1, 2]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn predicates_limit_the_match_and_never_double_a_key() {
    let place = Place::new();
    place
        .write(&pairs("(1, 10), (2, 20)"), merge_on(&["id"]))
        .await
        .unwrap();
    let action = |predicate: &str| {
        Action::Merge(Merge {
            predicates: vec![predicate.to_owned()],
            ..Merge::on(key(&["id"]))
        })
    };
    let commit = place
        .write(
            &pairs("(2, 21), (3, 30)"),
            action("DBT_INTERNAL_DEST.v >= 20"),
        )
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(1, 1, 0, 0));
    let error = place
        .write(&pairs("(1, 11)"), action("target.v >= 20"))
        .await
        .unwrap_err();
    assert!(matches!(error, Error::HiddenKey { rows: 1, .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_commit_carries_what_the_run_knows() {
    let place = Place::new();
    let write = Write {
        commit_info: [
            ("refx.runId".to_owned(), json!("r1")),
            ("refx.inputs".to_owned(), json!({"a": 3})),
        ]
        .into(),
        ..Write::new(place.location(), merge_on(&["id"]))
    };
    place.write_as(&pairs("(1, 'a')"), write).await.unwrap();
    let facts = place.facts().await;
    assert_eq!(facts.commit_info["refx.runId"], json!("r1"));
    assert_eq!(facts.commit_info["refx.inputs"], json!({"a": 3}));
    assert!(facts.committed_at.is_some());
    assert_eq!((facts.rows, facts.files), (Some(1), 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_writer_makes_the_merge_start_again() {
    let place = Place::new();
    place
        .write(&pairs("(1, 'a')"), merge_on(&["id"]))
        .await
        .unwrap();
    let writes = (2..6).map(|id| {
        let sql = pairs(&format!("(1, 'w{id}'), ({id}, 'x')"));
        let place = &place;
        async move { place.write(&sql, merge_on(&["id"])).await }
    });
    for outcome in futures::future::join_all(writes).await {
        outcome.unwrap();
    }
    assert_eq!(
        json!(
            place
                .rows("select id, count(*) from t group by id order by id")
                .await
        ),
        json!([[1, 1], [2, 1], [3, 1], [4, 1], [5, 1]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn types_that_tables_cannot_hold_are_told() {
    let place = Place::new();
    let error = place
        .write("select 1 as id, interval '1' day as gap", merge_on(&["id"]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "column `gap` is of type interval, which tables cannot hold"
    );
    let error = place
        .write("select 1 as id, 2 as \"ID\"", merge_on(&["id"]))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "two columns are named `ID`");
    let error = place
        .write("select 1 as other", merge_on(&["id"]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "the model does not select `id`, a column of its primary key"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broken_table_is_named_and_left_alone() {
    let place = Place::new();
    for id in 1..4 {
        place
            .write(&pairs(&format!("({id}, 'a')")), merge_on(&["id"]))
            .await
            .unwrap();
    }
    let log = place.root.join("t/_delta_log");
    std::fs::remove_file(log.join("00000000000000000001.json")).unwrap();
    let error = inspect(&place.location()).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    std::fs::write(log.join("00000000000000000001.json"), "{\"add\": {\"pa").unwrap();
    let error = inspect(&place.location()).await.unwrap_err();
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_carry_plain_strings() {
    use deltalake::parquet::file::reader::{FileReader, SerializedFileReader};
    let place = Place::new();
    place
        .write(&pairs("(1, 'a')"), merge_on(&["id"]))
        .await
        .unwrap();
    place
        .write(&pairs("(1, 'b'), (2, 'c')"), merge_on(&["id"]))
        .await
        .unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(place.root.join("t")).unwrap().flatten() {
        if entry
            .path()
            .extension()
            .is_some_and(|ending| ending == "parquet")
        {
            let reader =
                SerializedFileReader::new(std::fs::File::open(entry.path()).unwrap()).unwrap();
            let metadata = reader.metadata().file_metadata();
            let schema = deltalake::parquet::arrow::parquet_to_arrow_schema(
                metadata.schema_descr(),
                metadata.key_value_metadata(),
            )
            .unwrap();
            assert_eq!(
                schema.field_with_name("v").unwrap().data_type().to_string(),
                "Utf8"
            );
            seen += 1;
        }
    }
    assert_eq!(seen, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_larger_than_memory_finishes() {
    let mut place = Place::new();
    place.engine = Engine::new(&Settings {
        memory_limit: Some(100 << 20),
        spill_directory: Some(place.root.join("spill")),
        threads: Some(2),
        ..Settings::default()
    })
    .unwrap();
    let sql = |tail: &str| {
        format!(
            "select value as id, repeat(cast(value as varchar), 10) || '{tail}' as text from generate_series(1, 600000)"
        )
    };
    place.write(&sql(""), merge_on(&["id"])).await.unwrap();
    let commit = place.write(&sql("x"), merge_on(&["id"])).await.unwrap();
    assert_eq!(commit.rows, counts(0, 600_000, 0, 0));
    let left: Vec<_> = walkdir::WalkDir::new(place.root.join("spill"))
        .into_iter()
        .flatten()
        .filter(|e| e.file_type().is_file())
        // The run that is still going keeps a lock beside its folder.
        .filter(|e| e.path().extension().is_none_or(|ending| ending != "lock"))
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_that_cannot_be_written_is_told() {
    let place = Place::new();
    let session = place.session().await;
    let plan = session.plan("select 1 as id").await.unwrap();
    let location = Location::new("/dev/null/t", BTreeMap::new()).unwrap();
    let write = Write::new(location, Action::Overwrite { key: None });
    let error = super::write(&session, &plan, &write, &NoAudit)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/dev/null/t`: a file stands where a folder belongs"
    );
}
