"""Two and four processes of refx on one target at once, and a foreign writer between them.

Who exits 0 finds its rows in the final table, exactly once. Who does not has said why, and its rows are
there as a whole or not at all. No key is there twice in any version.
"""

import json
import random
import threading
from pathlib import Path

import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from binary import finish
from tables import broken_key, check_change_feed, latest, one_line, read

ROUNDS = {"short": 4, "full": 100}
# The tables begin anew now and then: the first commit is raced for as well.
ROUNDS_A_WAREHOUSE = 3
ROWS = 150
COLUMNS = ("id", "slice", "round")
SCHEMA = pa.schema([("id", pa.int64()), ("slice", pa.int64()), ("round", pa.int64())])
# Keys that only the foreign writer has, under a slice of its own.
FOREIGN = 10**12

PROJECT = """\
name: race
models:
  +materialized: incremental
  +primary_key: id
  race:
    merged: {+table_properties: {delta.enableChangeDataFeed: "true"}}
targets:
  dev:
    root: "{{ env_var('REFX_WAREHOUSE') }}"
default-target: dev
"""
OWN = "select {slice} * 1000000 + value as id, {slice} as slice, {round} as round from generate_series(1, {rows})\n"
NEW = "select {slice} * 1000000 + {round} * 1000 + value as id, {slice} as slice, {round} as round from generate_series(1, {rows})\n"
SAME = "select value as id, 0 as slice, {round} as round from generate_series(1, {rows})\n"
CLAIM = "select {round} * 1000 + value as id, {slice} as slice, {round} as round from generate_series(1, {rows})\n"
MODELS = {
    # Each process updates rows of its own.
    "merged": OWN,
    "replaced": "{{{{ config(incremental_strategy='delete+insert') }}}}\n" + OWN,
    # Each process adds rows of its own.
    "appended": "{{{{ config(incremental_strategy='append') }}}}\n" + NEW,
    # All processes write the same rows.
    "shared": SAME,
    # All processes add rows of the same keys: one may.
    "claimed": "{{{{ config(incremental_strategy='append') }}}}\n" + CLAIM,
}
# Where the foreign writer writes as well.
VISITED = ("merged", "replaced", "appended", "shared")


def run(context):
    return Race(context).run()


class Race:
    def __init__(self, context):
        self.context = context
        self.random = random.Random(f"race {context.seed}")
        self.root = context.folder / "race"
        self.wrong = []
        self.counts = dict.fromkeys(
            ("processes", "written", "conflicts", "duplicates", "foreign", "foreign_conflicts", "versions", "feeds"), 0
        )

    def run(self):
        (self.root / "models").mkdir(parents=True)
        (self.root / "project.yml").write_text(PROJECT)
        values = {"slice": "{{ var('slice') }}", "round": "{{ var('round') }}", "rows": ROWS}
        for name, text in MODELS.items():
            (self.root / f"models/{name}.sql").write_text(text.format(**values))
        rounds = ROUNDS[self.context.size]
        for number in range(rounds):
            if number % ROUNDS_A_WAREHOUSE == 0:
                self.warehouse = self.root / f"warehouse{number}"
                # held[table][slice] is the rows that must be there, foreign[table] those of the other writer.
                self.held = {name: {} for name in MODELS}
                self.foreign = {name: {} for name in MODELS}
            self.round(number + 1, processes=4 if number % 2 else 2)
            if number % ROUNDS_A_WAREHOUSE == ROUNDS_A_WAREHOUSE - 1 or number == rounds - 1:
                self.history()
            self.context.progress(f"race {number + 1}/{rounds}")
        counts = self.counts
        notes = (
            f"{rounds} rounds of 2 or 4 processes at once, {counts['processes']} in all: {counts['written']} tables"
            f" written, {counts['conflicts']} given up after a conflict and told, {counts['duplicates']} refused"
            f" because another had added the keys; {counts['foreign']} commits of a foreign writer between them,"
            f" {counts['foreign_conflicts']} of its tries met a conflict; {counts['versions']} versions opened,"
            f" {counts['feeds']} change feeds replayed"
        )
        return counts["processes"], self.wrong, notes

    def round(self, number, processes):
        over = threading.Event()
        visitor = threading.Thread(target=self.visit, args=(number, over))
        visitor.start()
        started = [
            self.context.refx.start(
                self.root,
                *("build", "--threads", "2", "--vars", f"{{slice: {who}, round: {number}}}"),
                *("--target-path", str(self.root / f".refx{who}")),
                REFX_WAREHOUSE=str(self.warehouse),
            )
            for who in range(1, processes + 1)
        ]
        answers = [finish(process) for process in started]
        over.set()
        visitor.join()
        outcomes = {who: self.outcome(who, answer) for who, answer in enumerate(answers, 1)}
        for name in MODELS:
            try:
                self.judge(name, number, {who: of[name] for who, of in outcomes.items() if name in of})
            except Exception as error:
                self.wrong.append(f"round {number}: {name} cannot be read: {one_line(error)}")

    def outcome(self, who, answer):
        """What the process says of each table: None for written, else why not."""
        self.counts["processes"] += 1
        problem = answer.defect()
        if problem:
            self.wrong.append(f"process {who}: {problem}")
            return {}
        results = json.loads((self.root / f".refx{who}/run_results.json").read_text())["results"]
        told = {}
        for result in results:
            name = result["unique_id"].split(".")[-1]
            told[name] = None if result["status"] == "success" else result["message"]
            if told[name] is None:
                self.counts["written"] += 1
            elif "error[commit-conflict]" in answer.text and "another writer" in told[name]:
                self.counts["conflicts"] += 1
            elif "error[duplicate-key]" in answer.text and "primary key" in told[name] and name == "claimed":
                self.counts["duplicates"] += 1
            else:
                self.wrong.append(f"process {who}, {name}: unclear: {told[name]}")
        if (answer.code == 0) != all(why is None for why in told.values()):
            self.wrong.append(f"process {who}: exit code {answer.code}, but {told}")
        return told

    def judge(self, name, number, told):
        folder = self.warehouse / name
        rows = read(folder, COLUMNS)
        key = broken_key(rows)
        if key:
            self.wrong.append(f"round {number}: {name}: {key}")
        rows = set(rows)
        mine = {row for row in rows if row[0] < FOREIGN}
        theirs = rows - mine
        wanted = {(key, 0, value) for key, value in self.foreign[name].items()}
        if theirs != wanted:
            self.wrong.append(
                f"round {number}: {name}: of the foreign writer {len(wanted - theirs)} rows are lost, {len(theirs - wanted)} too many"
            )
        held = self.held[name]
        if name == "shared":
            told = {0: None if None in told.values() else "none"}
        if name == "claimed":
            self.judge_claim(number, mine, told)
            return
        for who, why in told.items():
            found = {row for row in mine if row[1] == who}
            before, after = held.get(who, set()), self.after(name, who, number, held.get(who, set()))
            if why is None and found != after:
                self.wrong.append(
                    f"round {number}: {name}: process {who} was done, but {len(after - found)} of its rows are lost, {len(found - after)} others there"
                )
            elif why is not None and found not in (before, after):
                self.wrong.append(f"round {number}: {name}: process {who} failed and left half of its rows")
            held[who] = found
        known = set().union(*held.values()) if held else set()
        if mine != known:
            self.wrong.append(f"round {number}: {name}: {len(mine - known)} rows of nobody, {len(known - mine)} lost")

    @staticmethod
    def after(name, who, number, before):
        if name == "appended":
            return before | {(who * 10**6 + number * 1000 + value, who, number) for value in range(1, ROWS + 1)}
        return {(who * 10**6 + value, who, number) for value in range(1, ROWS + 1)}

    def judge_claim(self, number, rows, told):
        winners = [who for who, why in told.items() if why is None]
        found = {row for row in rows if row[2] == number}
        owners = {row[1] for row in found}
        if len(winners) > 1:
            self.wrong.append(f"round {number}: claimed: processes {winners} all added the same keys")
        elif winners and owners != set(winners):
            self.wrong.append(f"round {number}: claimed: process {winners[0]} was done, the rows are of {owners}")
        if len(found) not in (0, ROWS) or (winners and not found):
            self.wrong.append(f"round {number}: claimed: {len(found)} rows of {ROWS}")
        held = self.held["claimed"]
        held[number] = found
        if rows != set().union(*held.values()):
            self.wrong.append(f"round {number}: claimed: rows of earlier rounds are gone")

    def visit(self, number, over):
        """Commits of Python's deltalake for as long as the processes run."""
        draw = random.Random(f"visit {self.context.seed} {number}")
        turn = 0
        while not over.is_set():
            turn += 1
            name = draw.choice(VISITED)
            folder = str(self.warehouse / name)
            if latest(Path(folder)) is None:
                over.wait(0.01)
                continue
            try:
                self.foreign[name] = self.commit(folder, dict(self.foreign[name]), draw, number * 1000 + turn)
                self.counts["foreign"] += 1
            except DeltaError as error:
                # deltalake tells a conflict in several words; whatever it is, nothing was committed.
                self.counts["foreign_conflicts"] += 1
                if "onflict" not in str(error) and "oncurrent" not in str(error) and "commit" not in str(error):
                    self.wrong.append(f"the foreign writer on {name}: {one_line(error)}")
            over.wait(draw.uniform(0, 0.05))

    @staticmethod
    def commit(folder, rows, draw, turn):
        """One commit; gives the rows of the foreign writer after it."""
        table = DeltaTable(folder)
        known = sorted(rows)
        kind = draw.choice(("append", "merge", "delete", "optimize"))
        if kind == "append" or (not known and kind != "optimize"):
            added = {FOREIGN + turn * 100 + at: turn for at in range(draw.randint(1, 5))}
            write_deltalake(table, foreign_rows(added), mode="append")
            return rows | added
        if kind == "merge":
            changed = {key: turn for key in draw.sample(known, min(3, len(known)))}
            changed[FOREIGN + turn * 100 + 50] = turn
            merger = table.merge(foreign_rows(changed), "t.id = s.id", source_alias="s", target_alias="t")
            merger.when_matched_update_all().when_not_matched_insert_all().execute()
            return rows | changed
        if kind == "delete":
            gone = draw.choice(known)
            table.delete(f"id = {gone}")
            return {key: value for key, value in rows.items() if key != gone}
        table.optimize.compact()
        return rows

    def history(self):
        for name in MODELS:
            folder = self.warehouse / name
            before = []
            for version in range((latest(folder) or -1) + 1):
                told = f"{name} version {version}"
                try:
                    rows = read(folder, COLUMNS, version)
                except Exception as error:
                    self.wrong.append(f"{told} cannot be read: {one_line(error)}")
                    continue
                self.counts["versions"] += 1
                if broken_key(rows):
                    self.wrong.append(f"{told}: {broken_key(rows)}")
                problem, replayed = check_change_feed(folder, COLUMNS, version, before, rows)
                self.counts["feeds"] += replayed
                if problem:
                    self.wrong.append(f"{told}: {problem}")
                before = rows


def foreign_rows(rows):
    columns = [list(rows), [0] * len(rows), list(rows.values())]
    return pa.table(columns, schema=SCHEMA)
