use serde_json::{Value, json};

use crate::engine::tests;

const TABLES: &str = "with l(a, b, x) as (values (1, 1, 'l1'), (2, 1, 'l2')), \
     r(a, b, y) as (values (2, 1, 'r2'), (3, 1, 'r3')), \
     s(a, z) as (values (3, 's3'), (4, 's4')) ";

async fn rows(query: &str) -> Result<Value, String> {
    tests::rows(TABLES, query).await
}

#[tokio::test]
async fn a_merged_column_is_of_the_side_that_has_the_row() {
    for (query, expected) in [
        (
            "select a, x, y from l right join r using (a) order by a",
            json!([[2, "l2", "r2"], [3, null, "r3"]]),
        ),
        (
            "select a, l.a as of_l, x, y from l full join r using (a) where a > 1 order by a desc",
            json!([[3, null, null, "r3"], [2, 2, "l2", "r2"]]),
        ),
        (
            "select a, count(*) as n from l full join r using (a, b) group by a having a < 3 order by 1",
            json!([[1, 1], [2, 1]]),
        ),
        (
            "select * from (select * from l full join r using (a)) order by 1",
            json!([
                [1, 1, "l1", null, null],
                [2, 1, "l2", 1, "r2"],
                [3, null, null, 1, "r3"]
            ]),
        ),
        (
            "select a, x, y, z from l full join r using (a) full join s using (a) order by a",
            json!([
                [1, "l1", null, null],
                [2, "l2", "r2", null],
                [3, null, "r3", "s3"],
                [4, null, null, "s4"]
            ]),
        ),
        (
            "select a, x, y from (select a, x from l) as l natural full join (select a, y from r) as r order by a",
            json!([[1, "l1", null], [2, "l2", "r2"], [3, null, "r3"]]),
        ),
        (
            "select (select max(a) from (select a, x from l) as l natural join (select a, y from r) as r) as a from s order by 1",
            json!([[2], [2]]),
        ),
        (
            "select a + 1 as a from l right join r using (a) order by a desc",
            json!([[4], [3]]),
        ),
    ] {
        assert_eq!(rows(query).await, Ok(expected), "{query}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_refused() {
    for (query, said) in [
        ("select * from l natural full join r", "NATURAL"),
        (
            "select x from l full join r using (a) where exists (select 1 from s where a = 3)",
            "may be the column of USING",
        ),
    ] {
        let error = rows(query).await.unwrap_err();
        assert!(error.contains(said), "{error}");
    }
}

#[tokio::test]
async fn is_distinct_from_binds_tighter_than_and() {
    for (condition, expected) in [
        ("a is distinct from true and b", json!([[true]])),
        ("not a is not distinct from true and b", json!([[true]])),
        ("b or a is distinct from true and not b", json!([[true]])),
        ("not b and a is distinct from true or b", json!([[true]])),
        ("not (a is distinct from true and b)", json!([[false]])),
    ] {
        let query = format!("select {condition} as x from (values (false, true)) as t(a, b)");
        assert_eq!(rows(&query).await, Ok(expected), "{condition}");
    }
    let query =
        "select a is distinct from b and c as x from (values (true, true, false)) as t(a, b, c)";
    // sqlparser's own reading is `true is distinct from (true and false)`.
    assert_eq!(rows(query).await, Ok(json!([[false]])));
}
