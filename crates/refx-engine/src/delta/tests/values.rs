//! Values of every type, and names of every kind, through merges with and without rules.

use super::merging::{merge_with, rules, sql};
use super::*;
use refx_core::project::config::{ColumnRule, OnMissing};

/// Two values of each type.
const TYPES: &[(&str, &str, &str)] = &[
    ("string", "'a'", "'b'"),
    ("empty", "''", "' '"),
    (
        "long_decimal",
        "cast('12345678901234567890123456.123456789012' as decimal(38,12))",
        "cast('12345678901234567890123456.123456789013' as decimal(38,12))",
    ),
    ("date", "date '0001-01-01'", "date '9999-12-31'"),
    (
        "at",
        "timestamp '2024-01-01 00:00:00.000001'",
        "timestamp '2024-01-01 00:00:00.000002'",
    ),
    (
        "zoned",
        "timestamptz '2024-01-01T00:00:00.000001Z'",
        "timestamptz '2024-01-01T00:00:00.000002Z'",
    ),
    ("flag", "true", "false"),
    ("nan", "cast('NaN' as double)", "1e300"),
    ("small", "cast('NaN' as real)", "cast(1.5 as real)"),
    (
        "infinite",
        "cast('Infinity' as double)",
        "cast('-Infinity' as double)",
    ),
    ("bytes", "X'00ff'", "X'00fe'"),
    (
        "tiny",
        "arrow_cast(-128, 'Int8')",
        "arrow_cast(127, 'Int8')",
    ),
    ("list", "[1, null]", "[1, 2]"),
    ("no_list", "arrow_cast([], 'List(Int64)')", "[1]"),
    ("nan_list", "[cast('NaN' as double)]", "[1.0]"),
    (
        "struct",
        "named_struct('a', 1, 'b', cast(null as bigint))",
        "named_struct('a', 1, 'b', 2)",
    ),
    (
        "deep",
        "[named_struct('x', [named_struct('y', 'p')])]",
        "[named_struct('x', [named_struct('y', 'q')])]",
    ),
    (
        "map",
        "map(['k', 'l'], [1, null])",
        "map(['k', 'l'], [1, 2])",
    ),
    (
        "struct_map",
        "named_struct('m', map(['k'], ['v']))",
        "named_struct('m', map(['k'], ['w']))",
    ),
];

fn plain() -> Action {
    merge_on(&["id"])
}

fn ruled() -> Action {
    merge_with(|merge| merge.update_when = Some("true".to_owned()))
}

fn full() -> Action {
    merge_with(|merge| merge.on_missing = OnMissing::Flag("gone".to_owned()))
}

/// A row for each type that has `value` in that type's column and the first value in all others, and
/// a row of first values alone. The numbers of the rows are their ids.
fn diagonal(value: impl Fn(&str, &str) -> String) -> String {
    let columns = TYPES.iter().enumerate().map(|(index, (name, one, two))| {
        let value = value(one, two);
        format!("case when value = {index} then {value} else {one} end as \"{name}\"")
    });
    let columns = columns.collect::<Vec<_>>().join(", ");
    format!(
        "select value as id, {columns} from generate_series(0, {})",
        TYPES.len()
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn each_type_is_compared_and_written() {
    let one = diagonal(|one, _| one.to_owned());
    let two = diagonal(|_, two| two.to_owned());
    let null = diagonal(|_, _| "null".to_owned());
    let rows = TYPES.len() as u64;
    for action in [plain, ruled, full] {
        let place = Place::new();
        let write = async |sql: &str| {
            let commit = place.write(sql, action()).await.unwrap();
            (commit.version, commit.rows)
        };
        assert_eq!(write(&one).await, (Some(0), counts(rows + 1, 0, 0, 0)));
        assert_eq!(write(&one).await, (None, counts(0, 0, 0, rows + 1)));
        assert_eq!(write(&two).await, (Some(1), counts(0, rows, 0, 1)));
        assert_eq!(write(&two).await, (None, counts(0, 0, 0, rows + 1)));
        assert_eq!(write(&null).await, (Some(2), counts(0, rows, 0, 1)));
        assert_eq!(write(&null).await, (None, counts(0, 0, 0, rows + 1)));
        for (index, (name, ..)) in TYPES.iter().enumerate() {
            let sql = format!("select id from t where \"{name}\" is null");
            assert_eq!(json!(place.rows(&sql).await), json!([[index]]), "{name}");
        }
        assert_eq!(write(&one).await, (Some(3), counts(0, rows, 0, 1)));
        let same = TYPES.iter().map(|(name, one, _)| {
            format!("count(*) filter (where \"{name}\" is not distinct from {one}) as \"{name}\"")
        });
        let same = same.collect::<Vec<_>>().join(", ");
        let expected = vec![rows + 1; TYPES.len()];
        let found = place.rows(&format!("select {same} from t")).await;
        assert_eq!(json!(found), json!([expected]));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn least_and_greatest_of_each_ordered_type() {
    let place = Place::new();
    let types = &TYPES[..12];
    let select = |second: bool| {
        let columns = types.iter().flat_map(|(name, one, two)| {
            let value = if second { two } else { one };
            [
                format!("{value} as min_{name}"),
                format!("{value} as max_{name}"),
            ]
        });
        format!("select 1 as id, {}", columns.collect::<Vec<_>>().join(", "))
    };
    let names: Vec<(String, ColumnRule)> = types
        .iter()
        .flat_map(|(name, ..)| {
            [
                (format!("min_{name}"), ColumnRule::Min),
                (format!("max_{name}"), ColumnRule::Max),
            ]
        })
        .collect();
    let named: Vec<(&str, ColumnRule)> = names
        .iter()
        .map(|(name, rule)| (name.as_str(), rule.clone()))
        .collect();
    let action = || merge_with(|merge| merge.on_match = rules(&named));
    place.write(&select(false), action()).await.unwrap();
    place.write(&select(true), action()).await.unwrap();
    let conditions = types.iter().map(|(name, one, two)| {
        format!("min_{name} <= {one} and min_{name} <= {two} and max_{name} >= {one} and max_{name} >= {two}")
    });
    let conditions = conditions.collect::<Vec<_>>().join(" and ");
    let rows = place.rows(&format!("select {conditions} from t")).await;
    assert_eq!(json!(rows), json!([[true]]));
    for second in [false, true] {
        let commit = place.write(&select(second), action()).await.unwrap();
        assert_eq!((commit.version, commit.rows), (None, counts(0, 0, 0, 1)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_many_types_match() {
    for (name, one, two) in TYPES {
        // A file's folder and MERGE itself know no such keys.
        if ["list", "struct", "map", "deep"]
            .iter()
            .any(|nested| name.contains(nested))
        {
            continue;
        }
        for action in [plain, full] {
            let place = Place::new();
            let select = |rows: &[(&str, i64)]| {
                let rows = rows
                    .iter()
                    .map(|(key, v)| format!("select {key} as id, {v} as v"));
                rows.collect::<Vec<_>>().join(" union all ")
            };
            place.write(&select(&[(one, 1)]), action()).await.unwrap();
            let commit = place.write(&select(&[(one, 2), (two, 3)]), action()).await;
            let commit = commit.unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(commit.rows, counts(1, 1, 0, 0), "{name}");
            let commit = place
                .write(&select(&[(one, 2), (two, 3)]), action())
                .await
                .unwrap();
            assert_eq!(
                (commit.version, commit.rows),
                (None, counts(0, 0, 0, 2)),
                "{name}"
            );
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_names_in_every_rule() {
    const NAMES: [&str; 9] = [
        "User Id",
        "a.b",
        "Größe",
        "select",
        "it's",
        "say \"hi\"",
        "target",
        "UPPER",
        "source.x",
    ];
    let place = Place::new();
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let row = |id: i64, v: i64| {
        let columns = NAMES.iter().enumerate().map(|(index, name)| {
            let value = if index == 0 { id } else { v };
            format!("cast({value} as bigint) as {}", quoted(name))
        });
        format!("select {}", columns.collect::<Vec<_>>().join(", "))
    };
    let action = |on_missing: OnMissing| {
        let mut merge = Merge::on(key(&["user id"]));
        merge.on_match = rules(
            &[
                ("A.B", ColumnRule::Max),
                ("GRÖSSE", ColumnRule::Min),
                ("größe", ColumnRule::Min),
                ("it's", ColumnRule::Sum),
                (
                    "say \"hi\"",
                    sql("source.\"say \"\"hi\"\"\" * 10 + target.\"a.b\""),
                ),
                ("SELECT", ColumnRule::Coalesce),
                ("target", ColumnRule::Keep),
            ][..],
        );
        merge.on_match.columns.remove(1);
        merge.update_when =
            Some("source.\"source.x\" >= target.\"SOURCE.X\" and source.\"upper\" > 0".to_owned());
        merge.insert_when = Some("source.\"größe\" < 100".to_owned());
        merge.delete_when = Some("source.\"it's\" = 13".to_owned());
        merge.prune_by = vec![
            "A.b".to_owned(),
            "say \"HI\"".to_owned(),
            "User id".to_owned(),
        ];
        merge.on_missing = on_missing;
        merge.max_delete_ratio = 1.0;
        Write {
            configuration: [("delta.enableChangeDataFeed".to_owned(), "true".to_owned())].into(),
            ..Write::new(place.location(), Action::Merge(merge))
        }
    };
    let both = |left: String, right: String| format!("{left} union all {right}");
    place
        .write_as(&both(row(1, 5), row(2, 5)), action(OnMissing::Keep))
        .await
        .unwrap();
    let commit = place
        .write_as(
            &both(row(1, 7), both(row(3, 1), row(4, 100))),
            action(OnMissing::Keep),
        )
        .await
        .unwrap();
    assert_eq!(commit.rows, counts(1, 1, 0, 1));
    let columns = NAMES.map(quoted).join(", ");
    assert_eq!(
        json!(
            place
                .rows(&format!("select {columns} from t where \"User Id\" = 1"))
                .await
        ),
        json!([[1, 7, 5, 7, 12, 75, 5, 7, 7]])
    );
    let gone = OnMissing::Flag("Où?".to_owned());
    let commit = place
        .write_as(&both(row(1, 13), row(3, 1)), action(gone))
        .await
        .unwrap();
    assert_eq!(
        commit.rows,
        Counts {
            source: 2,
            updated: 2,
            deleted: 1,
            ..Counts::default()
        }
    );
}
