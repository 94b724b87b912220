//! Rules by column, and conditions.

use std::collections::HashSet;

use super::*;
use refx_core::diagnostic::Span;
use refx_core::project::Spanned;
use refx_core::project::config::{ColumnRule, OnMatch};

pub(super) fn rules(columns: &[(&str, ColumnRule)]) -> OnMatch {
    let columns = columns.iter().map(|(name, rule)| {
        let name = Spanned {
            value: (*name).to_owned(),
            span: Span::file("m.sql"),
        };
        (name, rule.clone())
    });
    OnMatch {
        others: ColumnRule::Replace,
        columns: columns.collect(),
    }
}

pub(super) fn sql(text: &str) -> ColumnRule {
    ColumnRule::Sql(text.to_owned())
}

pub(super) fn merge_with(change: impl FnOnce(&mut Merge)) -> Action {
    let mut merge = Merge::on(key(&["id"]));
    change(&mut merge);
    Action::Merge(merge)
}

/// What a rule refused says, with its way out.
pub(super) fn refused(error: Error) -> String {
    let Error::Rule { ref help, .. } = error else {
        panic!("{error}");
    };
    match help {
        Some(help) => format!("{error} / {help}"),
        None => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_column_follows_its_rule() {
    let place = Place::new();
    let select = |rows: &str| {
        format!(
            "select column1 as id, cast(column2 as bigint) as \"Low\", cast(column3 as bigint) as high,
                cast(column4 as decimal(10, 2)) as total, column5 as said, column6 as kept,
                cast(column7 as bigint) as diff
            from (values {rows})"
        )
    };
    let action = || {
        merge_with(|merge| {
            merge.on_match = rules(&[
                ("low", ColumnRule::Min),
                ("HIGH", ColumnRule::Max),
                ("total", ColumnRule::Sum),
                ("said", ColumnRule::Coalesce),
                ("kept", ColumnRule::Keep),
                ("diff", sql("source.low - target.LOW")),
            ]);
        })
    };
    let first = "(1, 5, 5, 1.50, 'a', 'k', 0), (2, null, null, null, null, null, 0), (3, 1, 1, 1, 'x', 'y', 0)";
    place.write(&select(first), action()).await.unwrap();
    let second =
        "(1, 3, 4, 2.25, null, 'l', 9), (2, 7, 7, 7, 'b', 'm', 9), (4, 1, 1, 1, 'n', 'n', 5)";
    let commit = place.write(&select(second), action()).await.unwrap();
    assert_eq!(commit.rows, counts(1, 2, 0, 0));
    assert_eq!(
        json!(place.rows("select * from t order by id").await),
        json!([
            [1, 3, 5, 3.75, "a", "k", -2],
            [2, 7, 7, 7.0, "b", null, null],
            [3, 1, 1, 1.0, "x", "y", 0],
            [4, 1, 1, 1.0, "n", "n", 5]
        ])
    );
    // What changes nothing: the least and greatest are known, NULL adds nothing.
    let third = "(3, 2, 0, null, null, 'z', 9)";
    let with_diff = merge_with(|merge| {
        merge.on_match = rules(&[
            ("low", ColumnRule::Min),
            ("high", ColumnRule::Max),
            ("total", ColumnRule::Sum),
            ("said", ColumnRule::Coalesce),
            ("kept", ColumnRule::Keep),
            ("diff", ColumnRule::Keep),
        ]);
    });
    let commit = place.write(&select(third), with_diff).await.unwrap();
    assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 1)));
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_guard_updates_inserts_and_deletes() {
    let place = Place::new();
    let select = |rows: &str| {
        format!(
            "select column1 as id, column2 as v, column3 as at, column4 as gone from (values {rows})"
        )
    };
    let action = || {
        merge_with(|merge| {
            merge.update_when = Some("S.At > t.at".to_owned());
            merge.insert_when = Some("v <> 'no'".to_owned());
            merge.delete_when = Some("gone".to_owned());
            merge.source_alias = Some("s".to_owned());
            merge.target_alias = Some("T".to_owned());
        })
    };
    let first = "(1, 'a', 5, false), (2, 'b', 5, false), (3, 'c', 5, false), (4, 'd', 5, false)";
    place.write(&select(first), action()).await.unwrap();
    let second = "(1, 'A', 6, false), (2, 'B', 5, false), (3, 'c', 9, true), (4, 'd', 5, null),
        (5, 'no', 1, false), (6, 'f', 1, null), (7, 'g', 1, true), (8, null, 1, false)";
    let commit = place.write(&select(second), action()).await.unwrap();
    assert_eq!(
        commit.rows,
        Counts {
            source: 8,
            inserted: 1,
            updated: 1,
            deleted: 1,
            unchanged: 5
        }
    );
    assert_eq!(
        json!(place.rows("select id, v, at from t order by id").await),
        json!([[1, "A", 6], [2, "b", 5], [4, "d", 5], [6, "f", 1]])
    );
    // Older rows, rows that are gone already and rows that are not wanted change nothing.
    let third = "(1, 'x', 6, false), (3, 'c', 9, true), (5, 'no', 1, false)";
    let commit = place.write(&select(third), action()).await.unwrap();
    assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 3)));
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_that_deltalake_has_no_text_for() {
    let place = Place::new();
    let select = |at: &str, tags: &str| {
        format!(
            "select 1 as id, timestamp '{at}' as at, {tags} as tags, named_struct('n', 1, 'l', [named_struct('Deep', 5)]) as s"
        )
    };
    let action = || {
        merge_with(|merge| {
            merge.update_when = Some(
                "source.at - interval '1 day' >= target.at and source.at in (now() - interval '1 day', source.at)
                 and array_has(target.tags, 'x') is not true and try_cast(source.tags[1] as bigint) is null
                 and source.s.n = 1 and target.s.l[1].\"Deep\" = 5 and case when target.s.n = 1 then true else false end"
                    .to_owned(),
            );
        })
    };
    place
        .write(&select("2024-01-01", "['a', 'b']"), action())
        .await
        .unwrap();
    let commit = place
        .write(&select("2024-01-01 23:00:00", "['c']"), action())
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 1)));
    let commit = place
        .write(&select("2024-01-02", "['c']"), action())
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (Some(1), counts(0, 1, 0, 0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_that_do_not_fit_are_told_before_anything_runs() {
    let place = Place::new();
    type Try<'a> = (&'a str, &'a dyn Fn(&mut Merge));
    let tries: &[Try<'_>] = &[
        (
            "`update_when`: it names `bt`, which the model does not select / did you mean `at`?",
            &|merge| merge.update_when = Some("source.bt > target.at".into()),
        ),
        (
            "`update_when`: `at` is a column of both sides / write `source.at` or `target.at`",
            &|merge| merge.update_when = Some("at > 1".into()),
        ),
        (
            "`delete_when`: it speaks of `target`, and there is only `source` / write `source.` before its columns, or nothing",
            &|merge| merge.delete_when = Some("target.at > 1".into()),
        ),
        (
            "`insert_when`: `at + 1` is of type bigint, and no condition / compare it with something: `… > 0`, `… is not null`",
            &|merge| merge.insert_when = Some("at + 1".into()),
        ),
        (
            "`on_match`: it names `wrong`, which the model does not select / the columns are `id`, `v`, `at`, `l`, `f`",
            &|merge| merge.on_match = rules(&[("wrong", ColumnRule::Min)]),
        ),
        (
            "`on_match`: `sum` of `v` is not possible: a value of type varchar cannot be added up / choose `replace`, `keep` or `coalesce`, or write `{sql: \"…\"}` for `v`",
            &|merge| merge.on_match = rules(&[("v", ColumnRule::Sum)]),
        ),
        (
            "`on_match`: `min` of `l` is not possible: a value of type bigint[] has no order / choose `replace`, `keep` or `coalesce`, or write `{sql: \"…\"}` for `l`",
            &|merge| merge.on_match = rules(&[("l", ColumnRule::Min)]),
        ),
        (
            "`prune_by`: the table has no column `day` / the columns are `id`, `v`, `at`, `l`, `f`",
            &|merge| merge.prune_by = vec!["day".into()],
        ),
        (
            "`prune_by`: `f` is of type double, by whose values files are not told apart / name a column of dates, instants, whole numbers or texts",
            &|merge| merge.prune_by = vec!["F".into()],
        ),
    ];
    let query = "select 1 as id, 'a' as v, 1 as at, [1] as l, 1.5 as f";
    for (expected, change) in tries {
        let error = place.write(query, merge_with(change)).await.unwrap_err();
        assert_eq!(refused(error), *expected);
    }
    for text in [
        "source.at >",
        "source.at > 1 and",
        "source.at > 1 sneaky",
        "1; drop table t",
        "",
    ] {
        let action = merge_with(|merge| merge.update_when = Some(text.into()));
        let error = place.write(query, action).await.unwrap_err();
        assert!(matches!(error, Error::Rule { .. }), "{error}");
    }
    assert!(inspect(&place.location()).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_that_overflow_fail_and_leave_the_table() {
    let place = Place::new();
    let action = || merge_with(|merge| merge.on_match = rules(&[("n", ColumnRule::Sum)]));
    let sql = |n: &str| format!("select 1 as id, {n} as n");
    place
        .write(&sql("9223372036854775807"), action())
        .await
        .unwrap();
    place.write(&sql("1"), action()).await.unwrap_err();
    let commit = place.write(&sql("-7"), action()).await.unwrap();
    assert_eq!(commit.version, Some(1));
    assert_eq!(
        json!(place.rows("select n from t").await),
        json!([[9_223_372_036_854_775_800_i64]])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_never_changes_the_result() {
    let place = Place::new();
    let select = |rows: &str| {
        format!(
            "select column1 as id, cast(column2 as date) as \"the day\", cast(column3 as timestamp) as at, column4 as v
            from (values {rows})"
        )
    };
    let action = |columns: &[&str]| {
        let columns: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        merge_with(|merge| merge.prune_by = columns)
    };
    // One file a day, and one of rows without a day.
    for rows in [
        "(1, '2024-01-01', '2024-01-01 00:00:00.123456', 'a')",
        "(2, '2024-01-02', '2024-01-02 00:00:00.123999', 'b')",
        "(3, null, null, 'c')",
    ] {
        place.write(&select(rows), action(&[])).await.unwrap();
    }
    // The day of 1 moved, 3 has none, 2 stays; 4 is new.
    let rows = "(1, '2024-03-01', '2024-03-01', 'A'), (2, '2024-01-02', '2024-01-02 00:00:00.123999', 'B'),
        (3, '2024-03-01', null, 'C'), (4, null, null, 'D')";
    let commit = place
        .write(&select(rows), action(&["THE DAY", "at"]))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(1, 3, 0, 0));
    assert_eq!(
        json!(place.rows("select id, v from t order by id").await),
        json!([[1, "A"], [2, "B"], [3, "C"], [4, "D"]])
    );
    let commit = place
        .write(&select(rows), action(&["the day", "at"]))
        .await
        .unwrap();
    assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 4)));
}

/// Makes the values of a column unreadable in a data file; its other columns and its footer stay.
fn spoil(file: &std::path::Path, column: &str) {
    use deltalake::parquet::file::reader::{FileReader, SerializedFileReader};
    let reader = SerializedFileReader::new(std::fs::File::open(file).unwrap()).unwrap();
    let mut bytes = std::fs::read(file).unwrap();
    for group in reader.metadata().row_groups() {
        let chunks = group.columns().iter();
        for chunk in chunks.filter(|chunk| chunk.column_path().string() == column) {
            let (start, length) = chunk.byte_range();
            bytes[start as usize..(start + length) as usize].fill(0xff);
        }
    }
    std::fs::write(file, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_reads_fewer_files() {
    let place = Place::new();
    let select = |day: i64, v: &str| format!("select {day} * 10 as day, {day} as id, '{v}' as v");
    let mut known = HashSet::new();
    for day in 1..=5 {
        place
            .write(&select(day, "a"), merge_on(&["id"]))
            .await
            .unwrap();
        let files = std::fs::read_dir(place.root.join("t")).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let is_data = |path: &PathBuf| path.extension().is_some_and(|end| end == "parquet");
        for file in files.filter(is_data) {
            if known.insert(file.clone()) && day != 2 {
                spoil(&file, "v");
            }
        }
    }
    assert_eq!(known.len(), 5);
    let action = |prune_by: &[&str], resolved: bool| {
        merge_with(|merge| {
            merge.prune_by = prune_by.iter().map(|name| (*name).into()).collect();
            merge.update_when = resolved.then(|| "true".to_owned());
        })
    };
    for (resolved, added) in [(false, 8), (true, 9)] {
        let v = if resolved { "c" } else { "b" };
        let two = format!("{} union all {}", select(2, v), select(added, "z"));
        // The key alone does not do: 2 to 8 holds all files but the first.
        assert!(place.write(&two, action(&[], resolved)).await.is_err());
        let commit = place.write(&two, action(&["day"], resolved)).await.unwrap();
        assert_eq!(commit.rows.updated, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_merge_of_a_thousand_columns_gives_the_right_rows() {
    let place = Place::new();
    let select = |ids: &[i64], plus: i64| {
        let rows = ids.iter().map(|id| {
            let values = (0..1000).map(|column| format!("{} as c{column}", id * column + plus));
            format!(
                "select {id} as id, {}",
                values.collect::<Vec<_>>().join(", ")
            )
        });
        rows.collect::<Vec<_>>().join(" union all ")
    };
    place
        .write(&select(&[1, 2, 3], 0), merge_on(&["id"]))
        .await
        .unwrap();
    let commit = place
        .write(&select(&[2, 4], 1), merge_on(&["id"]))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(1, 1, 0, 0));
    let commit = place
        .write(&select(&[2, 3], 1), merge_on(&["id"]))
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(0, 1, 0, 1));
    assert_eq!(
        json!(
            place
                .rows("select id, c0, c500, c999 from t order by id")
                .await
        ),
        json!([
            [1, 0, 500, 999],
            [2, 1, 1001, 1999],
            [3, 1, 1501, 2998],
            [4, 1, 2001, 3997]
        ])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_first_load_and_a_full_refresh_leave_out_what_is_deleted() {
    let rows = "select * from (values (1, 'fr', false), (2, 'xx', false), (3, 'be', true), (4, 'be', null)) \
        as t(id, country, erased)";
    let action = merge_with(|merge| {
        merge.insert_when = Some("country <> 'xx'".to_owned());
        merge.delete_when = Some("source.erased".to_owned());
    });
    let Action::Merge(merge) = &action else {
        unreachable!("it was made as one")
    };
    let refresh = Action::Overwrite {
        key: Some(merge.key.clone()),
    };
    for refreshes in [false, true] {
        let place = Place::new();
        let mut write = Write::new(place.location(), action.clone());
        if refreshes {
            place
                .write("select 9 as other", Action::Overwrite { key: None })
                .await
                .unwrap();
            write.action = refresh.clone();
            write.admission = Some(merge.clone());
        }
        let commit = place.write_as(rows, write).await.unwrap();
        assert_eq!(commit.rows.inserted, 3);
        assert_eq!(
            json!(place.rows("select id from t order by id").await),
            json!([[1], [2], [4]])
        );
    }
}
