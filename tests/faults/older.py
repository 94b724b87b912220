"""Runs that are older than the table: slower ones that began before it, and ones for an earlier instant.

The table keeps what the newest inputs and the latest instant gave. Who was older has said so.
"""

import datetime
import random
import time

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake

from binary import finish
from tables import latest, one_line, read

ROUNDS = {"short": 2, "full": 60}
SCHEMA = pa.schema([("id", pa.int64()), ("v", pa.int64())])

PROJECT = """\
name: older
vars: {slow: 1}
targets:
  dev:
    root: "{{ env_var('REFX_WAREHOUSE') }}"
default-target: dev
"""
SOURCES = """\
sources:
  - name: raw
    tables:
      - {name: state, location: state, format: delta}
"""
# The scalar is always 0; it takes as long as `slow` says.
ROWS = """\
select id, v + (select count(*) from generate_series(1, {{ var('slow') }}) as s(n) where sin(n) > 2) as v
from {{ source('raw', 'state') }}
"""
MODELS = {
    "replaced": "{{ config(materialized='table') }}\n" + ROWS,
    "merged": "{{ config(materialized='incremental', primary_key='id') }}\n" + ROWS,
    "dated": "{{ config(materialized='table', primary_key='id') }}\nselect 1 as id, {{ as_of().strftime('%Y%m%d') }} as v\n",
}


def run(context):
    return Older(context).run()


class Older:
    def __init__(self, context):
        self.context = context
        self.random = random.Random(f"older {context.seed}")
        self.root = context.folder / "older"
        self.warehouse = self.root / "warehouse"
        self.wrong = []
        self.counts = dict.fromkeys(("runs", "late", "refused", "missed", "earlier", "allowed"), 0)
        # How much the slower run has to do; more, where it was too fast.
        self.slow = 1_000_000

    def run(self):
        (self.root / "models").mkdir(parents=True)
        (self.root / "project.yml").write_text(PROJECT)
        (self.root / "models/sources.yml").write_text(SOURCES)
        for name, text in MODELS.items():
            (self.root / f"models/{name}.sql").write_text(text)
        rounds = ROUNDS[self.context.size]
        for number in range(rounds):
            self.inputs(number)
            self.instants(number)
            self.context.progress(f"older {number + 1}/{rounds}")
        counts = self.counts
        notes = (
            f"{counts['late']} tables of slower runs that had read an older input, {counts['refused']} of them refused"
            f" and the others through before ({counts['missed']} rounds in which the slower run was faster);"
            f" {counts['earlier']} runs for an earlier instant refused, {counts['allowed']} allowed on demand"
        )
        return counts["runs"], self.wrong, notes

    def start(self, *arguments):
        self.counts["runs"] += 1
        return self.context.refx.start(self.root, "run", *arguments, REFX_WAREHOUSE=str(self.warehouse))

    def deliver(self, value):
        rows = pa.table({"id": [1, 2, 3], "v": [value] * 3}, schema=SCHEMA)
        write_deltalake(str(self.root / "state"), rows, mode="overwrite")

    def inputs(self, number):
        """A run that reads an input, and is overtaken by one that reads the next version of it."""
        tables = ("replaced", "merged")
        self.deliver(2 * number)
        late = self.start(
            "--select", *tables, "--target-path", str(self.root / ".refx-late"), "--vars", f"slow: {self.slow}"
        )
        # Its first line is printed when the inputs are pinned or about to be; its first step pins the rest.
        while late.poll() is None and not late.stdout.readline().startswith(b"run"):
            pass
        time.sleep(0.6)
        self.deliver(2 * number + 1)
        early = finish(self.start("--select", *tables))
        if early.defect() or early.code != 0:
            self.wrong.append(f"round {number}: {early.defect() or early.text}")
        newest = {name: latest(self.warehouse / name) for name in tables}
        overtaken = late.poll() is None
        answer = finish(late)
        if not overtaken:
            self.counts["missed"] += 1
            self.slow *= 4
        if answer.defect():
            self.wrong.append(f"round {number}, the late run: {answer.defect()}")
        for name in tables:
            self.counts["late"] += 1
            if latest(self.warehouse / name) == newest[name] and answer.code == 1:
                self.counts["refused"] += 1
            self.judge(f"round {number}", name, 2 * number + 1)
        if overtaken and answer.code == 1 and "error[table-ahead]" not in answer.text:
            self.wrong.append(f"round {number}: the late run was refused for another reason: {answer.text}")

    def judge(self, told, name, value):
        try:
            found = {row[1] for row in read(self.warehouse / name, ("id", "v"))}
        except Exception as error:
            self.wrong.append(f"{told}: {name} cannot be read: {one_line(error)}")
            return
        if found != {value}:
            self.wrong.append(f"{told}: {name} has {found}, not {value}: an older run overwrote it")

    def instants(self, number):
        """Runs for random days, of which only later ones may write."""
        first = datetime.date(2024, 1, 1) + datetime.timedelta(days=100 * number)
        days = [first + datetime.timedelta(days=self.random.randrange(100)) for _ in range(4)]
        for day in days:
            older = self.held() is not None and day < self.held()
            answer = finish(self.start("--select", "dated", "--as-of", day.isoformat()))
            if answer.defect():
                self.wrong.append(f"as of {day}: {answer.defect()}")
            if older:
                self.counts["earlier"] += 1
                refused = answer.code == 1 and "error[table-ahead]" in answer.text
                if not refused or self.held().isoformat() not in answer.text or day.isoformat() not in answer.text:
                    self.wrong.append(f"as of {day}, on a table of {self.held()}: {answer.text}")
            elif answer.code != 0 or self.held() != day:
                self.wrong.append(f"as of {day}: the table is of {self.held()}: {answer.text}")
        day = self.held() - datetime.timedelta(days=self.random.randrange(1, 90))
        answer = finish(self.start("--select", "dated", "--as-of", day.isoformat(), "--allow-older"))
        self.counts["allowed"] += 1
        if answer.code != 0 or self.held() != day:
            self.wrong.append(f"as of {day}, allowed: the table is of {self.held()}: {answer.text}")

    def held(self):
        folder = self.warehouse / "dated"
        if latest(folder) is None:
            return None
        number = DeltaTable(str(folder)).to_pyarrow_table().column("v").to_pylist()[0]
        return datetime.datetime.strptime(str(number), "%Y%m%d").date()
