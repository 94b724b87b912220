#!/usr/bin/env python3
"""Reads what `refx build` landed with readers that are not refx.

    python tests/readers/check.py --warehouse warehouse --raw data/raw

Two questions, each answered with one line a table; the exit code is 1 if any answer is no.

1. Do delta-rs, DuckDB, chdb and Sail find the same rows in every table of the warehouse?
2. Do three tables hold what plain SQL in DuckDB computes from the raw Parquet files? The queries
   below are written from the descriptions of the columns, not from the models: another engine,
   another road to each figure.

The packages are pinned in requirements.txt.
"""

import argparse
import sys
from pathlib import Path

from deltalake import DeltaTable

from readers import Readers

RAW_TABLES = ("users", "contents", "video_events", "page_views", "logins", "searches")

# What may be counted: loaded by then, and not from a clock that runs ahead. Of several deliveries of one
# event one counts. Days are those of viewers in France.
EVENTS = """
create or replace temp macro local_day(instant) as (instant at time zone 'Europe/Paris')::date;

create or replace temp view known_users as
    select user_id, min(signup_ts) as signup_ts, min(loaded_at) as known_since
    from users
    where loaded_at < getvariable('as_of') and user_id is not null
    group by user_id;

create or replace temp macro visible(events) as table
    select e.*
    from query_table(events) e semi join known_users using (user_id)
    where loaded_at < getvariable('as_of') and event_ts <= loaded_at
    qualify row_number() over (partition by event_id order by loaded_at) = 1;

create or replace temp view plays as
    select v.*, coalesce(c.content_type, 'unknown') as content_type, c.title, c.duration
    from visible('video_events') v
    left join (
        select content_id,
               arg_max(content_type, loaded_at) as content_type,
               arg_max(title, loaded_at) as title,
               arg_max(duration_seconds, loaded_at) as duration
        from contents
        where loaded_at < getvariable('as_of')
        group by content_id
    ) c using (content_id);

create or replace temp view acts as
    select user_id, event_ts, loaded_at, session_id, 'play' as act from visible('video_events')
    union all by name
    select user_id, event_ts, loaded_at, session_id, 'page' as act from visible('page_views')
    union all by name
    select user_id, event_ts, loaded_at, session_id, 'search' as act from visible('searches')
    union all by name
    select user_id, event_ts, loaded_at, 'login' as act from visible('logins') where success;
"""

# First and last by sorting lists of plays, where the model aggregates in order.
USER_VIDEO_CONSUMPTION = """
with lists as (
    select
        user_id,
        content_type,
        list_sort(list({ts: event_ts, id: event_id, content: content_id, title: title})) as plays,
        len(list_distinct(list(content_id))) as contents,
        list_sum(list(coalesce(watch_seconds, 0))) as seconds,
        len(list_filter(list(10 * watch_seconds >= 9 * duration), lambda complete: complete)) as completed
    from plays
    group by all
)
select
    user_id,
    content_type,
    plays[1].content as first_content_id,
    plays[1].title as first_content_title,
    plays[1].ts as first_play_ts,
    plays[-1].content as last_content_id,
    plays[-1].title as last_content_title,
    plays[-1].ts as last_play_ts,
    len(plays) as plays,
    contents as distinct_contents,
    seconds::bigint as watch_seconds,
    completed as completed_plays,
    round(completed::double / len(plays), 4) as completion_rate
from lists
"""

# The windows by counting back from the day of the run, which is not over, straight from the events.
USER_NAVIGATION = """
with aged as (
    select
        *,
        local_day(event_ts) as day,
        date_diff('day', local_day(event_ts), local_day(getvariable('as_of'))) as age
    from acts
),
known as (
    select user_id, greatest(date_diff('day', local_day(signup_ts), local_day(getvariable('as_of'))), 7) as age
    from known_users
),
visits as (
    select
        user_id,
        max(event_ts) as last_activity_ts,
        max(if(act = 'login', event_ts, null)) as last_login_ts,
        min(age) as since,
        count(distinct day) as days,
        count(distinct if(age between 1 and 7, day, null)) as days_7,
        count(distinct if(age between 1 and 30, day, null)) as days_30,
        count(distinct if(age between 1 and 90, day, null)) as days_90,
        count(distinct if(age between 31 and 60, day, null)) as days_before,
        count(distinct if(age between 1 and 30, session_id, null)) as sessions,
        sum(if(act = 'page' and age between 1 and 30, 1, 0)) as pages,
        sum(if(act = 'login' and age between 1 and 30, 1, 0)) as logins,
        sum(if(act = 'login' and age between 1 and 90, 1, 0)) as logins_90
    from aged
    group by user_id
)
select
    user_id,
    last_activity_ts,
    last_login_ts,
    since as days_since_activity,
    ifnull(days, 0) as active_days,
    ifnull(days_7, 0) as active_days_7d,
    ifnull(days_30, 0) as active_days_30d,
    ifnull(days_90, 0) as active_days_90d,
    ifnull(days_before, 0) as active_days_previous_30d,
    ifnull(sessions, 0) as sessions_30d,
    ifnull(pages, 0)::bigint as page_views_30d,
    ifnull(logins, 0)::bigint as logins_30d,
    ifnull(logins_90, 0)::bigint as logins_90d,
    round(ifnull(logins_90, 0)::double * 7 / least(known.age, 90), 4) as logins_a_week,
    case
        when since is null then 'never'
        when since > 90 then 'gone'
        when since > 30 then 'rare'
        when days_30 >= 2 * least(known.age, 30) / 3 then 'daily'
        when days_30 >= 4 * least(known.age, 30) / 30 then 'weekly'
        else 'monthly'
    end as visit_frequency
from known left join visits using (user_id)
"""

# Fifths by place in the queue: of n users, the first n mod 5 fifths take one user more.
USER_RFA = """
with month as (
    select date_trunc('month', local_day(getvariable('as_of')))::date as start
),
members as (
    select user_id, signup_ts from known_users, month where local_day(known_since) < start
),
visits as (
    select
        user_id,
        max(event_ts) as last_ts,
        count(distinct local_day(event_ts)) as days,
        count(distinct session_id) as sessions
    from acts semi join members using (user_id), month
    where local_day(loaded_at) < start and date_diff('day', local_day(event_ts), start) <= 90
    group by user_id
),
queues as (
    select user_id, 'recency' as score, row_number() over (order by last_ts, user_id) - 1 as place,
           count(*) over () as n
    from visits
    union all
    select user_id, 'frequency', row_number() over (order by days, sessions, user_id) - 1, count(*) over ()
    from visits
    union all
    select user_id, 'seniority', row_number() over (order by signup_ts desc, user_id) - 1, count(*) over ()
    from members
),
fifths as (
    select
        user_id,
        score,
        1 + case
            when place < (n % 5) * (n // 5 + 1) then place // (n // 5 + 1)
            else n % 5 + (place - (n % 5) * (n // 5 + 1)) // (n // 5)
        end as fifth
    from queues
),
scores as (
    select
        user_id,
        ifnull(max(fifth) filter (where score = 'recency'), 0) as r,
        ifnull(max(fifth) filter (where score = 'frequency'), 0) as f,
        max(fifth) filter (where score = 'seniority') as s
    from fifths
    group by user_id
)
select
    user_id,
    start as segment_month,
    date_diff('day', local_day(last_ts), start) as recency_days,
    ifnull(days, 0) as active_days_before_month,
    date_diff('day', local_day(signup_ts), start) as seniority_days,
    r as recency_score,
    f as frequency_score,
    s as seniority_score,
    case
        when r = 0 then 'asleep'
        when r < 3 then if(f >= 3, 'at_risk', 'drifting')
        when f >= 4 then if(r >= 4 and s >= 3, 'champion', 'loyal')
        when s <= 2 then 'newcomer'
        else 'occasional'
    end as segment
from members
join scores using (user_id)
left join visits using (user_id)
cross join month
"""

RECOMPUTED = {
    "user_video_consumption": USER_VIDEO_CONSUMPTION,
    "user_navigation": USER_NAVIGATION,
    "user_rfa": USER_RFA,
}


def compare(connection, left, right):
    """Rows of each side that the other lacks, as counts and a few samples. Both are names of views."""
    columns = [row[0] for row in connection.execute(f"describe {left}").fetchall()]
    others = [row[0] for row in connection.execute(f"describe {right}").fetchall()]
    if sorted(columns) != sorted(others):
        return f"columns differ: {sorted(set(columns) ^ set(others))}"
    listed = ", ".join(f'"{column}"' for column in columns)
    lines = []
    for here, there in ((left, right), (right, left)):
        connection.execute(
            f"create or replace temp table missing as select {listed} from {here} except all select {listed} from {there}"
        )
        count = connection.execute("select count(*) from missing").fetchone()[0]
        if count:
            # as text: the driver would want a time zone library to hand over a timestamp
            samples = connection.execute("select columns(*)::varchar from missing order by all limit 3").fetchall()
            lines.append(f"{count} rows only in {here}")
            lines += [f"    {dict(zip(columns, sample))}" for sample in samples]
    return "\n  ".join(lines)


def read_by_all(readers, warehouse):
    """Opens every table with every reader. Leaves a view by the name of each table."""
    failures = 0
    folders = sorted(log.parent for log in warehouse.rglob("_delta_log") if log.is_dir())
    for folder in folders:
        tables = {name: read(folder) for name, read in readers.read.items()}
        # One schema for all: a reader may hand over views of strings, or bytes.
        schema = tables["pyarrow"].schema
        differences = []
        for name, table in tables.items():
            if sorted(table.column_names) != sorted(schema.names):
                differences.append(f"{name} finds the columns {table.column_names}")
                continue
            readers.duckdb.register("read", table.select(schema.names).cast(schema))
            readers.duckdb.execute(f"create or replace temp table {quoted_name(name)} as from read")
            differs = compare(readers.duckdb, quoted_name(name), '"delta-rs"')
            if differs:
                differences.append(f"{name} against delta-rs: {differs}")
        view = quoted_name(f"landed_{folder.name}")
        readers.duckdb.execute(f"create or replace temp table {view} as from delta_scan('{folder}')")
        failures += bool(differences)
        verdict = "DIFFERS: " + "\n  ".join(differences) if differences else f"{', '.join(tables)} agree"
        rows, version = tables["delta-rs"].num_rows, DeltaTable(str(folder)).version()
        print(f"read      {folder.name:<26} {rows:>9} rows  version {version:>3}  {verdict}")
    if not folders:
        print(f"read      no Delta table under {warehouse}")
        failures += 1
    return failures, {folder.name for folder in folders}


def quoted_name(name):
    return '"' + name.replace('"', '""') + '"'


def compute_again(connection, raw, as_of, landed):
    connection.execute(f"set variable as_of = timestamptz '{as_of} 00:00:00+00'")
    for table in RAW_TABLES:
        connection.execute(f"create or replace temp view {table} as from '{raw / table}/*.parquet'")
    for statement in EVENTS.split(";"):
        if statement.strip():
            connection.execute(statement)
    failures = 0
    for name, query in RECOMPUTED.items():
        if name not in landed:
            print(f"recompute {name:<26} NOT LANDED")
            failures += 1
            continue
        connection.execute(f"create or replace temp table recomputed as {query}")
        difference = compare(connection, f"landed_{name}", "recomputed")
        rows, columns = connection.execute(
            "select (select count(*) from recomputed), (select count(*) from (describe recomputed))"
        ).fetchone()
        failures += bool(difference)
        verdict = f"DIFFERS: {difference}" if difference else "agrees with the raw data"
        print(f"recompute {name:<26} {rows:>9} rows  {columns} columns  {verdict}")
    return failures


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--warehouse", type=Path, required=True, help="root of the target")
    parser.add_argument("--raw", type=Path, required=True, help="folder of the raw tables")
    parser.add_argument("--as-of", default="2024-09-01", help="the day that the build computed for")
    args = parser.parse_args()
    warehouse, raw = args.warehouse.resolve(), args.raw.resolve()
    with Readers() as readers:
        failures, landed = read_by_all(readers, warehouse)
        failures += compute_again(readers.duckdb, raw, args.as_of, landed)
    print("all agree" if not failures else f"{failures} tables differ")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
