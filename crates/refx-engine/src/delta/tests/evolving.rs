//! Columns that change while the table stays.

use super::*;

impl Place {
    async fn evolve(&self, sql: &str, change: OnSchemaChange) -> Result<Commit, Error> {
        let write = Write {
            on_schema_change: change,
            ..Write::new(self.location(), merge_on(&["id"]))
        };
        self.write_as(sql, write).await
    }

    async fn types(&self) -> Vec<String> {
        let columns = self.facts().await.columns;
        let columns = columns.iter();
        columns
            .map(|column| format!("{} {}", column.name, column.data_type))
            .collect()
    }

    pub(super) async fn log(&self, version: i64) -> Vec<Value> {
        let path = format!("t/_delta_log/{version:020}.json");
        let text = std::fs::read_to_string(self.root.join(path)).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn types_grow_in_the_commit_of_the_rows() {
    let place = Place::new();
    let mut write = Write::new(place.location(), merge_on(&["id"]));
    let feed = "delta.enableChangeDataFeed";
    write.configuration = BTreeMap::from([(feed.to_owned(), "true".to_owned())]);
    let old = "select * from (values \
        ('a', arrow_cast(1, 'Int32'), arrow_cast(1.5, 'Decimal128(5, 2)'), cast('2024-01-01' as date)), \
        ('b', arrow_cast(2, 'Int32'), arrow_cast(2.5, 'Decimal128(5, 2)'), cast('2024-01-02' as date))) \
        as t(id, n, price, at)";
    place.write_as(old, write).await.unwrap();
    let new = "select 'b' as id, 5000000000 as n, arrow_cast(2.505, 'Decimal128(8, 3)') as price, \
        cast('2024-01-02 10:00:00' as timestamp) as at";
    let refused = place.evolve(new, OnSchemaChange::Ignore).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "column `n` is integer in the table and bigint in the model"
    );
    let commit = place
        .evolve(new, OnSchemaChange::AppendNewColumns)
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(0, 1, 0, 0)));
    let changes: Vec<String> = commit.columns.iter().map(ToString::to_string).collect();
    assert_eq!(
        changes,
        [
            "`n` widened from integer to bigint",
            "`price` widened from decimal(5,2) to decimal(8,3)",
            "`at` widened from date to timestamp"
        ]
    );
    assert_eq!(
        place.types().await,
        [
            "id varchar",
            "n bigint",
            "price decimal(8,3)",
            "at timestamp"
        ]
    );
    let rows = place
        .rows("select id, n, cast(price as varchar), cast(at as varchar) from t order by id")
        .await;
    assert_eq!(
        rows,
        [
            [
                json!("a"),
                json!(1),
                json!("1.500"),
                json!("2024-01-01T00:00:00")
            ],
            [
                json!("b"),
                json!(5_000_000_000_i64),
                json!("2.505"),
                json!("2024-01-02T10:00:00")
            ],
        ]
    );
    // The feed of the version tells of the row that changed, in files of its own, and of no other.
    let log = place.log(1).await;
    assert!(log.iter().any(|line| line.get("cdc").is_some()));
    let infos = log.iter().filter(|line| line.get("commitInfo").is_some());
    assert_eq!(infos.count(), 1);

    // Narrower rows go into the wider column.
    let narrow = "select 'a' as id, arrow_cast(7, 'Int32') as n";
    let commit = place
        .evolve(narrow, OnSchemaChange::AppendNewColumns)
        .await
        .unwrap();
    assert!(commit.columns.is_empty());
    assert_eq!(
        place.rows("select n from t where id = 'a'").await,
        [[json!(7)]]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rewrite_alone_is_no_change_of_the_data() {
    let place = Place::new();
    place
        .write("select 'a' as id, 1 as n, 2 as gone", merge_on(&["id"]))
        .await
        .unwrap();
    let same = "select 'a' as id, 1 as n";
    let commit = place
        .evolve(same, OnSchemaChange::SyncAllColumns)
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(0, 0, 0, 1)));
    assert_eq!(
        commit.columns,
        [SchemaChange::Dropped {
            column: "gone".into()
        }]
    );
    assert_eq!(place.types().await, ["id varchar", "n bigint"]);
    for line in place.log(1).await {
        for kind in ["add", "remove"] {
            if let Some(file) = line.get(kind) {
                assert_eq!(file["dataChange"], false, "{line}");
            }
        }
        assert!(line.to_string().find("refx.rewrite").is_none());
    }
    let again = place
        .evolve(same, OnSchemaChange::SyncAllColumns)
        .await
        .unwrap();
    assert_eq!(again.version, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn structs_get_fields_and_keep_those_that_rows_lack() {
    let place = Place::new();
    let old = "select 'a' as id, named_struct('x', 1, 'y', 'one') as s, \
        [named_struct('k', 1)] as l";
    place.write(old, merge_on(&["id"])).await.unwrap();
    let new = "select 'b' as id, named_struct('z', 3.5, 'x', 2) as s, \
        [named_struct('k', 2, 'm', true)] as l";
    let commit = place
        .evolve(new, OnSchemaChange::AppendNewColumns)
        .await
        .unwrap();
    assert_eq!(commit.version, Some(1));
    let rows = place.rows("select id, s, l from t order by id").await;
    assert_eq!(
        json!(rows),
        json!([
            ["a", {"x": 1, "y": "one"}, [{"k": 1}]],
            ["b", {"x": 2, "z": 3.5}, [{"k": 2, "m": true}]],
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_columns_of_a_write_are_foreseen() {
    let place = Place::new();
    place
        .write(
            "select 'a' as id, arrow_cast(1, 'Int32') as n",
            merge_on(&["id"]),
        )
        .await
        .unwrap();
    let session = place.session().await;
    let plan = session
        .plan("select 'a' as id, 1 as n, true as new")
        .await
        .unwrap();
    let foreseen = async |action, on_schema_change| {
        let write = Write {
            on_schema_change,
            ..Write::new(place.location(), action)
        };
        let changes = foresee(&plan, &write).await;
        let changes = changes.map_err(|error| error.to_string())?;
        Ok::<_, String>(changes.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(
        foreseen(merge_on(&["id"]), OnSchemaChange::default())
            .await
            .unwrap(),
        [
            "`n` widened from integer to bigint",
            "new column `new` (boolean)"
        ]
    );
    assert_eq!(
        foreseen(Action::Overwrite { key: None }, OnSchemaChange::Fail)
            .await
            .unwrap(),
        [
            "`n` retyped from integer to bigint",
            "new column `new` (boolean)"
        ]
    );
    assert_eq!(
        foreseen(merge_on(&["id"]), OnSchemaChange::Fail)
            .await
            .unwrap_err(),
        "column `n` is integer in the table and bigint in the model"
    );
    assert_eq!(place.facts().await.version, 0);
}
