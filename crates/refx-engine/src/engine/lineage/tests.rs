use super::*;
use crate::engine::tests::without_rows;

const TABLES: &[(&str, &str)] = &[
    (
        "users",
        "user_id bigint, name varchar, country varchar, tags varchar[]",
    ),
    (
        "plays",
        "user_id bigint, video_id bigint, at timestamp, seconds bigint, kind varchar",
    ),
    (
        "raw.videos",
        "video_id bigint, title varchar, parent bigint",
    ),
];

async fn lineage(sql: &str) -> Lineage {
    let session = without_rows(TABLES).await;
    session.plan(sql).await.unwrap().lineage()
}

/// Each column on a line, and each role of the rows on a line.
fn told(lineage: &Lineage) -> String {
    let mut lines = Vec::new();
    for column in &lineage.columns {
        let mut parts = Vec::new();
        let inputs = column.inputs.iter();
        parts.extend(inputs.map(|(input, how)| format!("{} {input}", how.as_str())));
        parts.extend(influences(&column.decided_by));
        parts.extend(column.counts.iter().map(|table| format!("counts {table}")));
        lines.push(format!("{}: {}", column.name, parts.join(", ")));
    }
    let rows: Vec<String> = influences(&lineage.rows).collect();
    lines.push(format!("rows: {}", rows.join(", ")));
    lines.join("\n")
}

fn influences(all: &BTreeSet<Influence>) -> impl Iterator<Item = String> {
    all.iter()
        .map(|one| format!("{} {}", one.role.as_str(), one.input))
}

async fn check(sql: &str, expected: &[&str]) {
    let found = told(&lineage(sql).await);
    let found: Vec<&str> = found.lines().map(str::trim_end).collect();
    assert_eq!(found, expected, "{sql}");
}

#[tokio::test]
async fn columns_are_copied_derived_and_aggregated() {
    check(
        "select u.user_id as id, upper(u.name) as name, count(*) as plays, sum(p.seconds) as total,
                'x' as constant
         from users u join plays p on p.user_id = u.user_id and p.kind = 'live'
         where u.country = 'FR'
         group by u.user_id, u.name",
        &[
            "id: copied users.user_id",
            "name: derived users.name",
            "plays: counts plays, counts users",
            "total: aggregated plays.seconds",
            "constant:",
            "rows: filter plays.kind, join key plays.user_id, filter users.country, group key users.name, \
             join key users.user_id, group key users.user_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn stars_aliases_and_ctes_leave_no_trace() {
    check(
        "with a as (select * from users), b as (select user_id as key, name from a)
         select b.*, cast(key as varchar) as text from b",
        &[
            "key: copied users.user_id",
            "name: copied users.name",
            "text: derived users.user_id",
            "rows:",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_comma_join_has_join_keys_too() {
    check(
        "select v.title from plays p, raw.videos v
         where v.video_id = p.video_id and (p.seconds > 10 or p.at between timestamp '2024-01-01' and now())",
        &[
            "title: copied raw.videos.title",
            "rows: filter plays.at, filter plays.seconds, join key plays.video_id, \
             join key raw.videos.video_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn unions_take_columns_together() {
    check(
        "select user_id, name, 'user' as kind from users
         union all select parent, title || '!', 'video' from raw.videos where title <> ''",
        &[
            "user_id: copied users.user_id, copied raw.videos.parent",
            "name: copied users.name, derived raw.videos.title",
            "kind:",
            "rows: filter raw.videos.title",
        ],
    )
    .await;
    check(
        "select user_id from users except select user_id from plays where seconds > 3",
        &[
            "user_id: copied users.user_id",
            "rows: filter plays.seconds, join key plays.user_id, join key users.user_id, \
             distinct users.user_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn windows_are_decided_by_their_keys() {
    check(
        "select user_id, row_number() over (partition by user_id order by at) as number,
                sum(seconds) over (partition by kind) as total, lag(seconds) over (order by at) as before
         from plays qualify number = 1",
        &[
            "user_id: copied plays.user_id",
            "number: order plays.at, partition plays.user_id, counts plays",
            "total: aggregated plays.seconds, partition plays.kind",
            "before: derived plays.seconds, order plays.at",
            "rows: order plays.at, partition plays.user_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn subqueries_decide_and_give_values() {
    check(
        "select name,
                (select max(p.seconds) from plays p where p.user_id = u.user_id and p.kind = 'live') as longest,
                exists (select 1 from raw.videos v where v.parent = u.user_id) as has_videos
         from users u
         where u.user_id in (select user_id from plays where seconds > 60)",
        &[
            "name: copied users.name",
            "longest: aggregated plays.seconds, filter plays.kind, join key plays.user_id, \
             join key users.user_id",
            "has_videos: join key users.user_id, join key raw.videos.parent",
            "rows: filter plays.seconds, filter plays.user_id, filter users.user_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_lateral_join_sees_the_tables_before_it() {
    check(
        "select u.name, l.total from users u
         left join lateral (select sum(p.seconds) as total from plays p where p.user_id = u.user_id) l on true",
        &[
            "name: copied users.name",
            "total: aggregated plays.seconds",
            "rows: join key plays.user_id, join key users.user_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn a_recursive_cte_is_followed_to_its_end() {
    check(
        "with recursive tree as (
             select video_id, title, 0 as depth, parent from raw.videos where parent is null
             union all
             select v.video_id, t.title || v.title, t.depth + 1, t.video_id
             from raw.videos v join tree t on v.parent = t.video_id)
         select title, depth, parent from tree",
        &[
            "title: derived raw.videos.title",
            "depth:",
            "parent: copied raw.videos.parent, copied raw.videos.video_id",
            "rows: filter raw.videos.parent, join key raw.videos.parent, join key raw.videos.video_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn an_order_counts_where_rows_are_cut_off() {
    check(
        "select name from users order by country",
        &["name: copied users.name", "rows:"],
    )
    .await;
    check(
        "select name from users order by country limit 3",
        &["name: copied users.name", "rows: sort users.country"],
    )
    .await;
    check(
        "select distinct on (user_id) user_id, seconds from plays order by user_id, at desc",
        &[
            "user_id: copied plays.user_id",
            "seconds: copied plays.seconds",
            "rows: sort plays.at, distinct plays.user_id, sort plays.user_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn distinct_rows_are_decided_by_every_column() {
    check(
        "select distinct country, upper(name) as name from users",
        &[
            "country: copied users.country",
            "name: derived users.name",
            "rows: distinct users.country, distinct users.name",
        ],
    )
    .await;
}

#[tokio::test]
async fn lists_become_rows() {
    check(
        "select user_id, unnest(tags) as tag from users",
        &[
            "user_id: copied users.user_id",
            "tag: derived users.tags",
            "rows: unnest users.tags",
        ],
    )
    .await;
}

#[tokio::test]
async fn constants_and_functions_that_make_rows_have_no_inputs() {
    let found =
        lineage("select column1 as n, value from (values (1), (2)) as v, generate_series(1, 3)")
            .await;
    assert_eq!(told(&found), "n: \nvalue: \nrows: ");
    assert!(found.tables.is_empty());
}

#[tokio::test]
async fn grouping_sets_keep_their_keys() {
    check(
        "select kind, user_id, grouping(kind) as level, count(distinct video_id) as videos
         from plays group by rollup (kind, user_id) having count(*) > 1",
        &[
            "kind: copied plays.kind",
            "user_id: copied plays.user_id",
            "level: group key plays.kind, group key plays.user_id",
            "videos: aggregated plays.video_id",
            "rows: group key plays.kind, group key plays.user_id",
        ],
    )
    .await;
}

#[tokio::test]
async fn an_aggregate_s_own_filter_decides_about_it_alone() {
    check(
        "select sum(seconds) filter (where kind = 'live') as live,
                case when max(at) > now() then 1 else 0 end as soon from plays",
        &[
            "live: aggregated plays.seconds, filter plays.kind",
            "soon: aggregated plays.at",
            "rows:",
        ],
    )
    .await;
}

#[tokio::test]
async fn it_survives_being_stored() {
    let lineage =
        lineage("select upper(name) as n, count(*) as c from users where country = 'x' group by 1")
            .await;
    let text = serde_json::to_string(&lineage).unwrap();
    assert_eq!(serde_json::from_str::<Lineage>(&text).unwrap(), lineage);
}
