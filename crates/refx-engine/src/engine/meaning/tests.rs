use super::*;
use crate::engine::Session;
use crate::engine::tests::without_rows;

const TABLES: &[(&str, &str)] = &[
    (
        "users",
        "user_id bigint, name varchar, country varchar, parent bigint",
    ),
    (
        "plays",
        "user_id bigint, video_id bigint, at timestamp, seconds bigint, kind varchar",
    ),
    ("staged", "user_id bigint, total bigint, country varchar"),
    ("lists", "user_id bigint, tags varchar[]"),
];

async fn session() -> Session {
    without_rows(TABLES).await
}

async fn meaning(sql: &str) -> Meaning {
    session().await.plan(sql).await.unwrap().meaning(&|_| None)
}

fn digests(meaning: &Meaning) -> Vec<Digest> {
    meaning.columns.iter().map(|column| column.digest).collect()
}

async fn same(one: &str, other: &str) {
    let (first, second) = (meaning(one).await, meaning(other).await);
    assert_eq!(digests(&first), digests(&second), "columns\n{one}\n{other}");
    assert_eq!(first.rows, second.rows, "rows\n{one}\n{other}");
}

/// Queries that differ in a column.
async fn columns_differ(one: &str, other: &str) {
    let (first, second) = (meaning(one).await, meaning(other).await);
    assert_ne!(digests(&first), digests(&second), "{one}\n{other}");
}

/// Queries that differ in their rows, and in no column.
async fn rows_differ(one: &str, other: &str) {
    let (first, second) = (meaning(one).await, meaning(other).await);
    assert_eq!(digests(&first), digests(&second), "{one}\n{other}");
    assert_ne!(first.rows, second.rows, "{one}\n{other}");
}

#[tokio::test]
async fn how_it_is_written_says_nothing() {
    same(
        "select u.user_id, upper(name) as n from users u where country = 'FR' and user_id > 3",
        "-- users\nWITH x AS (SELECT * FROM users)\nSELECT user_id AS id, upper(x.name)\nFROM x\n\
         WHERE 3 < x.user_id AND 'FR' = country",
    )
    .await;
    same(
        "select user_id from users where country = 'FR' and name like 'a%'",
        "select user_id from (select user_id, country as c from users where name like 'a%') where c = 'FR'",
    )
    .await;
    same(
        "select user_id from users where user_id between 1 and 5",
        "select user_id from users where user_id <= 5 and user_id >= 1",
    )
    .await;
    same(
        "select user_id from users where country in ('a', 'b', 'b') or name = 'x'",
        "select user_id from users where name = 'x' or country in ('b', 'a')",
    )
    .await;
    same(
        "select seconds > 1.0 from plays",
        "select seconds > cast('1.0' as double) from plays",
    )
    .await;
    same(
        "select distinct country from users",
        "select country from users group by 1",
    )
    .await;
}

#[tokio::test]
async fn an_inner_join_is_its_tables_and_conditions() {
    let on = "select u.name, sum(p.seconds) as s from users u join plays p on p.user_id = u.user_id \
              where kind = 'x' group by u.name";
    same(
        on,
        "select name, sum(seconds) from plays p, users u where kind = 'x' and u.user_id = p.user_id group by name",
    )
    .await;
    same(
        on,
        "with live as (select user_id as key, seconds from plays where 'x' = kind)
         select u.name, sum(l.seconds) as total from live l join users u on l.key = u.user_id group by u.name",
    )
    .await;
}

#[tokio::test]
async fn left_joins_stand_beside_each_other() {
    same(
        "select u.name, s.total, m.name from users u left join staged s on s.user_id = u.user_id
         left join users m on m.user_id = u.parent where u.country = 'FR'",
        "select u.name, s.total, m.name from (select * from users where country = 'FR') u
         left join users m on u.parent = m.user_id left join staged s on s.user_id = u.user_id",
    )
    .await;
}

#[tokio::test]
async fn a_left_join_for_a_new_column_leaves_the_others() {
    let before =
        meaning("select user_id, upper(name) as n, user_id + 1 as next from users u").await;
    let after = meaning(
        "select u.user_id, upper(name) as n, u.user_id + 1 as next, p.total
         from users u left join (select user_id, sum(seconds) as total from plays group by 1) p
           on p.user_id = u.user_id",
    )
    .await;
    assert_eq!(digests(&before)[..], digests(&after)[..3]);
    assert_ne!(before.rows, after.rows);
    assert_eq!(before.parts.tables, after.parts.tables);
    assert_eq!(after.parts.left_joins.len(), 1);
}

#[tokio::test]
async fn what_decides_about_rows_is_told_apart_from_columns() {
    let all = "select user_id, name from users";
    rows_differ(all, "select user_id, name from users where country = 'FR'").await;
    rows_differ(all, "select distinct user_id, name from users").await;
    rows_differ(all, "select user_id, name from users limit 3").await;
    rows_differ(
        "select user_id from users order by name limit 3",
        "select user_id from users order by country limit 3",
    )
    .await;
    same(all, "select user_id, name from users order by country").await;
    rows_differ(
        all,
        "select user_id, name from users u where exists (select 1 from plays p where p.user_id = u.user_id)",
    )
    .await;
    rows_differ(
        "select country, count(*) as n from users group by 1",
        "select country, count(*) as n from users group by 1 having count(*) > 1",
    )
    .await;
}

#[tokio::test]
async fn another_expression_is_another_meaning() {
    columns_differ("select seconds from plays", "select seconds + 1 from plays").await;
    columns_differ(
        "select seconds - user_id from plays",
        "select user_id - seconds from plays",
    )
    .await;
    columns_differ(
        "select seconds > 3 from plays",
        "select seconds >= 3 from plays",
    )
    .await;
    columns_differ("select 'a' from plays", "select 'b' from plays").await;
    columns_differ(
        "select cast(seconds as double) from plays",
        "select cast(seconds as varchar) from plays",
    )
    .await;
    columns_differ(
        "select name like 'a%' from users",
        "select name not like 'a%' from users",
    )
    .await;
    columns_differ(
        "select coalesce(seconds, 0) from plays",
        "select coalesce(seconds, 1) from plays",
    )
    .await;
    columns_differ(
        "select case when kind = 'a' then 1 else 2 end from plays",
        "select case when kind = 'a' then 2 else 1 end from plays",
    )
    .await;
    columns_differ("select user_id from users", "select user_id from plays").await;
    columns_differ(
        "select user_id is null from plays",
        "select user_id is not null from plays",
    )
    .await;
}

#[tokio::test]
async fn aggregates_see_their_rows_and_groups() {
    let sum = "select sum(seconds) as s from plays group by user_id";
    columns_differ(
        sum,
        "select sum(seconds) as s from plays group by user_id, kind",
    )
    .await;
    columns_differ(
        sum,
        "select sum(seconds) as s from plays where kind = 'x' group by user_id",
    )
    .await;
    columns_differ(
        sum,
        "select sum(distinct seconds) as s from plays group by user_id",
    )
    .await;
    columns_differ(
        sum,
        "select sum(seconds) filter (where kind = 'x') as s from plays group by user_id",
    )
    .await;
    columns_differ(sum, "select max(seconds) as s from plays group by user_id").await;
    columns_differ(
        sum,
        "select sum(seconds) as s from plays group by rollup(user_id)",
    )
    .await;
    same(
        "select sum(seconds) as s from plays group by user_id, kind",
        "select sum(p.seconds) as t from plays as p group by kind, p.user_id",
    )
    .await;
}

#[tokio::test]
async fn windows_see_their_rows_and_keys() {
    let number =
        "select row_number() over (partition by user_id, kind order by at) as n from plays";
    same(
        number,
        "select row_number() over w as m from plays window w as (partition by kind, user_id order by at asc)",
    )
    .await;
    columns_differ(
        number,
        "select row_number() over (partition by user_id, kind order by at desc) as n from plays",
    )
    .await;
    columns_differ(
        number,
        "select row_number() over (partition by user_id order by at) as n from plays",
    )
    .await;
    columns_differ(
        number,
        "select rank() over (partition by user_id, kind order by at) as n from plays",
    )
    .await;
    columns_differ(number, &format!("{number} where seconds > 3")).await;
    columns_differ(
        "select sum(seconds) over (order by at rows 1 preceding) as n from plays",
        "select sum(seconds) over (order by at rows 2 preceding) as n from plays",
    )
    .await;
}

#[tokio::test]
async fn two_scans_of_a_table_are_two() {
    let child = "select c.name from users c join users p on c.parent = p.user_id";
    columns_differ(
        child,
        "select p.name from users c join users p on c.parent = p.user_id",
    )
    .await;
    same(
        child,
        "select x.name from users x inner join users y on y.user_id = x.parent",
    )
    .await;
    // What is grouped has the columns of its table a second time.
    let joined =
        "from plays p join (select distinct user_id, kind from plays) d on d.user_id = p.user_id";
    columns_differ(
        &format!("select p.kind {joined}"),
        &format!("select d.kind {joined}"),
    )
    .await;
    // A correlated subquery numbers its own tables.
    rows_differ(
        "select name from users u where exists (select 1 from users p where p.user_id = u.parent)",
        "select name from users u where exists (select 1 from users p where p.user_id = p.parent)",
    )
    .await;
    rows_differ(
        "select name from users u where exists (select 1 from users p where p.user_id = u.parent)",
        "select name from users u where exists (select 1 from users p where u.user_id = p.parent)",
    )
    .await;
}

#[tokio::test]
async fn kinds_of_joins_differ() {
    let join = |kind: &str| {
        format!("select u.name from users u {kind} join plays p on p.user_id = u.user_id")
    };
    rows_differ(&join("inner"), &join("left")).await;
    rows_differ(&join("left semi"), &join("left anti")).await;
    columns_differ(&join("inner"), &join("right")).await;
    columns_differ(&join("left"), &join("full")).await;
    columns_differ(
        "select p.kind from users u left join plays p on p.user_id = u.user_id",
        "select p.kind from users u join plays p on p.user_id = u.user_id",
    )
    .await;
    rows_differ(
        "select u.name from users u left join plays p on p.user_id = u.user_id and p.kind = 'x'",
        "select u.name from users u left join plays p on p.user_id = u.user_id where p.kind = 'x'",
    )
    .await;
}

#[tokio::test]
async fn unions_subqueries_lists_and_recursion_have_a_meaning() {
    let union = "select user_id from users union all select user_id from plays";
    rows_differ(
        union,
        "select user_id from users union all select user_id from plays where kind = 'x'",
    )
    .await;
    columns_differ(
        union,
        "select user_id from users union all select video_id from plays",
    )
    .await;
    rows_differ(
        union,
        "select user_id from users union select user_id from plays",
    )
    .await;
    rows_differ(
        "select name from users where user_id in (select user_id from plays)",
        "select name from users where user_id not in (select user_id from plays)",
    )
    .await;
    columns_differ(
        "select (select max(seconds) from plays p where p.user_id = u.user_id) as m from users u",
        "select (select max(seconds) from plays p where p.user_id = u.parent) as m from users u",
    )
    .await;
    columns_differ(
        "select l.m from users u, lateral (select max(seconds) as m from plays p where p.user_id = u.user_id) l",
        "select l.m from users u, lateral (select max(seconds) as m from plays p where p.user_id = u.parent) l",
    )
    .await;
    columns_differ(
        "select unnest(tags) as t from lists",
        "select tags as t from lists",
    )
    .await;
    let tree = |first: &str, step: &str| {
        format!(
            "with recursive t as (select user_id, {first} as n from users where parent is null union all
             select u.user_id, {step} from users u join t on u.parent = t.user_id) select n from t"
        )
    };
    columns_differ(&tree("0", "t.n + 1"), &tree("0", "t.n + 2")).await;
    columns_differ(&tree("0", "t.n + 1"), &tree("1", "t.n + 1")).await;
    same(&tree("0", "t.n + 1"), &tree("0", "1 + t.n")).await;
    columns_differ(
        "select column1 from (values (1), (2))",
        "select column1 from (values (1), (3))",
    )
    .await;
    rows_differ(
        "select 1 as a from generate_series(1, 3)",
        "select 1 as a from generate_series(1, 4)",
    )
    .await;
}

#[tokio::test]
async fn a_table_whose_meaning_is_known_is_seen_through() {
    let session = session().await;
    let staged = "select user_id, sum(seconds) as total, max(kind) as country from plays \
                  where kind <> 'x' group by user_id";
    let known = session.plan(staged).await.unwrap().meaning(&|_| None);
    let through = |sql: &'static str| {
        let (session, known) = (session.clone(), known.clone());
        async move {
            let plan = session.plan(sql).await.unwrap();
            plan.meaning(&|name| (name.table == "staged").then(|| known.clone()))
        }
    };
    let reader =
        through("select total / 60 as minutes, user_id from staged s where country = 'y'").await;
    let written_out = meaning(&format!(
        "select total / 60, user_id from ({staged}) where country = 'y'"
    ))
    .await;
    assert_eq!(digests(&reader), digests(&written_out));
    assert_eq!(reader.rows, written_out.rows);
    assert_eq!(reader.columns[1].kind, ColumnKind::Copied);
    assert_eq!(reader.columns[0].kind, ColumnKind::Computed);

    let twice =
        through("select b.total from staged a join staged b on a.user_id = b.user_id").await;
    let once = through("select a.total from staged a join staged b on a.user_id = b.user_id").await;
    assert_ne!(digests(&twice), digests(&once));
}

#[tokio::test]
async fn it_survives_being_stored() {
    let meaning = meaning("select upper(name) as n, user_id from users where country = 'x'").await;
    let text = serde_json::to_string(&meaning).unwrap();
    assert_eq!(serde_json::from_str::<Meaning>(&text).unwrap(), meaning);
    assert!(text.contains(&format!("\"digest\":\"{}\"", meaning.columns[0].digest)));
}

/// As many links as the parser lets through.
#[tokio::test]
async fn a_long_chain_has_a_meaning() {
    let terms: Vec<String> = (0..1_400).map(|n| format!("seconds + {n}")).collect();
    let sum = format!("select {} as s from plays", terms[..700].join(" - "));
    let or: Vec<String> = (0..1_400).map(|n| format!("seconds = {n}")).collect();
    let sql = format!("{sum} where {}", or.join(" or "));
    let session = session().await;
    // Planning needs the stack of the threads that plan.
    let thread = std::thread::Builder::new()
        .stack_size(16 << 20)
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .build()
                .unwrap();
            runtime.block_on(async {
                let plan = session.plan(&sql).await.unwrap();
                (plan.meaning(&|_| None), plan.lineage())
            })
        });
    let (meaning, lineage) = thread.unwrap().join().unwrap();
    assert_eq!(meaning.columns.len(), 1);
    assert_eq!(lineage.columns[0].inputs.len(), 1);
}
