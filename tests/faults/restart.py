"""Runs that are killed right after a commit and started again, without being told for when.

A model that appends or adds up takes its rows in once. A model whose rows hold the very instant says under
which one it can be resumed.
"""

import json
import random
import re
import time

import pyarrow as pa
from deltalake import write_deltalake

from binary import finish
from tables import latest, one_line, read

KILLS = {"short": 6, "full": 120}
ROWS = 50
SCHEMA = pa.schema([("id", pa.int64()), ("day", pa.int64()), ("n", pa.int64())])

PROJECT = """\
name: restart
models:
  +materialized: incremental
targets:
  dev:
    root: "{{ env_var('REFX_WAREHOUSE') }}"
default-target: dev
"""
SOURCES = """\
sources:
  - name: raw
    tables:
      - {name: events, location: events, format: delta}
"""
DAY = "where day = (select max(day) from {{ source('raw', 'events') }})"
MODELS = {
    # Rows that are added, through a view.
    "appended": "{{ config(incremental_strategy='append') }}\nselect id, day, n from {{ ref('day') }}\n",
    # Sums that grow.
    "summed": "{{ config(primary_key='id', on_match={'n': 'sum', 'day': 'max'}) }}\nselect id % 10 as id, max(day) as day, sum(n) as n from {{ ref('day') }} group by 1\n",
    # Rows that depend on the day of the run, and not on its second.
    "dated": "{{ config(incremental_strategy='append') }}\nselect id, day, n from {{ ref('day') }} where cast({{ as_of() }} as date) > date '2020-01-01'\n",
    # Rows that hold the very instant.
    "stamped": "{{ config(incremental_strategy='append') }}\nselect id, day, n, {{ as_of() }} as at from {{ ref('day') }}\n",
}
TABLES = ("appended", "summed", "dated", "stamped")


def run(context):
    return Restart(context).run()


class Restart:
    def __init__(self, context):
        self.context = context
        self.random = random.Random(f"restart {context.seed}")
        self.root = context.folder / "restart"
        self.warehouse = self.root / "warehouse"
        self.wrong = []
        self.days = []
        self.kills = self.missed = self.resumed = 0

    def run(self):
        (self.root / "models").mkdir(parents=True)
        (self.root / "project.yml").write_text(PROJECT)
        (self.root / "models/sources.yml").write_text(SOURCES)
        (self.root / "models/day.sql").write_text(
            "{{ config(materialized='view') }}\nselect id, day, n from {{ source('raw', 'events') }}\n" + DAY + "\n"
        )
        for name, text in MODELS.items():
            (self.root / f"models/{name}.sql").write_text(text)
        wanted = KILLS[self.context.size]
        while self.kills < wanted and not self.wrong:
            self.day()
            self.context.progress(f"restart {self.kills}/{wanted}")
        self.marks()
        notes = (
            f"{len(self.days)} days; {self.kills} runs killed right after a commit and started again,"
            f" {self.resumed} of them under the instant that they had told; {self.missed} ended before the kill"
        )
        return self.kills, self.wrong, notes

    def start(self, *arguments):
        return self.context.refx.start(
            self.root, "run", "--threads", "1", *arguments, REFX_WAREHOUSE=str(self.warehouse)
        )

    def day(self):
        day = len(self.days)
        rows = [(day * ROWS + at, day, self.random.randrange(100)) for at in range(ROWS)]
        self.days.append(rows)
        columns = dict(zip(SCHEMA.names, map(list, zip(*rows))))
        write_deltalake(str(self.root / "events"), pa.table(columns, schema=SCHEMA), mode="append")
        about = self.random.choice(TABLES)
        first, instant = self.killed(about)
        if first is not None:
            self.must_succeed(first)
        # Not in the second of the first run.
        time.sleep(1.1)
        # A run that is not told goes on, save where the rows hold the instant: then it asks.
        answer = finish(self.start())
        unclear = answer.code == 1 and "error[unclear-interval]" in answer.text
        if unclear and "stamped" in answer.text and instant:
            self.resumed += 1
            if f"--as-of {instant}" not in answer.text:
                self.wrong.append(f"day {day}: the instant {instant} is not told: {answer.text}")
            answer = finish(self.start("--as-of", instant, "--select", "stamped"))
        if first is None or not unclear:
            self.must_succeed(answer)
        self.judge(day)

    def killed(self, about):
        """Kills a run as soon as a table has its commit. Its answer if it was faster, and its instant."""
        before = latest(self.warehouse / about)
        process = self.start()
        head = process.stdout.readline().decode()
        found = re.search(r"as of (\S+Z)", head)
        instant = found and found.group(1)
        while process.poll() is None and latest(self.warehouse / about) == before:
            time.sleep(0.001)
        process.kill()
        answer = finish(process)
        if answer.code != -9:
            self.missed += 1
            return answer, instant
        self.kills += 1
        return None, instant

    def must_succeed(self, answer):
        problem = answer.defect()
        if problem or answer.code != 0:
            self.wrong.append(f"day {len(self.days) - 1}: {problem or answer.first_error()}: {answer.text[-1500:]}")

    def judge(self, day):
        everything = [row for rows in self.days for row in rows]
        sums = {}
        for key, of, n in everything:
            last, total = sums.get(key % 10, (0, 0))
            sums[key % 10] = (max(last, of), total + n)
        wanted = dict.fromkeys(TABLES, sorted(everything))
        wanted["summed"] = sorted((key, of, n) for key, (of, n) in sums.items())
        for name, rows in wanted.items():
            try:
                found = read(self.warehouse / name, SCHEMA.names)
            except Exception as error:
                self.wrong.append(f"day {day}: {name} cannot be read: {one_line(error)}")
                continue
            if found != rows:
                self.wrong.append(f"day {day}: {name} has {len(found)} rows of {len(rows)}: applied twice or not at all")

    def marks(self):
        """Each table has one mark, whatever happened to it."""
        for name in TABLES:
            marks = set()
            for entry in (self.warehouse / name / "_delta_log").glob("*.json"):
                for line in entry.read_text().splitlines():
                    mark = json.loads(line).get("txn")
                    if mark:
                        marks.add(mark["appId"])
            if len(marks) != 1:
                self.wrong.append(f"{name} has {len(marks)} marks: {sorted(marks)[:3]}")
