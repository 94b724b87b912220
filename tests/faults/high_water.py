"""Racing processes of an incremental model that adds what is above its own highest id.

Each idiom asks its own table what is there already: by `run_query` in the template, by a subquery in the
query, or by `is_incremental()` alone where there is no table yet. Whoever wins, each id is there once.
"""

import json

import pyarrow as pa
from deltalake import write_deltalake

from binary import finish
from tables import latest, one_line, read

ROUNDS = {"short": 3, "full": 60}
# The tables begin anew now and then: the first load is raced for as well.
ROUNDS_A_WAREHOUSE = 3
ROWS = 4000
SCHEMA = pa.schema([("id", pa.int64()), ("round", pa.int64())])

PROJECT = """\
name: high_water
models:
  +materialized: incremental
  +incremental_strategy: append
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
MODELS = {
    "asked": """\
{% set high = -1 %}
{% if is_incremental() %}
  {% set high = run_query("select coalesce(max(id), -1) from " ~ this).columns[0].values()[0] %}
{% endif %}
select id, round from {{ source('raw', 'events') }} where id > {{ high }}
""",
    "compared": """\
select id, round from {{ source('raw', 'events') }}
{% if is_incremental() %}where id > (select coalesce(max(id), -1) from {{ this }}){% endif %}
""",
    "counted": """\
select id, round from {{ source('raw', 'events') }}
where id >= {% if load_relation(this) %}{{ run_query("select count(*) from " ~ this).columns[0].values()[0] }}{% else %}0{% endif %}
""",
}


def run(context):
    return HighWater(context).run()


class HighWater:
    def __init__(self, context):
        self.context = context
        self.root = context.folder / "high_water"
        self.wrong = []
        self.processes = self.conflicts = self.shared = 0

    def run(self):
        (self.root / "models").mkdir(parents=True)
        (self.root / "project.yml").write_text(PROJECT)
        (self.root / "models/sources.yml").write_text(SOURCES)
        for name, text in MODELS.items():
            (self.root / f"models/{name}.sql").write_text(text)
        rounds = ROUNDS[self.context.size]
        for number in range(rounds):
            if number % ROUNDS_A_WAREHOUSE == 0:
                warehouse = self.root / f"warehouse{number}"
            self.round(number, warehouse, processes=4 if number % 2 else 2)
            self.context.progress(f"high-water {number + 1}/{rounds}")
        notes = (
            f"{rounds} rounds of 2 or 4 processes at once, {self.processes} in all, over {len(MODELS)} idioms;"
            f" {self.shared} tables of a round were written by more than one of them;"
            f" {self.conflicts} steps given up after a conflict and told"
        )
        return self.processes, self.wrong, notes

    def round(self, number, warehouse, processes):
        rows = pa.table(
            {"id": range(number * ROWS, (number + 1) * ROWS), "round": [number] * ROWS}, schema=SCHEMA
        )
        write_deltalake(str(self.root / "events"), rows, mode="append")
        before = {name: latest(warehouse / name) for name in MODELS}
        started = [
            self.context.refx.start(
                self.root, "run", "--target-path", str(self.root / f".refx{who}"), REFX_WAREHOUSE=str(warehouse)
            )
            for who in range(processes)
        ]
        answers = [finish(process) for process in started]
        self.processes += processes
        written = dict.fromkeys(MODELS, 0)
        for who, answer in enumerate(answers):
            problem = answer.defect()
            if problem:
                self.wrong.append(f"round {number}, process {who}: {problem}")
                continue
            results = json.loads((self.root / f".refx{who}/run_results.json").read_text())["results"]
            for result in results:
                name = result["unique_id"].split(".")[-1]
                if result["status"] == "success":
                    written[name] += 1
                elif "another writer" in (result["message"] or ""):
                    self.conflicts += 1
                else:
                    self.wrong.append(f"round {number}, process {who}, {name}: {result['message']}")
        for name in MODELS:
            versions = (latest(warehouse / name) or 0) - (-1 if before[name] is None else before[name])
            self.shared += written[name] > 1 and versions >= 1
            self.judge(number, name, warehouse)

    def judge(self, number, name, warehouse):
        try:
            ids = [row[0] for row in read(warehouse / name, ("id", "round"))]
        except Exception as error:
            self.wrong.append(f"round {number}: {name} cannot be read: {one_line(error)}")
            return
        wanted = (number + 1) * ROWS
        if sorted(ids) != list(range(wanted)):
            twice = len(ids) - len(set(ids))
            self.wrong.append(
                f"round {number}: {name} has {len(ids)} rows for {wanted} ids, {twice} of them twice"
            )
