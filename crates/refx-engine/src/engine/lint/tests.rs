use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::datasource::MemTable;

use super::*;
use crate::engine::{Engine, Settings};

/// Tables `plays` (keyed by `event_id`), `users` (`user_id`), `devices` (`user_id`, `device`) and `raw`,
/// whose rows nothing identifies.
fn session() -> Session {
    use DataType::{Boolean, Date32, Float64, Int64, Utf8};
    let instant = DataType::Timestamp(TimeUnit::Microsecond, None);
    let session = Engine::new(&Settings::default()).unwrap().session();
    let table = |name: &str, columns: &[(&str, DataType)]| {
        let fields: Vec<Field> = columns
            .iter()
            .map(|(name, data_type)| Field::new(*name, data_type.clone(), true))
            .collect();
        let table = MemTable::try_new(Arc::new(Schema::new(fields)), vec![Vec::new()]).unwrap();
        let name = Name::bare(name);
        session.register_table(&name, Arc::new(table)).unwrap();
    };
    let events = [
        ("event_id", Int64),
        ("user_id", Int64),
        ("title", Utf8),
        ("event_ts", instant),
        ("event_date", Date32),
        ("seconds", Int64),
        ("is_live", Boolean),
    ];
    table("plays", &events);
    table("raw", &events);
    table(
        "users",
        &[
            ("user_id", Int64),
            ("name", Utf8),
            ("zip", Utf8),
            ("score", Float64),
            ("balance", Int64),
        ],
    );
    table(
        "devices",
        &[("user_id", Int64), ("device", Utf8), ("plays", Int64)],
    );
    session
}

fn keyed(primary_key: &[&str]) -> Subject {
    let words = |words: &[&str]| {
        words
            .iter()
            .map(|word| (*word).to_owned())
            .collect::<Vec<_>>()
    };
    Subject {
        lands: true,
        primary_key: words(primary_key),
        keys: [
            ("plays", words(&["event_id"])),
            ("users", words(&["user_id"])),
            ("devices", words(&["user_id", "device"])),
        ]
        .into_iter()
        .map(|(name, key)| (Name::bare(name), vec![key]))
        .collect(),
        filled: Filled::default(),
    }
}

async fn of(sql: &str, subject: &Subject) -> Vec<String> {
    let session = session();
    let plan = session.plan(sql).await.unwrap();
    let findings = session.findings(sql, &plan, subject);
    findings
        .into_iter()
        .map(|finding| {
            let place = finding
                .position
                .map_or_else(|| "?".to_owned(), |at| format!("{}:{}", at.line, at.column));
            format!("{place} {}: {}", finding.code, finding.message)
        })
        .collect()
}

/// What lint says of a query that lands nowhere.
async fn check(sql: &str, expected: &[&str]) {
    let view = Subject {
        lands: false,
        ..keyed(&[])
    };
    assert_eq!(of(sql, &view).await, expected, "of {sql}");
}

/// What lint says of a query that becomes a table of a primary key.
async fn check_keyed(key: &[&str], sql: &str, expected: &[&str]) {
    assert_eq!(of(sql, &keyed(key)).await, expected, "of {sql}");
}

#[tokio::test]
async fn the_clock_and_chance_are_told() {
    check(
        "select now() as at, event_id\nfrom plays\nwhere event_date < current_date and random() < 0.5",
        &[
            "1:8 wall-clock: `now` reads the clock of the run",
            "3:20 wall-clock: `current_date` reads the clock of the run",
            "3:37 wall-clock: `random` gives another value at each run",
        ],
    )
    .await;
    check("select date_trunc('day', event_ts) as now from plays", &[]).await;
}

#[tokio::test]
async fn rows_are_taken_in_an_order() {
    check(
        "select row_number() over (partition by user_id) as n, first_value(title) over (partition by user_id order by user_id) as t from raw",
        &[
            "1:8 no-order: `row_number` without `order by` takes rows as they happen to come",
            "1:55 no-order: the `order by` of `first_value` is the same for all rows it compares",
        ],
    )
    .await;
    check(
        "select user_id, first_value(title) as t, string_agg(title, ', ') as all_titles from raw group by user_id",
        &[
            "1:17 no-order: `first_value` without `order by` takes rows as they happen to come",
            "1:42 no-order: `string_agg` without `order by` takes rows as they happen to come",
        ],
    )
    .await;
    check(
        "select row_number() over w as n from raw window w as (partition by user_id)",
        &["1:8 no-order: `row_number` without `order by` takes rows as they happen to come"],
    )
    .await;
    // What the order does not reach, and what has none.
    check(
        "select user_id, array_sort(array_agg(title)) as t, sum(seconds) over (partition by user_id) as s \
         from raw group by user_id, seconds",
        &[],
    )
    .await;
    check(
        "select row_number() over (order by event_ts) as n from raw",
        &[],
    )
    .await;
}

#[tokio::test]
async fn limits_have_an_order() {
    check(
        "select title from raw\nlimit 10",
        &["2:7 no-order: `limit` without `order by` keeps the rows that happen to come first"],
    )
    .await;
    check("select title from raw order by 1 limit 10", &[]).await;
    check("select max(title) as t from raw limit 1", &[]).await;
    check("select title from raw limit 0", &[]).await;
    check(
        "select user_id from users where exists (select 1 from raw where raw.user_id = users.user_id limit 1)",
        &[],
    )
    .await;
    check("select distinct on (user_id) user_id, title from raw", &[
        "1:21 no-order: `distinct on` without a further `order by` keeps the row that happens to come first",
    ])
    .await;
}

#[tokio::test]
async fn an_order_is_total_where_a_key_is_known() {
    let open = "partial-order: the order of `row_number` does not tell all rows apart";
    check(
        "select row_number() over (partition by user_id order by event_ts) as n from plays",
        &[&format!("1:8 {open}")],
    )
    .await;
    check(
        "select row_number() over (partition by user_id order by event_ts, event_id) as n from plays",
        &[],
    )
    .await;
    // Nobody knows what tells the rows of this one apart.
    check(
        "select row_number() over (partition by user_id order by event_ts) as n from raw",
        &[],
    )
    .await;
    // The groups are the key, wherever the order comes from.
    let ranked = |order: &str| {
        format!(
            "with ranked as (\n  select user_id, title, row_number() over (\n    partition by user_id order by {order}\n  ) as n\n  from raw group by user_id, title\n)\nselect * from ranked where n = 1"
        )
    };
    check(
        &ranked("count(*) desc, max(seconds)"),
        &[&format!("2:26 {open}")],
    )
    .await;
    check(&ranked("count(*) desc, title"), &[]).await;
    // The value itself is ordered by: ties have the same.
    check("select user_id, first_value(title order by event_ts, title) as t from plays group by user_id", &[]).await;
    check(
        "select user_id, first_value(title order by event_ts) as t from plays group by user_id",
        &["1:17 partial-order: the order of `first_value` does not tell all rows apart"],
    )
    .await;
}

#[tokio::test]
async fn keys_are_followed_through_joins() {
    let sql = |order: &str| {
        format!(
            "select row_number() over (order by {order}) as n from plays as p \
             left join users as u on u.user_id = p.user_id"
        )
    };
    check(&sql("p.event_id"), &[]).await;
    check(
        &sql("u.name"),
        &["1:8 partial-order: the order of `row_number` does not tell all rows apart"],
    )
    .await;
    // The join to devices gives a play several rows.
    let sql = "select row_number() over (order by p.event_id) as n from plays as p \
               left join devices as d on d.user_id = p.user_id";
    check(
        sql,
        &["1:8 partial-order: the order of `row_number` does not tell all rows apart"],
    )
    .await;
    let sql = "select user_id from users order by name limit 3";
    check(
        sql,
        &["1:36 partial-order: the order before `limit` does not tell all rows apart"],
    )
    .await;
    check(
        "select user_id from users order by name, user_id limit 3",
        &[],
    )
    .await;
}

#[tokio::test]
async fn nulls_are_not_compared() {
    check(
        "select event_id from plays where title = null or user_id not in (1, null) or case title when null then true else false end",
        &[
            "1:34 null-comparison: a comparison by `=` with NULL is never true",
            "1:50 null-comparison: `not in` a list with a NULL is never true",
            "1:78 null-comparison: `when null` compares by `=`, which is never true",
        ],
    )
    .await;
    check(
        "select nullif(title, '') as t from plays where title is not null and user_id in (1, 2)",
        &[],
    )
    .await;
}

#[tokio::test]
async fn comparisons_lose_nothing() {
    check("select event_id from plays where event_ts = date '2024-08-31'", &[
        "1:34 lossy-comparison: `plays.event_ts` of type timestamp equals a date at midnight only",
    ])
    .await;
    check("select user_id from users where zip = 75001", &[
        "1:33 lossy-comparison: `users.zip` of type varchar is compared with `75001` of type bigint: the text is read as a number, and a text that is none fails the run",
    ])
    .await;
    check("select user_id from users where score = balance", &[
        "1:33 lossy-comparison: `users.score` of type double is compared with `users.balance` of type bigint: numbers of more than 15 digits are rounded before they are compared",
    ])
    .await;
    check(
        "select event_id from plays where event_ts >= date '2024-08-31' and event_date = '2024-08-31' and seconds > 1.5 and user_id = '12'",
        &[],
    )
    .await;
}

#[tokio::test]
async fn joins_match_one_type() {
    check("select u.name from users as u inner join plays as p on p.user_id = u.zip", &[
        "1:56 join-types: `p.user_id` of type bigint is compared with `u.zip` of type varchar: the text is read as a number, and a text that is none fails the run",
    ])
    .await;
    check("select user_id from users where zip in (select user_id from plays)", &[
        "1:33 lossy-comparison: `users.zip` of type varchar is looked for in the column `user_id` of the subquery of type bigint: the text is read as a number, and a text that is none fails the run",
    ])
    .await;
    check(
        "select u.name from users as u inner join plays as p on p.user_id = u.user_id",
        &[],
    )
    .await;
    check(
        "select u.name from users as u inner join plays as p on p.user_id = cast(u.zip as bigint)",
        &[],
    )
    .await;
}

#[tokio::test]
async fn branches_of_a_union_line_up() {
    check(
        "select user_id, title from plays\nunion all\nselect name as user_id, user_id as title from users",
        &["3:8 union-types: `user_id` is bigint in the first SELECT and varchar here: both become text",
          "3:25 union-types: `title` is varchar in the first SELECT and bigint here: both become text"],
    )
    .await;
    check(
        "select user_id, event_id from plays\nunion all\nselect event_id, user_id from raw",
        &["3:8 union-columns: `event_id` goes to the column `user_id` of the first SELECT"],
    )
    .await;
    check(
        "select user_id, 0 as score from plays union all select user_id, score from users",
        &[],
    )
    .await;
    check("select user_id, balance from users union all select user_id, score from users", &[
        "1:62 union-types: `balance` is bigint in the first SELECT and double here: both become double, and numbers of more than 15 digits are rounded",
    ])
    .await;
}

#[tokio::test]
async fn divisions_keep_their_fraction() {
    check("select seconds / user_id as share from plays", &[
        "1:8 integer-division: `plays.seconds` divided by `plays.user_id`: both are whole numbers, and so is the result, without its fraction",
    ])
    .await;
    check(
        "select seconds / 60 as minutes, cast(seconds / user_id as bigint) as whole, cast(seconds as double) / user_id as share from plays",
        &[],
    )
    .await;
}

#[tokio::test]
async fn sums_count_a_row_once() {
    let sql = |value: &str, table: &str| {
        format!(
            "select u.name, sum({value}) as total from users as u \
             inner join {table} as x on x.user_id = u.user_id group by u.name"
        )
    };
    check(
        &sql("u.balance", "plays"),
        &["1:20 fan-out: the sum counts a row of `u` once for each row that it is joined to"],
    )
    .await;
    check(&sql("x.seconds", "plays"), &[]).await;
    // Of this one nobody knows how many rows it has for a user.
    check(&sql("u.balance", "raw"), &[]).await;
    let once = "select u.name, sum(u.balance) as total from users as u \
                inner join (select user_id, count(*) as n from raw group by user_id) as x on x.user_id = u.user_id \
                group by u.name";
    check(once, &[]).await;
}

#[tokio::test]
async fn ctes_are_read() {
    check(
        "with a as (select user_id from raw),\nb as (select user_id from a),\nc as (select user_id from users)\nselect user_id from b",
        &["3:1 unused-cte: nothing reads `c`"],
    )
    .await;
    check(
        "with a as (select user_id from raw) select user_id from users where user_id in (select user_id from a)",
        &[],
    )
    .await;
}

#[tokio::test]
async fn published_tables_name_their_columns() {
    check_keyed(
        &[],
        "with a as (select *, 1 as one from raw)\nselect * from a",
        &["1:19 select-star: the published columns are whatever the tables read here have"],
    )
    .await;
    check_keyed(
        &[],
        "with a as (select user_id, title from raw) select * from a",
        &[],
    )
    .await;
    check_keyed(
        &[],
        "with a as (select * from raw) select user_id from a",
        &[],
    )
    .await;
    check("select * from raw", &[]).await;
}

#[tokio::test]
async fn keys_hold_no_null() {
    let how = "nullable-key: `user_id` is of the primary key and can be NULL:";
    check_keyed(
        &["user_id", "device"],
        "select d.user_id, d.device from users as u left join devices as d on d.user_id = u.user_id",
        &[
            "1:8 nullable-key: `user_id` is of the primary key and can be NULL: the left join finds no row of `d` for some",
            "1:19 nullable-key: `device` is of the primary key and can be NULL: the left join finds no row of `d` for some",
        ],
    )
    .await;
    check_keyed(
        &["user_id"],
        "select nullif(user_id, 0) as user_id from users",
        &[&format!(
            "1:8 {how} `nullif` gives NULL where both are equal"
        )],
    )
    .await;
    check_keyed(
        &["user_id"],
        "select case when name <> '' then user_id end as user_id from users",
        &[&format!("1:8 {how} the `case` has no `else`")],
    )
    .await;
    check_keyed(
        &["user_id", "device"],
        "with x as (select d.user_id, d.device from users as u left join devices as d on d.user_id = u.user_id) \
         select user_id, device from x where user_id is not null and device <> ''",
        &[],
    )
    .await;
    check_keyed(
        &["user_id"],
        "select u.user_id, max(d.plays) as plays from users as u left join devices as d on d.user_id = u.user_id group by u.user_id",
        &[],
    )
    .await;
}

#[tokio::test]
async fn keys_are_those_of_the_rows() {
    check_keyed(
        &["user_id"],
        "select user_id, title, count(*) as plays from raw group by user_id, title",
        &["1:8 unproven-key: the query gives a row for each `user_id` and `title`, and the primary key is `user_id` alone"],
    )
    .await;
    check_keyed(&["user_id"], "select u.user_id, d.device from users as u inner join devices as d on d.user_id = u.user_id", &[
        "1:8 unproven-key: the query gives a row for each `user_id` and `device`, and the primary key is `user_id` alone",
    ])
    .await;
    // A row a key, by the groups, by a number, by the tables' keys, or by a condition that picks.
    for sql in [
        "select user_id, count(*) as plays from raw group by user_id",
        "select user_id, title from (select user_id, title, row_number() over (partition by user_id order by event_ts) as n from raw) where n = 1",
        "select u.user_id, p.plays from users as u left join (select user_id, count(*) as plays from raw group by user_id) as p on p.user_id = u.user_id",
        "select u.user_id, d.device from users as u left join devices as d on d.user_id = u.user_id and d.device = 'tv'",
        "select user_id, title from raw",
        "select user_id, device from devices where plays = 1",
    ] {
        check_keyed(&["user_id"], sql, &[]).await;
    }
}

#[test]
fn long_chains_are_walked() {
    let union = vec!["select user_id, title from plays"; 700].join(" union all ");
    let run = move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(check(&union, &[]));
    };
    // Planning needs the stack of the threads that plan.
    let thread = std::thread::Builder::new().stack_size(16 << 20).spawn(run);
    thread.unwrap().join().unwrap();
}
