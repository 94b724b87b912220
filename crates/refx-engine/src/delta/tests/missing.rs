//! Rows of the table that a full source no longer has.

use super::merging::{merge_with, refused};
use super::*;
use refx_core::project::config::OnMissing;

fn missing(on_missing: OnMissing, change: impl FnOnce(&mut Merge)) -> Action {
    merge_with(|merge| {
        merge.on_missing = on_missing;
        merge.max_delete_ratio = 1.0;
        change(merge);
    })
}

fn day(day: i64) -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::UNIX_EPOCH + chrono::Duration::days(19_723 + day)
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rows_are_deleted_up_to_a_ratio() {
    let place = Place::new();
    let all = "select value as id, value as v from generate_series(1, 1000)";
    let delete = |ratio: f64| missing(OnMissing::Delete, |merge| merge.max_delete_ratio = ratio);
    place.write(all, delete(0.05)).await.unwrap();
    let most = |rows: u64| format!("{all} where value > {rows}");
    let error = place.write(&most(312), delete(0.05)).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "`on_missing` would delete 312 of 1,000 rows (31.2 %), more than `max_delete_ratio` 5 %"
    );
    assert_eq!(place.facts().await.version, 0);
    let commit = place.write(&most(50), delete(0.05)).await.unwrap();
    assert_eq!(
        (commit.version, commit.rows),
        (Some(1), counts(0, 0, 50, 950))
    );
    // A source without a row is the whole table gone.
    let error = place.write(&most(1000), delete(0.999)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooManyMissing {
                deleted: 950,
                rows: 950,
                ..
            }
        ),
        "{error}"
    );
    let commit = place.write(&most(1000), delete(1.0)).await.unwrap();
    assert_eq!(
        (commit.version, commit.rows),
        (Some(2), counts(0, 0, 950, 0))
    );
    let commit = place.write(&most(1000), delete(0.0)).await.unwrap();
    assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rows_are_flagged_and_come_back() {
    let place = Place::new();
    let flag = || missing(OnMissing::Flag("Is Gone".to_owned()), |_| {});
    let first = place
        .write(&pairs("(1, 'a'), (2, 'b'), (3, 'c')"), flag())
        .await
        .unwrap();
    assert_eq!(first.rows, counts(3, 0, 0, 0));
    let commit = place
        .write(&pairs("(1, 'a'), (3, 'C')"), flag())
        .await
        .unwrap();
    assert_eq!(
        commit.rows,
        Counts {
            source: 2,
            updated: 2,
            unchanged: 1,
            ..Counts::default()
        }
    );
    let rows = "select id, v, \"Is Gone\" from t order by id";
    assert_eq!(
        json!(place.rows(rows).await),
        json!([[1, "a", false], [2, "b", true], [3, "C", false]])
    );
    let commit = place
        .write(&pairs("(1, 'a'), (3, 'C')"), flag())
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 2)));
    // Back, though its content must not be updated.
    let guarded = missing(OnMissing::Flag("is gone".to_owned()), |merge| {
        merge.update_when = Some("false".to_owned());
    });
    let commit = place
        .write(&pairs("(1, 'x'), (2, 'y'), (3, 'z')"), guarded)
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(0, 1, 0, 2));
    assert_eq!(
        json!(place.rows(rows).await),
        json!([[1, "a", false], [2, "b", false], [3, "C", false]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_gets_the_flag_later_whatever_its_schema_may_do() {
    for change in [
        OnSchemaChange::AppendNewColumns,
        OnSchemaChange::Ignore,
        OnSchemaChange::Fail,
        OnSchemaChange::SyncAllColumns,
    ] {
        let place = Place::new();
        place
            .write(&pairs("(1, 'a'), (2, 'b'), (3, null)"), merge_on(&["id"]))
            .await
            .unwrap();
        let write = Write {
            on_schema_change: change,
            ..Write::new(
                place.location(),
                missing(OnMissing::Flag("gone".to_owned()), |_| {}),
            )
        };
        let commit = place
            .write_as(&pairs("(1, 'a'), (4, 'd')"), write.clone())
            .await
            .unwrap();
        assert_eq!(commit.columns[0].to_string(), "new column `gone` (boolean)");
        // All rows that are there learn whether they are.
        assert_eq!(
            json!(place.rows("select id, gone from t order by id").await),
            json!([[1, false], [2, true], [3, true], [4, false]])
        );
        assert_eq!(place.facts().await.columns.len(), 3);
        let commit = place
            .write_as(&pairs("(1, 'a'), (4, 'd')"), write)
            .await
            .unwrap();
        assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 2)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rows_expire() {
    let place = Place::new();
    let on = |at: i64| missing(OnMissing::ExpireAfter(3), |merge| merge.as_of = day(at));
    let all = pairs("(1, 'a'), (2, 'b'), (3, 'c')");
    place.write(&all, on(0)).await.unwrap();
    let one = pairs("(1, 'a')");
    let commit = place.write(&one, on(1)).await.unwrap();
    assert_eq!(
        commit.rows,
        Counts {
            source: 1,
            updated: 2,
            unchanged: 1,
            ..Counts::default()
        }
    );
    let rows = "select id, cast(missing_since as varchar) from t order by id";
    assert_eq!(
        json!(place.rows(rows).await),
        json!([
            [1, null],
            [2, "2024-01-02T00:00:00Z"],
            [3, "2024-01-02T00:00:00Z"]
        ])
    );
    // The same day again, and an earlier one: nothing.
    for at in [1, 0, 3] {
        let commit = place.write(&one, on(at)).await.unwrap();
        assert_eq!(
            (commit.version, commit.rows),
            (None, counts(0, 0, 0, 1)),
            "day {at}"
        );
    }
    // 3 is back in time; then 2 has been away for three days.
    let commit = place
        .write(&pairs("(1, 'a'), (3, 'c')"), on(3))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(0, 1, 0, 1));
    let commit = place
        .write(&pairs("(1, 'a'), (3, 'c')"), on(4))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(0, 0, 1, 2));
    assert_eq!(json!(place.rows(rows).await), json!([[1, null], [3, null]]));
    // Back after it expired: a new row.
    let commit = place.write(&all, on(5)).await.unwrap();
    assert_eq!(commit.rows, counts(1, 0, 0, 2));
    let at_once = missing(OnMissing::ExpireAfter(0), |merge| merge.as_of = day(5));
    let commit = place.write(&one, at_once).await.unwrap();
    assert_eq!(commit.rows, counts(0, 0, 2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_limits_what_may_expire() {
    let place = Place::new();
    let all = "select value as id, value as v from generate_series(1, 100)";
    let on = |at: i64| {
        missing(OnMissing::ExpireAfter(2), |merge| {
            merge.as_of = day(at);
            merge.max_delete_ratio = 0.05;
        })
    };
    place.write(all, on(0)).await.unwrap();
    let few = format!("{all} where value > 6");
    let commit = place.write(&few, on(1)).await.unwrap();
    assert_eq!(commit.rows.updated, 6);
    let error = place.write(&few, on(3)).await.unwrap_err();
    assert!(
        matches!(
            error,
            Error::TooManyMissing {
                deleted: 6,
                rows: 100,
                ..
            }
        ),
        "{error}"
    );
    let commit = place
        .write(&format!("{all} where value > 5"), on(3))
        .await
        .unwrap();
    assert_eq!((commit.rows.updated, commit.rows.deleted), (1, 5));
}

#[tokio::test(flavor = "multi_thread")]
async fn missing_rows_are_set_where_a_condition_holds() {
    let place = Place::new();
    let select = |rows: &str| {
        format!("select column1 as id, column2 as kind, column3 as \"State\" from (values {rows})")
    };
    let action = |on_missing: OnMissing| {
        missing(on_missing, |merge| {
            merge.missing_when = Some("T.Kind = 'mine'".to_owned());
            merge.target_alias = Some("t".to_owned());
        })
    };
    let set = || OnMissing::Set("t.state = concat(state, '/gone')".to_owned());
    place
        .write(
            &select("(1, 'mine', 'x'), (2, 'mine', 'y'), (3, 'yours', 'z')"),
            action(set()),
        )
        .await
        .unwrap();
    let commit = place
        .write(&select("(1, 'mine', 'x')"), action(set()))
        .await
        .unwrap();
    assert_eq!(
        commit.rows,
        Counts {
            source: 1,
            updated: 1,
            unchanged: 1,
            ..Counts::default()
        }
    );
    let rows = "select id, \"State\" from t order by id";
    assert_eq!(
        json!(place.rows(rows).await),
        json!([[1, "x"], [2, "y/gone"], [3, "z"]])
    );
    let commit = place
        .write(&select("(1, 'mine', 'x')"), action(OnMissing::Delete))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(0, 0, 1, 1));
    assert_eq!(json!(place.rows(rows).await), json!([[1, "x"], [3, "z"]]));
    for (text, told) in [
        (
            "id = 2",
            "`not_matched_by_source_action`: it sets `id`, a column of the primary key / leave it out: the key says which row it is",
        ),
        (
            "stat = 2",
            "`not_matched_by_source_action`: it names `stat`, which the table does not have / did you mean `State`?",
        ),
        (
            "state = 'a', state = 'b'",
            "`not_matched_by_source_action`: `State` is set twice / keep one of them",
        ),
    ] {
        let action = action(OnMissing::Set(text.to_owned()));
        let error = place
            .write(&select("(1, 'mine', 'x')"), action)
            .await
            .unwrap_err();
        assert_eq!(refused(error), told);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_may_have_the_flag_and_not_the_date() {
    let place = Place::new();
    let flag = || missing(OnMissing::Flag("gone".to_owned()), |_| {});
    let sql = |rows: &str| format!("select column1 as id, column2 as gone from (values {rows})");
    place
        .write(&sql("(1, true), (2, false)"), flag())
        .await
        .unwrap();
    let commit = place.write(&sql("(1, true)"), flag()).await.unwrap();
    assert_eq!(
        commit.rows,
        Counts {
            source: 1,
            updated: 1,
            unchanged: 1,
            ..Counts::default()
        }
    );
    let error = place
        .write("select 1 as id, 'x' as gone", flag())
        .await
        .unwrap_err();
    assert_eq!(
        refused(error),
        "`on_missing`: it flags rows in `gone`, which the model selects as varchar / select a boolean, or name another column"
    );
    let expire = missing(OnMissing::ExpireAfter(1), |_| {});
    let error = place
        .write("select 1 as id, now() as missing_since", expire)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            Error::Rule {
                setting: "on_missing",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_refresh_keeps_the_column() {
    let place = Place::new();
    let write = Write {
        own_column: OwnColumn::of(&OnMissing::Flag("gone".to_owned())),
        ..Write::new(
            place.location(),
            Action::Overwrite {
                key: Some(key(&["id"])),
            },
        )
    };
    place
        .write_as(&pairs("(1, 'a')"), write.clone())
        .await
        .unwrap();
    assert_eq!(
        json!(place.rows("select * from t").await),
        json!([[1, "a", false]])
    );
    let commit = place.write_as(&pairs("(1, 'a')"), write).await.unwrap();
    assert_eq!(commit.version, None);
}
