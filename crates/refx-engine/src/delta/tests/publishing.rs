//! Stage, audit, commit: what is visible when, and what becomes of it otherwise.

use std::sync::Mutex;

use async_trait::async_trait;

use super::*;
use crate::engine::Plan;

const THREE: &str = "select * from (values ('a', 1), ('b', 2), ('c', 3)) as t(id, n)";

/// Says no, after it has read the candidate.
struct Refuses<'a> {
    place: &'a Place,
    seen: Mutex<Vec<Vec<Value>>>,
}

#[async_trait]
impl Audit for Refuses<'_> {
    async fn passes(&self, candidate: &Candidate<'_>) -> bool {
        *self.seen.lock().unwrap() = self.place.read(candidate).await;
        false
    }
}

/// Says yes, and lets another writer be first the first time.
struct Raced<'a> {
    place: &'a Place,
    other: Mutex<Option<&'static str>>,
    looks: Mutex<usize>,
}

#[async_trait]
impl Audit for Raced<'_> {
    async fn passes(&self, _: &Candidate<'_>) -> bool {
        *self.looks.lock().unwrap() += 1;
        let other = self.other.lock().unwrap().take();
        if let Some(sql) = other {
            self.place.write(sql, merge_on(&["id"])).await.unwrap();
        }
        true
    }
}

impl Place {
    async fn read(&self, candidate: &Candidate<'_>) -> Vec<Vec<Value>> {
        let session = self.engine.session();
        let table = candidate.table(&session).unwrap();
        session.register_table(&Name::bare("c"), table).unwrap();
        let answer = session
            .rows_as_json("select * from c order by 1", 100)
            .await;
        answer.unwrap().rows
    }

    pub(super) async fn audited(
        &self,
        sql: &str,
        write: &Write,
        audit: &dyn Audit,
    ) -> Result<Commit, Error> {
        let session = self.session().await;
        let plan: Plan = session.plan(sql).await.unwrap();
        super::super::write(&session, &plan, write, audit).await
    }

    /// The data files that lie in the table's folder, of whatever version.
    pub(super) fn data_files(&self) -> usize {
        let files = walkdir::WalkDir::new(self.root.join("t")).into_iter();
        let is_data = |path: &std::path::Path| path.extension().is_some_and(|e| e == "parquet");
        files.flatten().filter(|file| is_data(file.path())).count()
    }

    pub(super) async fn all(&self) -> Vec<Vec<Value>> {
        self.rows("select * from t order by 1").await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_candidate_is_seen_by_its_audit_alone() {
    let place = Place::new();
    for first in [true, false] {
        if !first {
            place.write(THREE, merge_on(&["id"])).await.unwrap();
        }
        let files = place.data_files();
        let refuses = Refuses {
            place: &place,
            seen: Mutex::default(),
        };
        let write = Write::new(place.location(), merge_on(&["id"]));
        let sql = "select * from (values ('b', 20), ('d', 4)) as t(id, n)";
        let refused = place.audited(sql, &write, &refuses).await;
        assert!(matches!(refused, Err(Error::Held { .. })), "{refused:?}");
        let seen = refuses.seen.lock().unwrap().clone();
        if first {
            assert_eq!(seen, [[json!("b"), json!(20)], [json!("d"), json!(4)]]);
            assert!(inspect(&place.location()).await.unwrap().is_none());
        } else {
            assert_eq!(seen.len(), 4);
            assert_eq!(seen[1], [json!("b"), json!(20)]);
            assert_eq!(place.facts().await.version, 0);
            assert_eq!(place.all().await[1], [json!("b"), json!(2)]);
        }
        // Not even a file is left.
        assert_eq!(place.data_files(), files);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_candidate_that_was_overtaken_is_computed_and_audited_again() {
    let place = Place::new();
    place.write(THREE, merge_on(&["id"])).await.unwrap();
    let raced = Raced {
        place: &place,
        other: Mutex::new(Some("select 'a' as id, 100 as n")),
        looks: Mutex::default(),
    };
    let write = Write::new(place.location(), merge_on(&["id"]));
    let sql = "select * from (values ('b', 20)) as t(id, n)";
    let commit = place.audited(sql, &write, &raced).await.unwrap();
    assert_eq!(commit.version, Some(2));
    assert_eq!(*raced.looks.lock().unwrap(), 2);
    let rows = [("a", 100), ("b", 20), ("c", 3)].map(|(id, n)| vec![json!(id), json!(n)]);
    assert_eq!(place.all().await, rows);
}

/// Says yes, and lets another tool add the feature of timestamps without a zone the first time.
struct AddsFeature<'a>(&'a Place, Mutex<bool>);

#[async_trait]
impl Audit for AddsFeature<'_> {
    async fn passes(&self, _: &Candidate<'_>) -> bool {
        if !std::mem::replace(&mut *self.1.lock().unwrap(), true) {
            let features = json!(["timestampNtz"]);
            let protocol = json!({
                "minReaderVersion": 3, "minWriterVersion": 7,
                "readerFeatures": features, "writerFeatures": features,
            });
            let lines = [json!({"protocol": protocol})];
            commit_as_another_tool(&self.0.root.join("t"), 1, &lines);
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_feature_that_a_rival_brought_is_not_asked_for_again() {
    let place = Place::new();
    place.write(THREE, merge_on(&["id"])).await.unwrap();
    let write = Write {
        on_schema_change: OnSchemaChange::AppendNewColumns,
        ..Write::new(place.location(), merge_on(&["id"]))
    };
    let sql = "select 'b' as id, 3 as n, timestamp '2024-01-02 00:00:00' as at";
    let audit = AddsFeature(&place, Mutex::default());
    let commit = place.audited(sql, &write, &audit).await.unwrap();
    assert_eq!(commit.version, Some(2));
    let log = place.log(2).await;
    assert!(log.iter().all(|line| line.get("protocol").is_none()));
    assert_eq!(place.all().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_property_and_the_rows_are_one_commit() {
    let place = Place::new();
    place.write(THREE, merge_on(&["id"])).await.unwrap();
    let mut write = Write::new(place.location(), merge_on(&["id"]));
    let feed = "delta.enableChangeDataFeed";
    write.configuration = BTreeMap::from([(feed.to_owned(), "true".to_owned())]);
    // A timestamp without a zone needs a feature besides.
    let sql = "select 'a' as id, 5 as n, cast('2024-01-01 10:00:00' as timestamp) as at";
    let commit = place.write_as(sql, write).await.unwrap();
    assert_eq!(commit.version, Some(1));
    let facts = place.facts().await;
    assert_eq!(facts.version, 1);
    assert_eq!(facts.configuration[feed], "true");
    assert_eq!(facts.columns.len(), 3);
    assert_eq!(place.all().await[0][..2], [json!("a"), json!(5)]);
    assert!(place.root.join("t/_change_data").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_of_another_tool_do_not_pass_as_keyed() {
    let place = Place::new();
    place.write(THREE, merge_on(&["id"])).await.unwrap();
    // Another tool knows of no key.
    let foreign = "select * from (values ('a', 7), ('b', 8)) as t(id, n)";
    place
        .write(foreign, Action::Append { key: None })
        .await
        .unwrap();
    let actions = [
        merge_on(&["id"]),
        Action::Append {
            key: Some(key(&["id"])),
        },
        delete_insert(key(&["id"])),
    ];
    for action in actions {
        let new = place.write("select 'z' as id, 1 as n", action).await;
        let Err(Error::DuplicateKey {
            keys,
            rows,
            samples,
            ..
        }) = new
        else {
            panic!("{new:?}");
        };
        assert_eq!((keys, rows), (2, 4));
        let first = samples[0].to_string();
        assert!(first.starts_with("id = a (2 rows)"), "{first}");
        assert_eq!(place.facts().await.version, 1);
    }
    let overwrite = Action::Overwrite {
        key: Some(key(&["id"])),
    };
    place.write(THREE, overwrite).await.unwrap();
    // From here on the key is known to hold.
    let merged = place
        .write("select 'z' as id, 1 as n", merge_on(&["id"]))
        .await;
    assert_eq!(merged.unwrap().rows.inserted, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_table_tells_only_of_rows_that_differ() {
    let place = Place::new();
    let overwrite = || Action::Overwrite {
        key: Some(key(&["id"])),
    };
    place.write(THREE, overwrite()).await.unwrap();
    let sql = "select * from (values ('a', 1), ('b', 20), ('d', 4)) as t(id, n)";
    let commit = place.write(sql, overwrite()).await.unwrap();
    assert_eq!(commit.rows, counts(1, 1, 1, 1));
    let again = place.write(sql, overwrite()).await.unwrap();
    assert_eq!((again.version, again.rows.unchanged), (None, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn constraints_hold_on_every_path() {
    let place = Place::new();
    place.write(THREE, merge_on(&["id"])).await.unwrap();
    let constraints = [
        (
            Rule::NotNull { column: "N".into() },
            "select 'a' as id, cast(null as int) as n",
        ),
        (
            Rule::Check {
                condition: "n < 10".into(),
            },
            "select 'a' as id, 11 as n",
        ),
    ];
    for (rule, sql) in constraints {
        for action in [
            merge_on(&["id"]),
            Action::Overwrite { key: None },
            Action::Append { key: None },
        ] {
            let mut write = Write::new(place.location(), action);
            write.constraints = vec![Constraint {
                name: "`a rule`".into(),
                rule: rule.clone(),
            }];
            let broken = place.write_as(sql, write.clone()).await;
            let Err(Error::Constraint { rows, samples, .. }) = broken else {
                panic!("{broken:?}");
            };
            assert_eq!(rows, 1);
            assert!(samples[0].to_string().contains("n = "), "{samples:?}");
            assert_eq!(place.facts().await.version, 0);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_is_applied_once_until_it_is_taken_back() {
    let place = Place::new();
    let append = |once| Write {
        origin: Some(origin("2024-09-01", once)),
        ..Write::new(place.location(), Action::Append { key: None })
    };
    place
        .write(THREE, Action::Append { key: None })
        .await
        .unwrap();
    let first = place.write_as(THREE, append(true)).await.unwrap();
    assert_eq!(first.version, Some(1));
    let second = place.write_as(THREE, append(true)).await.unwrap();
    assert_eq!((second.version, second.repeats), (None, Some(1)));
    assert_eq!(place.all().await.len(), 6);
    let back = maintain::Restore {
        to: maintain::To::Version(0),
        key: None,
        dry_run: false,
        run_id: "run".into(),
    };
    let session = place.session().await;
    let restored = maintain::restore(&session, &place.location(), &back).await;
    restored.unwrap();
    assert_eq!(place.all().await.len(), 3);
    // And forth again: the rows are there.
    let forth = maintain::Restore {
        to: maintain::To::Version(1),
        ..back.clone()
    };
    let restored = maintain::restore(&session, &place.location(), &forth).await;
    restored.unwrap();
    let known = place.write_as(THREE, append(true)).await.unwrap();
    assert_eq!((known.version, known.repeats), (None, Some(1)));
    let restored = maintain::restore(&session, &place.location(), &back).await;
    restored.unwrap();
    let again = place.write_as(THREE, append(true)).await.unwrap();
    assert_eq!((again.version, again.repeats), (Some(5), None));
    // What can be repeated is.
    let repeated = place.write_as(THREE, append(false)).await.unwrap();
    assert_eq!(repeated.version, Some(6));
}

/// Says yes, and lets another process apply the same write first.
struct Repeats<'a> {
    place: &'a Place,
    write: &'a Write,
    done: Mutex<bool>,
}

#[async_trait]
impl Audit for Repeats<'_> {
    async fn passes(&self, _: &Candidate<'_>) -> bool {
        if !std::mem::replace(&mut *self.done.lock().unwrap(), true) {
            let other = self.place.write_as(THREE, self.write.clone()).await;
            other.unwrap();
        }
        true
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interval_that_two_apply_at_once_is_applied_once() {
    let place = Place::new();
    let write = Write {
        origin: Some(origin("2024-09-01", true)),
        ..Write::new(place.location(), Action::Append { key: None })
    };
    let audit = Repeats {
        place: &place,
        write: &write,
        done: Mutex::default(),
    };
    let late = place.audited(THREE, &write, &audit).await.unwrap();
    assert_eq!((late.version, late.repeats), (None, Some(0)));
    assert_eq!(place.all().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn empty_text_is_no_name_of_a_partition() {
    let place = Place::new();
    let mut write = Write::new(place.location(), merge_on(&["id"]));
    write.partition_by = vec!["kind".to_owned()];
    let rows = |kind: &str| format!("select 1 as id, {kind} as kind");
    for _ in 0..2 {
        let refused = place
            .write_as(&rows("''"), write.clone())
            .await
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "1 row has empty text in `kind`, which the table is partitioned by"
        );
        place
            .write_as(&rows("nullif('', '')"), write.clone())
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_computed_from_an_older_version_are_refused() {
    let place = Place::new();
    place.write(THREE, merge_on(&["id"])).await.unwrap();
    place
        .write("select 'a' as id, 5 as n", merge_on(&["id"]))
        .await
        .unwrap();
    let from = |version| Write {
        stands_on: Standpoint::Version(version),
        ..Write::new(place.location(), merge_on(&["id"]))
    };
    let sql = "select id, n + 1 as n from t";
    let late = place.write_as(sql, from(0)).await;
    assert!(matches!(late, Err(Error::Conflict { .. })), "{late:?}");
    assert_eq!(place.facts().await.version, 1);
    let raced = Raced {
        place: &place,
        other: Mutex::new(Some("select 'b' as id, 7 as n")),
        looks: Mutex::default(),
    };
    let overtaken = place.audited(sql, &from(1), &raced).await;
    assert!(
        matches!(overtaken, Err(Error::Conflict { .. })),
        "{overtaken:?}"
    );
    place.write_as(sql, from(2)).await.unwrap();
    let rows = [("a", 6), ("b", 8), ("c", 4)].map(|(id, n)| vec![json!(id), json!(n)]);
    assert_eq!(place.all().await, rows);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unkeyed_replacement_of_a_grown_table_tells_of_every_file() {
    let place = Place::new();
    let write = |change| Write {
        partition_by: vec!["day".to_owned()],
        on_schema_change: change,
        ..Write::new(place.location(), Action::InsertOverwrite { key: None })
    };
    let rows = "select * from (values (1, arrow_cast(1, 'Int32')), (2, arrow_cast(2, 'Int32'))) as t(day, n)";
    place
        .write_as(rows, write(OnSchemaChange::default()))
        .await
        .unwrap();
    let grown = "select 2 as day, 5000000000 as n";
    place
        .write_as(grown, write(OnSchemaChange::default()))
        .await
        .unwrap();
    assert_eq!(
        place.all().await,
        [[json!(1), json!(1)], [json!(2), json!(5_000_000_000_i64)]]
    );
    for line in place.log(1).await {
        for kind in ["add", "remove"] {
            if let Some(file) = line.get(kind) {
                assert_eq!(file["dataChange"], true, "{line}");
            }
        }
    }
}
