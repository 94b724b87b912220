"""Files of a table that are torn, cut, emptied or gone, one at a time.

A build either says in one line which file or version it is, and commits nothing to that table; or it
did not need the file, and the table is what a clean run gives.
"""

import json
import re
import shutil
from collections import Counter
from pathlib import Path

from deltalake import DeltaTable

from daily import TABLES, Daily
from tables import check_latest, duckdb_connection, latest, one_line, read_by_duckdb

DAYS = 9
CHECKPOINT = 5
# A merge that reads itself; then a table that is replaced, and appended rows.
DAMAGED = {"short": ("totals",), "full": ("totals", "countries", "day_counts")}


def emptied(file: Path):
    file.write_bytes(b"")


def cut(file: Path):
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def zeroed(file: Path):
    """As after a loss of power: the length is there, the blocks are not."""
    content = bytearray(file.read_bytes())
    content[len(content) // 4 :] = bytes(len(content) - len(content) // 4)
    file.write_bytes(content)


def holed(file: Path):
    """A hole in the middle; the end, where Parquet keeps its footer, is whole."""
    content = bytearray(file.read_bytes())
    hole = slice(4, max(5, len(content) // 3))
    content[hole] = bytes(hole.stop - hole.start)
    file.write_bytes(content)


def garbled(file: Path):
    file.write_bytes(b"\xff\xfe{]" * 64)


def deleted(file: Path):
    file.unlink()


WAYS = (deleted, emptied, cut, zeroed, holed, garbled)
SHORT_WAYS = {"current data file": (deleted, cut), "_last_checkpoint": (deleted, cut), "checkpoint": (deleted, cut)}


def run(context):
    return Torn(context).run()


class Torn:
    def __init__(self, context):
        self.context = context
        self.daily = Daily(context.folder / "project", context.seed)
        self.warehouse = context.folder / "warehouse"
        self.baseline = context.folder / "baseline"
        self.wrong = []
        self.counts = Counter()
        self.connection = duckdb_connection()

    def build(self):
        return self.context.refx.run(self.daily.root, "build", REFX_WAREHOUSE=str(self.warehouse))

    def run(self):
        for day in range(1, DAYS):
            self.daily.deliver()
            answer = self.build()
            if answer.code != 0:
                return 0, [f"the baseline fails: {answer.text}"], ""
            if day == CHECKPOINT + 1:
                for name in TABLES:
                    DeltaTable(str(self.warehouse / name)).create_checkpoint()
        shutil.copytree(self.warehouse, self.baseline)
        self.daily.deliver()
        for name in DAMAGED[self.context.size]:
            for short_log in (False, True) if self.context.size == "full" else (False,):
                for kind, file in self.files(name, short_log):
                    for way in self.ways(name, kind):
                        self.damage(name, short_log, kind, file, way)
                        self.context.progress(f"torn {self.counts['tried']}")
        counts = self.counts
        notes = (
            f"tables with a checkpoint, with and without the log before it; {counts['refused']} damages told by file or"
            f" version, {counts['not needed']} of files that were not needed, the result being the clean one"
        )
        return counts["tried"], self.wrong, notes

    def ways(self, name, kind):
        """All of them for one table; the others differ from it in what they read, and not in how."""
        every = self.context.size == "full" and name == "totals"
        return WAYS if every else SHORT_WAYS.get(kind, (cut,))

    def files(self, name, short_log):
        """One file of each kind, relative to the table."""
        folder = self.baseline / name
        added, removed, changes = [], [], []
        for log in sorted((folder / "_delta_log").glob("*.json")):
            for entry in map(json.loads, log.read_text().splitlines()):
                if "add" in entry:
                    added.append(entry["add"]["path"])
                if "remove" in entry:
                    removed.append(entry["remove"]["path"])
                if "cdc" in entry:
                    changes.append(entry["cdc"]["path"])
        current = [path for path in added if path not in removed]
        last = latest(folder)
        yield "current data file", current[-1]
        if len(current) > 1:
            yield "current data file", current[0]
        if removed:
            yield "removed data file", removed[-1]
        if changes:
            yield "change data file", changes[-1]
        yield "last commit", commit(last)
        yield "commit after the checkpoint", commit(last - 1)
        if not short_log:
            yield "commit before the checkpoint", commit(2)
            yield "version 0", commit(0)
        yield "checkpoint", f"_delta_log/{CHECKPOINT:020}.checkpoint.parquet"
        yield "_last_checkpoint", "_delta_log/_last_checkpoint"

    def damage(self, name, short_log, kind, file, way):
        shutil.rmtree(self.warehouse)
        shutil.copytree(self.baseline, self.warehouse)
        folder = self.warehouse / name
        if short_log:
            # What a clean-up of the log leaves.
            for version in range(CHECKPOINT):
                (folder / commit(version)).unlink()
        way(folder / file)
        self.counts["tried"] += 1
        before = versions(folder)
        answer = self.build()
        told = f"{name}{', log from its checkpoint on' if short_log else ''}, {kind} {way.__name__} ({file})"
        defect = answer.defect()
        if defect:
            self.wrong.append(f"{told}: {defect}")
            return
        if answer.code == 0:
            self.counts["not needed"] += 1
            self.wrong += [f"{told}: built on top: {line}" for line in check_latest(self.warehouse, self.daily, DAYS)]
            self.by_duckdb(told, folder, name)
            return
        self.counts["refused"] += 1
        if versions(folder) != before:
            self.wrong.append(f"{told}: refused, and yet committed: {sorted(versions(folder) - before)}")
        self.named(told, answer, file)

    def by_duckdb(self, told, folder, name):
        try:
            rows = read_by_duckdb(self.connection, folder, TABLES[name])
        except Exception as error:
            self.wrong.append(f"{told}: built on top: DuckDB cannot read it: {one_line(error)}")
            return
        if rows != self.daily.expected[DAYS][name]:
            self.wrong.append(f"{told}: built on top: DuckDB reads other rows")

    def named(self, told, answer, file):
        """An error names the file, or the version if it is one of the log."""
        names = [re.escape(Path(file).name)]
        version = re.match(r"_delta_log/(\d{20})\.", file)
        if version:
            names.append(rf"versions? {int(version[1])}\b")
        errors = [line for line in answer.text.splitlines() if line.startswith("error")]
        if not any(re.search(name, line) for name in names for line in errors):
            self.wrong.append(f"{told}: the file is not named: {errors[:1]}")


def commit(version: int) -> str:
    return f"_delta_log/{version:020}.json"


def versions(folder: Path) -> set[str]:
    return {file.name for file in (folder / "_delta_log").glob("*.json")}
