#!/usr/bin/env python3
"""Holds the rows of refx against those of DuckDB, on queries that generate.py makes up.

    python tests/rows/check.py --refx target/debug/refx --work /tmp/rows [--seed 7] [--queries 2000]

Each query is a model of one project; `refx run` makes a table of it, which delta-rs reads. A query that
refx refuses for one of the reasons in REFUSED is counted; any other failure is a fault. The packages are
those of tests/readers/requirements.txt.
"""

import argparse
import collections
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

import generate

ARROW = {"int": pa.int32(), "text": pa.string(), "double": pa.float64(), "bool": pa.bool_(), "date": pa.date32()}

# How refx reads each table: a Delta table, one with partitions, Parquet files, and a file without rows.
MODELS = {
    "t1": "{{ config(materialized='table') }}\nselect * from {{ source('raw', 't1') }}\n",
    "t2": "{{ config(materialized='table', partition_by='d') }}\nselect * from {{ source('raw', 't2') }}\n",
    "t3": "{{ config(materialized='view') }}\nselect * from {{ source('raw', 't3') }}\n",
    "nothing": "{{ config(materialized='view') }}\nselect * from {{ source('raw', 'nothing') }}\n",
}

# What refx may refuse, and says so.
REFUSED = [
    "not supported: a subquery",
    "may be the column of USING outside of it",
    "a NATURAL right or full join is not supported",
    # Two aggregates that differ only in a cast.
    "two columns are named `",
    # A window partitioned by a column that a condition compares with an expression of itself.
    "expects PARTITION BY expression to be ordered",
]


def known(query, at):
    """The query with a condition that is true in place of NULL: it is the parentheses around `at`."""
    begin, depth = at, 0
    while depth >= 0:
        begin -= 1
        depth += {")": 1, "(": -1}.get(query[begin], 0)
    end, depth = begin, 0
    while True:
        depth += {"(": 1, ")": -1}.get(query[end], 0)
        end += 1
        if depth == 0:
            return f"{query[:begin]}coalesce({query[begin:end]}, true){query[end:]}"


# Queries that DataFusion 55.2 alone refuses, answers wrongly or never ends.
FIXED = [
    "select case when (exists (select 1 from t1 as r11 where r11.s = r10.s limit 0)) then r10.a end as x0"
    " from t3 as r9 full join t1 as r10 on (2 <= r9.a or r10.d <= r10.d) where (r10.s like '_') or r9.a = r10.a",
    "select r1.d as k0, max(r1.s) filter (where r1.a is not distinct from (r1.a - r1.b)) as x0 from t1 as r1 group by r1.d",
    "select rank() over (order by r1.a) - rank() over (order by r1.b) as x0 from t1 as r1",
    "(select coalesce(r1.p, false) as x0, r2.s as x1 from t2 as r1 right join t1 as r2 on r1.b = r2.a)"
    " union (select r3.p is null as x0, r3.s as x1 from t3 as r3)",
    "select count(*) as x0 from ((select r1.p as x0, r2.d as x1 from t2 as r1 right join t1 as r2 on r1.b = r2.a)"
    " union (select true as x0, r4.d as x1 from t3 as r4) limit 1) as r5",
    "select count(*) as x0 from t1 as a join t2 as b on a.a is not distinct from b.a where a.b = b.b",
    "select a as x0, v['n'] as x1 from (select a + 1 as a, v from"
    " (select r1.a, {'n': r1.b} as v from t1 as r1 limit 1000) as i) as o",
]

# A query that never ends is a fault too; the machine may be busy.
PATIENCE = 3600

# Rules that are wrong: with each of them at least one query has to give other rows, or the queries are
# too weak to find such a fault.
WRONG_RULES = {
    "except all is except": (r"except all", "except"),
    "intersect all is intersect": (r"intersect all", "intersect"),
    "NOT IN without NULL": (r" not in \(select", known),
    "left join is join": (r"left join", "join"),
    "is distinct from is <>": (r"is distinct from", "<>"),
    "nulls first is nulls last": (r"nulls first", "nulls last"),
    "is not true is false": (r"is not true", "is false"),
    "having is left out": (r" having \([^()]*\([^()]*\)[^()]*\)", ""),
    "union is union all": (r"\) union \(", ") union all ("),
}


def canonical(value):
    if value is None or isinstance(value, (bool, str)):
        return value
    if isinstance(value, (datetime.date, datetime.datetime)):
        return value.isoformat()
    return round(float(value), 9)


def multiset(rows):
    return sorted((tuple(canonical(value) for value in row) for row in rows), key=repr)


def write_project(folder, tables, queries):
    models = folder / "models"
    models.mkdir(parents=True)
    (folder / "project.yml").write_text("name: rows\ntargets:\n  dev:\n    root: warehouse\n")
    sources = []
    for name, rows in tables.items():
        columns = {
            column: pa.array([row[at] for row in rows], ARROW[kind])
            for at, (column, kind) in enumerate(generate.COLUMNS)
        }
        table = pa.table(columns)
        (folder / "raw" / name).mkdir(parents=True)
        # In two files: statistics of a part of the rows are what files are skipped by.
        half = table.num_rows // 2
        pq.write_table(table.slice(0, half), folder / "raw" / name / "a.parquet")
        pq.write_table(table.slice(half), folder / "raw" / name / "b.parquet")
        sources.append({"name": name, "location": f"raw/{name}"})
        (models / f"{name}.sql").write_text(MODELS[name])
    (models / "sources.yml").write_text(json.dumps({"sources": [{"name": "raw", "tables": sources}]}))
    for number, query in enumerate(queries):
        text = re.sub(r"\b(t1|t2|t3|nothing) as ", r"{{ ref('\1') }} as ", query)
        text = re.sub(r"\bfrom (t1|t2|t3|nothing)\)", r"from {{ ref('\1') }})", text)
        (models / f"q{number}.sql").write_text("{{ config(materialized='table') }}\n" + text + "\n")


def oracle(tables):
    database = duckdb.connect()
    for name, rows in tables.items():
        columns = ", ".join(f"{column} {generate.SQL[kind]}" for column, kind in generate.COLUMNS)
        database.execute(f"create table {name} ({columns})")
        if rows:
            places = ", ".join("?" for _ in generate.COLUMNS)
            database.executemany(f"insert into {name} values ({places})", rows)
    return database


def expected(database, queries):
    """The rows of each query, without those that DuckDB itself cannot answer."""
    answers = {}
    for query in queries:
        try:
            answers[query] = multiset(database.execute(query).fetchall())
        except duckdb.Error:
            continue
    return answers


def sharp(database, answers):
    """The wrong rules that no query would have found."""
    blind = []
    for name, (pattern, wrong) in WRONG_RULES.items():
        found = False
        for query, rows in answers.items():
            if callable(wrong):
                place = re.search(pattern, query)
                changed = wrong(query, place.start()) if place else query
            else:
                changed = re.sub(pattern, wrong, query)
            if changed == query:
                continue
            try:
                found = multiset(database.execute(changed).fetchall()) != rows
            except duckdb.Error:
                continue
            if found:
                break
        if not found:
            blind.append(name)
    return blind


def run(refx, folder):
    arguments = [refx, "run", "--quiet"]
    environment = {**os.environ, "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            arguments, cwd=folder, capture_output=True, text=True, env=environment, timeout=PATIENCE
        )
    except subprocess.TimeoutExpired:
        sys.exit(f"refx run: no end after {PATIENCE} s")
    results = folder / ".refx" / "run_results.json"
    if not results.exists():
        sys.exit(f"refx run: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    results = json.loads(results.read_text())["results"]
    return {result["unique_id"].rsplit(".", 1)[-1]: result for result in results}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--refx", required=True)
    parser.add_argument("--work", required=True, type=Path)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("REFX_SEED", 1)))
    parser.add_argument("--queries", type=int, default=int(os.environ.get("REFX_ROWS", 200)))
    arguments = parser.parse_args()

    tables = generate.rows(arguments.seed)
    database = oracle(tables)
    generator = generate.Generator(arguments.seed)
    made = FIXED + [generator.query() for _ in range(arguments.queries)]
    answers = expected(database, made)
    queries = list(answers)
    shutil.rmtree(arguments.work, ignore_errors=True)
    write_project(arguments.work, tables, queries)
    results = run(Path(arguments.refx).resolve(), arguments.work)

    faults, refused, compared = [], collections.Counter(), 0
    for number, query in enumerate(queries):
        result = results.get(f"q{number}")
        if result is None or result["status"] != "success":
            message = (result or {}).get("message") or "it has no result"
            reason = next((reason for reason in REFUSED if reason in message), None)
            if reason:
                refused[reason] += 1
            else:
                faults.append(f"q{number} failed: {message}\n  {query}")
            continue
        table = DeltaTable(arguments.work / "warehouse" / f"q{number}").to_pyarrow_table()
        rows = multiset(zip(*[column.to_pylist() for column in table.columns]))
        compared += 1
        if rows != answers[query]:
            faults.append(f"q{number}: {query}\n  expected {answers[query][:20]}\n  actual   {rows[:20]}")

    blind = sharp(database, answers)
    print(
        f"{compared} queries compared with DuckDB, {len(faults)} at fault,"
        f" {sum(refused.values())} refused,"
        f" {len(made) - len(queries)} left out, which DuckDB cannot answer; seed {arguments.seed}"
    )
    for reason, count in refused.items():
        print(f"  {count} refused: {reason}")
    print(f"  {len(WRONG_RULES) - len(blind)} of {len(WRONG_RULES)} wrong rules would have been found")
    # Few queries of any seed may miss a rule.
    if blind and (arguments.queries >= 1000 or arguments.seed == 1):
        faults.append(f"too weak to find: {', '.join(blind)}")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
