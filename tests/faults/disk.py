"""A disk that fills up, at every stage of a build.

The error names the disk, nothing half-written can be read, and the same command completes once there is
space, with the result of a clean run.
"""

import json
import os
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

from daily import TABLES, Daily
from binary import LeftOut
from tables import broken_key, check_latest, duckdb_connection, latest, one_line, read, read_by_duckdb

PAGE = 4096
SIZE = 6 << 20
# Free pages when the build begins. A table of these takes about five: data, change data, log.
LEVELS = {"short": (0, 2, 5, 12), "full": tuple(range(0, 90))}
NAMES_THE_DISK = re.compile(r"no (free )?space|disk", re.IGNORECASE)


def run(context):
    with Disk(context.folder / "volume") as disk:
        return fill(context, disk)


class Disk:
    """A file system of a few megabytes, in memory."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.filler = folder / "filler"

    def __enter__(self):
        self.folder.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(self.folder)]
        try:
            mounted = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            raise LeftOut(f"there is no `mount`: {error}") from None
        if mounted.returncode != 0:
            raise LeftOut(f"a small disk cannot be mounted: {mounted.stderr.strip()}")
        return self

    def __exit__(self, *_):
        subprocess.run(["umount", str(self.folder)], check=False)

    def leave(self, pages: int):
        """Fills the disk up to so many free pages."""
        free = os.statvfs(self.folder).f_bavail * os.statvfs(self.folder).f_frsize // PAGE
        with open(self.filler, "wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, free - pages) * PAGE)

    def empty(self):
        self.filler.unlink(missing_ok=True)


def fill(context, disk):
    daily = Daily(context.folder / "project", context.seed)
    tried = [
        Fill(context, disk, daily, day, artifacts_too).at_all_levels()
        # A first load, a day of merges, and a day with the artifacts on the same disk.
        for day, artifacts_too in ((1, False), (2, False), (3, True))
    ]
    total = {name: sum(one.counts[name] for one in tried) for name in tried[0].counts}
    notes = (
        f"{total['levels']} fill levels in a first load and in later days: {total['refused']} builds stopped by the"
        f" full disk ({total['untouched']} before any table, {total['partly']} between tables), {total['done']}"
        f" had just enough; {total['errors']} errors read; every one was run again with space"
    )
    return total["levels"], [line for one in tried for line in one.wrong], notes


class Fill:
    """The load of one day, at each level from the same state before."""

    def __init__(self, context, disk, daily, day, artifacts_too):
        self.context, self.disk, self.daily, self.day = context, disk, daily, day
        self.warehouse = disk.folder / "warehouse"
        self.before = context.folder / f"before{day}"
        self.artifacts = disk.folder / "refx" if artifacts_too else context.folder / "refx"
        self.connection = duckdb_connection()
        self.wrong = []
        self.counts = dict.fromkeys(("levels", "refused", "untouched", "partly", "done", "errors"), 0)

    def build(self):
        where = ("--target-path", str(self.artifacts), "--threads", "1")
        # As a user sees it: a panic of the libraries on a full disk is an error of the step.
        refx = replace(self.context.refx, shows_panics=False)
        return refx.run(self.daily.root, "build", *where, REFX_WAREHOUSE=str(self.warehouse))

    def at_all_levels(self):
        self.warehouse.mkdir(exist_ok=True)
        shutil.copytree(self.warehouse, self.before)
        self.daily.deliver()
        for pages in LEVELS[self.context.size]:
            shutil.rmtree(self.warehouse)
            shutil.copytree(self.before, self.warehouse)
            shutil.rmtree(self.artifacts, ignore_errors=True)
            self.disk.leave(pages)
            answer = self.build()
            self.counts["levels"] += 1
            self.judge(f"day {self.day}, {pages} pages free", answer)
            self.disk.empty()
            again = self.build()
            if again.code != 0 or again.defect():
                self.wrong.append(f"day {self.day}, {pages} pages: with space again: {again.defect() or again.first_error()}")
            after = check_latest(self.warehouse, self.daily, self.day)
            self.wrong += [f"day {self.day}, {pages} pages, run again: {line}" for line in after]
            self.context.progress(f"disk day {self.day}, {pages} pages")
            if answer.code == 0:
                break
        return self

    def judge(self, told, answer):
        defect = answer.defect()
        if defect:
            self.wrong.append(f"{told}: {defect}")
        days = {name: self.state(told, name) for name in TABLES}
        if answer.code == 0:
            self.counts["done"] += 1
        else:
            self.counts["refused"] += 1
            moved = any(day == self.day for day in days.values())
            self.counts["partly" if moved else "untouched"] += 1
        errors = [line for line in answer.text.splitlines() if line.startswith("error")]
        self.counts["errors"] += len(errors)
        for line in errors:
            # The folders here have the word in their names.
            if not NAMES_THE_DISK.search(line.replace(str(self.context.folder), "")):
                self.wrong.append(f"{told}: the error does not name the disk: {line}")
        self.compare_with_results(told, answer, days)

    def compare_with_results(self, told, answer, days):
        """What is said to be done is done, and what is said to have failed is as before."""
        results = self.artifacts / "run_results.json"
        try:
            results = json.loads(results.read_text())["results"]
        except (OSError, ValueError, KeyError):
            if answer.code == 0:
                self.wrong.append(f"{told}: no run_results.json, and exit code 0")
            return
        for result in results:
            name = result["unique_id"].split(".")[-1]
            if name not in TABLES:
                continue
            done = result["status"] == "success"
            if done != (days[name] == self.day) and self.changes(name):
                self.wrong.append(f"{told}: {name} is told as {result['status']}, and is as after day {days[name]}")

    def changes(self, name):
        return self.daily.expected[self.day][name] != self.daily.expected[self.day - 1][name]

    def state(self, told, name):
        """The day of the table's state, by both readers; 0 where there is no table."""
        folder = self.warehouse / name
        if latest(folder) is None:
            return 0
        try:
            rows = read(folder, TABLES[name])
            again = read_by_duckdb(self.connection, folder, TABLES[name])
        except Exception as error:
            self.wrong.append(f"{told}: {name} cannot be read: {one_line(error)}")
            return -1
        if rows != again or broken_key(rows):
            self.wrong.append(f"{told}: {name}: {broken_key(rows) or 'deltalake and DuckDB differ'}")
        for day in (self.day, self.day - 1):
            if rows == self.daily.expected[day][name]:
                return day
        self.wrong.append(f"{told}: {name} is half of a day")
        return -1
