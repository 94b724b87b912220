//! Tables that another tool changed, in ways that refx itself does not.

use super::*;

impl Place {
    /// Commits lines of another tool as the next version.
    async fn entry(&self, lines: &[Value]) {
        let version = self.facts().await.version + 1;
        commit_as_another_tool(&self.root.join("t"), version, lines);
    }

    /// What a kind of action says in a version.
    async fn said(&self, version: i64, kind: &str) -> Value {
        let log = self.log(version).await;
        let found = log.iter().find_map(|line| line.get(kind).cloned());
        found.unwrap_or_default()
    }

    /// Makes a promise about the first column, as other tools do.
    async fn promise(&self, invariant: &str) {
        let mut metadata = self.said(0, "metaData").await;
        let schema = metadata["schemaString"].as_str().unwrap();
        let mut schema: Value = serde_json::from_str(schema).unwrap();
        let promise = json!({"expression": {"expression": invariant}}).to_string();
        schema["fields"][0]["metadata"] = json!({"delta.invariants": promise});
        metadata["schemaString"] = json!(schema.to_string());
        let protocol = json!({"minReaderVersion": 1, "minWriterVersion": 2});
        self.entry(&[json!({"protocol": protocol}), json!({"metaData": metadata})])
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restore_brings_back_rows_that_another_tool_deleted_in_place() {
    let place = Place::new();
    let rows = "select value as id from generate_series(1, 30) as s(value)";
    place.write(rows, merge_on(&["id"])).await.unwrap();
    let mut file = place.said(0, "add").await;
    let removal = removal_of(&file);
    file["deletionVector"] = six_rows_deleted();
    let features = json!(["deletionVectors"]);
    let protocol = json!({
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": features, "writerFeatures": features,
    });
    let lines = [json!({"protocol": protocol}), removal, json!({"add": file})];
    place.entry(&lines).await;
    assert_eq!(place.all().await.len(), 24);
    let options = maintain::Restore {
        to: maintain::To::Version(0),
        key: None,
        dry_run: false,
        run_id: "run".into(),
    };
    let session = place.session().await;
    let done = maintain::restore(&session, &place.location(), &options).await;
    let done = done.unwrap();
    assert_eq!((done.differs, done.version), (true, Some(2)));
    assert_eq!(place.all().await.len(), 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replaced_table_keeps_what_another_tool_promised() {
    let place = Place::new();
    let replace = || Action::Overwrite { key: None };
    place
        .write("select 1 as n, 'a' as v", replace())
        .await
        .unwrap();
    place.promise("n > 0").await;
    place
        .write("select 2 as n, 'b' as v", replace())
        .await
        .unwrap();
    assert_eq!(place.said(2, "metaData").await, Value::Null);
    let broken = place.write("select 0 as n, 'c' as v", replace()).await;
    assert!(broken.is_err(), "{broken:?}");
    let other = place
        .write("select 3 as n, 'd' as v, 1 as more", replace())
        .await;
    let Err(Error::Refused { what, .. }) = other else {
        panic!("{other:?}");
    };
    assert!(what.contains("`n` has an invariant"), "{what}");
    assert_eq!(place.all().await, [[json!(2), json!("b")]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_of_binary_values_are_not_replaced() {
    let place = Place::new();
    let write = Write {
        partition_by: vec!["part".to_owned()],
        ..Write::new(place.location(), Action::InsertOverwrite { key: None })
    };
    let sql = "select arrow_cast('a', 'Binary') as part, 1 as n";
    let refused = place.write_as(sql, write).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the partitions of `part` cannot be replaced: its values are binary"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_replaced_in_one_commit() {
    let place = Place::new();
    let by = |key: Option<&str>| Write {
        defaults: [("delta.enableChangeDataFeed".to_owned(), "true".to_owned())].into(),
        ..Write::new(
            place.location(),
            Action::DeleteInsert {
                by: PrimaryKey::new(["day"]).unwrap(),
                key: key.and_then(|key| PrimaryKey::new([key])),
            },
        )
    };
    let rows =
        |values: &str| format!("select column1 as day, column2 as id from (values {values})");
    let first = rows("(1, 1), (1, 2), (2, 3), (null, 4)");
    place.write_as(&first, by(Some("id"))).await.unwrap();
    let done = place
        .write_as(&rows("(2, 3), (2, 5), (null, 6)"), by(Some("id")))
        .await
        .unwrap();
    assert_eq!((done.rows.inserted, done.rows.deleted), (3, 2));
    assert_eq!(done.version, Some(1));
    let found = place.rows("select day, id from t order by id").await;
    let wanted = [
        (Some(1), 1),
        (Some(1), 2),
        (Some(2), 3),
        (Some(2), 5),
        (None, 6),
    ];
    assert_eq!(found, wanted.map(|(day, id)| vec![json!(day), json!(id)]));
    // A key that stays in another group would be there twice.
    let twice = place.write_as(&rows("(3, 1)"), by(Some("id"))).await;
    assert!(
        matches!(twice, Err(Error::DuplicateKey { .. })),
        "{twice:?}"
    );
    place.write_as(&rows("(3, 1)"), by(None)).await.unwrap();
}

/// The versions whose log entries are left once a table of eight commits, the first four of them ten
/// days old, has made its last checkpoint; `features` are what the table asks of its writers.
async fn left_of_an_old_log(features: &[&str]) -> Vec<i64> {
    let place = Place::new();
    let settings = [
        ("delta.checkpointInterval", "2"),
        ("delta.logRetentionDuration", "interval 1 days"),
    ];
    let settings = settings.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let write = || Write {
        configuration: settings.clone().into(),
        ..Write::new(place.location(), Action::Append { key: None })
    };
    place.write_as("select 0 as n", write()).await.unwrap();
    let protocol = json!({
        "minReaderVersion": 1, "minWriterVersion": 7, "writerFeatures": features,
    });
    place.entry(&[json!({"protocol": protocol})]).await;
    let log = place.root.join("t/_delta_log");
    let old = std::time::SystemTime::now() - std::time::Duration::from_hours(240);
    for n in 2..8 {
        place
            .write_as(&format!("select {n} as n"), write())
            .await
            .unwrap();
        if n == 3 {
            for file in std::fs::read_dir(&log).unwrap() {
                let file = std::fs::File::options()
                    .append(true)
                    .open(file.unwrap().path());
                file.unwrap().set_modified(old).unwrap();
            }
        }
    }
    assert_eq!(place.all().await.len(), 7);
    let mut left = Vec::new();
    for version in 0..8 {
        if log.join(format!("{version:020}.json")).exists() {
            left.push(version);
        }
    }
    left
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_log_stays_where_the_table_protects_its_checkpoints() {
    assert_eq!(left_of_an_old_log(&[]).await, [3, 4, 5, 6, 7]);
    let protected = left_of_an_old_log(&["checkpointProtection"]).await;
    assert_eq!(protected, [0, 1, 2, 3, 4, 5, 6, 7]);
}
