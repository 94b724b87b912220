use datafusion::prelude::SessionContext;
use serde_json::{Value, json};

use crate::engine::{Engine, Session, Settings};

const TABLES: &str = "with o(k, id) as (values (1, 5), (2, null), (3, 2), (4, 7)), \
     i(e, f) as (values (2, 1), (7, null), (null, 3)), \
     full_(e) as (values (2), (7)), \
     none_(e) as (select e from i where false) ";

/// Queries over the tables, and their rows. DuckDB gives the same.
fn cases() -> Vec<(&'static str, Value)> {
    vec![
        // In places where NULL is not false.
        (
            "select k from o where (id in (select e from i)) is null",
            json!([[1], [2]]),
        ),
        (
            "select k from o where id not in (select e from i) or k = 3",
            json!([[3]]),
        ),
        (
            "select k from o where not (id in (select e from full_) or id is null)",
            json!([[1]]),
        ),
        (
            "select k from o where case when id in (select e from full_) then k > 3 else k < 3 end",
            json!([[1], [2], [4]]),
        ),
        (
            "select k from o where (id in (select e from none_)) is false",
            json!([[1], [2], [3], [4]]),
        ),
        (
            "select k from o where id not in (select e from none_)",
            json!([[1], [2], [3], [4]]),
        ),
        // Outside of WHERE.
        (
            "select k, id in (select e from i) as x from o order by k",
            json!([[1, null], [2, null], [3, true], [4, true]]),
        ),
        (
            "select k, id not in (select f from i where f = o.k) as x from o order by k",
            json!([[1, true], [2, true], [3, true], [4, true]]),
        ),
        (
            "select sum(case when exists (select 1 from i where e = o.id) then 1 else 0 end) as n from o",
            json!([[2]]),
        ),
        (
            "select count(*) filter (where k in (select e from i)) as n from o",
            json!([[1]]),
        ),
        (
            "select k from o order by (select count(*) from i where e > o.k), k desc",
            json!([[4], [3], [2], [1]]),
        ),
        (
            "select o.k, full_.e from o join full_ on full_.e > o.k and o.k in (select e from i)",
            json!([[2, 7]]),
        ),
        (
            "select o.k, full_.e from o left join full_ on full_.e = o.id and o.k in (select f from i) order by 1",
            json!([[1, null], [2, null], [3, 2], [4, null]]),
        ),
        // Comparisons with all and any values.
        (
            "select k, id > any (select e from i) as x from o order by k",
            json!([[1, true], [2, null], [3, null], [4, true]]),
        ),
        (
            "select k, id >= all (select e from full_) as x from o order by k",
            json!([[1, false], [2, null], [3, false], [4, true]]),
        ),
        // For each row around: aggregates, limits, unions, windows.
        (
            "select k, (select count(*) from i where e < o.id) as n from o order by k",
            json!([[1, 1], [2, 0], [3, 0], [4, 1]]),
        ),
        (
            "select k, (select coalesce(max(e), -1) + 1 from i where e < o.id) as n from o order by k",
            json!([[1, 3], [2, 0], [3, 0], [4, 3]]),
        ),
        (
            "select k from o where exists (select max(e) from i where e > o.id)",
            json!([[1], [2], [3], [4]]),
        ),
        (
            "select k from o where exists (select 1 from i where e > o.id limit 0)",
            json!([]),
        ),
        (
            "select k, (select e from i where e is not null and e <= o.id order by e desc limit 1) as n from o order by k",
            json!([[1, 2], [2, null], [3, 2], [4, 7]]),
        ),
        (
            "select k from o where k in (select e from i where e = o.id union all select f from i where f = o.k)",
            json!([[1], [3]]),
        ),
        (
            "select k from o where 1 in (select row_number() over (order by e desc nulls last) from i where e >= o.id)",
            json!([[1], [3], [4]]),
        ),
        (
            "select k from o where exists (select 1 from full_ as a left join i as b on a.e = b.e and b.f = o.k where b.e is null)",
            json!([[1], [2], [3], [4]]),
        ),
        (
            "select k from o where exists (select e from full_ where e = o.id except select e from i where f = 1)",
            json!([[4]]),
        ),
        (
            "select k from o where exists (select 1 from full_ as a where exists (select 1 from i where i.e = a.e and i.e = o.id))",
            json!([[3], [4]]),
        ),
        (
            "select k, id <= any (select cast(5 as bigint) except all select cast(k as int) from i) as x from o",
            json!([[1, true], [2, null], [3, true], [4, false]]),
        ),
        // Rows that occur more than once.
        (
            "select cast(5 as bigint) except all select cast(null as int)",
            json!([[5]]),
        ),
        (
            "select * from (values (1), (1)) as l(n) intersect all select cast(n as smallint) from (values (1), (2)) as r(n)",
            json!([[1]]),
        ),
        (
            "select * from (values (1), (1), (null), (null), (2)) except all select * from (values (1), (null), (3)) order by 1",
            json!([[1], [2], [null]]),
        ),
        (
            "select * from (values (1), (1), (1), (null), (null)) intersect all select * from (values (1), (1), (null), (3)) order by 1",
            json!([[1], [1], [null]]),
        ),
    ]
}

async fn rows(session: &Session, query: &str) -> Result<Value, String> {
    let answer = session.rows_as_json(&format!("{TABLES}{query}"), 100).await;
    let answer = answer.map_err(|error| error.to_string())?;
    let mut rows = answer.rows;
    if !query.contains("order by k") && !query.contains("order by (") {
        rows.sort_by_key(|row| row[0].as_i64().unwrap_or(i64::MAX));
    }
    Ok(json!(rows))
}

fn session() -> Session {
    Engine::new(&Settings::default()).unwrap().session()
}

#[tokio::test]
async fn subqueries_mean_what_sql_says_wherever_they_stand() {
    let session = session();
    let mut wrong = Vec::new();
    for (query, expected) in cases() {
        let found = rows(&session, query).await;
        if found.as_ref() != Ok(&expected) {
            wrong.push(format!(
                "{query}\n  expected {expected}\n  found    {found:?}"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// When this fails, DataFusion answers one of these by itself, and a part of this module may go.
#[tokio::test]
async fn datafusion_alone_gives_other_rows() {
    for query in [
        "select k from o where (id in (select e from i)) is null",
        "select k from o where id not in (select e from i) or k = 3",
        "select k from o where exists (select max(e) from i where e > o.id)",
        "select * from (values (1), (1)) except all select * from (values (1))",
        "select * from (values (1), (1), (1)) intersect all select * from (values (1))",
    ] {
        let query = format!("{TABLES}{query}");
        let plain = SessionContext::new();
        let plain = match plain.sql(&query).await {
            Ok(frame) => frame.count().await.ok(),
            Err(_) => None,
        };
        let ours = session()
            .rows_as_json(&query, 100)
            .await
            .unwrap()
            .rows
            .len();
        assert_ne!(plain, Some(ours), "{query}");
    }
}

#[tokio::test]
async fn a_subquery_of_many_rows_is_not_one_value() {
    for query in [
        "select k, (select e from i) as n from o",
        "select k from o where id = (select e from i where e <> o.k)",
    ] {
        let error = rows(&session(), query).await.unwrap_err();
        assert!(
            error.contains("is used as one value gives 2 rows") || error.contains("3 rows"),
            "{error}"
        );
    }
}
