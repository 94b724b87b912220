"""kill -9 at random instants of a repeating daily load, with readers going on.

Every version that can be opened, then or later, is the state after one whole day; and the day after the
last kill is what a clean recomputation in an empty folder gives.
"""

import json
import random
import statistics
import subprocess
import sys
import time
from pathlib import Path

from binary import finish
from daily import TABLES, Daily
from tables import check_history, check_latest, days_of, difference, digest, duckdb_connection, latest, read

KILLS = {"short": 15, "full": 500}
# Restarts of one day before it may end.
KILLS_A_DAY = 3


def run(context):
    return Kill(context).run()


class Kill:
    def __init__(self, context):
        self.context = context
        self.random = random.Random(f"kill {context.seed}")
        self.root = context.folder / "kill"
        self.daily = Daily(self.root, context.seed)
        self.warehouse = self.root / "warehouse"
        self.wrong = []
        self.counts = {"before": 0, "between": 0, "after": 0, "missed": 0}
        self.durations = []

    def run(self):
        # The first day is timed twice, and not killed: how long a build takes is not known before.
        self.daily.deliver()
        self.to_the_end()
        self.to_the_end()
        readers = [self.reader(engine) for engine in ("deltalake", "duckdb")]
        target = KILLS[self.context.size]
        try:
            while self.hits() < target and not self.wrong:
                self.daily.deliver()
                for _ in range(KILLS_A_DAY):
                    if self.hits() < target and not self.killed():
                        break
                self.to_the_end()
                self.context.progress(f"kill {self.hits()}/{target}")
        finally:
            logs = [stop(reader) for reader in readers]
        readings = sum(self.judge(*log) for log in logs)
        versions, feeds, wrong = check_history(self.warehouse, self.daily, duckdb_connection())
        self.wrong += wrong
        self.recompute()
        counts = self.counts
        notes = (
            f"{self.daily.day} days; {self.hits()} kills of a running build: {counts['before']} before its first"
            f" commit, {counts['between']} between commits, {counts['after']} after its last;"
            f" {counts['missed']} builds ended before their kill (not counted); {readings} readings meanwhile;"
            f" {versions} versions opened by both readers, {feeds} change feeds replayed;"
            f" {self.leftovers()} files left over"
        )
        return self.hits(), self.wrong, notes

    def hits(self):
        return sum(self.counts[kind] for kind in ("before", "between", "after"))

    def versions(self):
        return {name: latest(self.warehouse / name) for name in TABLES}

    def killed(self) -> bool:
        """Kills a build somewhere on its way; whether it was still running."""
        pending = self.not_yet()
        before = self.versions()
        delay = self.random.uniform(0, statistics.median(self.durations[-5:]))
        started = time.monotonic()
        process = self.context.refx.start(self.root, "build")
        # From the start of the process on, and not from the return of the call that started it.
        time.sleep(max(0, delay - (time.monotonic() - started)))
        if process.poll() is not None:
            self.counts["missed"] += 1
            self.must_succeed(finish(process))
            return False
        process.kill()
        answer = finish(process)
        if answer.code != -9:
            # It ended between the question and the signal.
            self.counts["missed"] += 1
            self.must_succeed(answer)
            return False
        written = [name for name in TABLES if self.versions()[name] != before[name]]
        left = self.not_yet()
        self.counts["after" if not left else "between" if written or left != pending else "before"] += 1
        return True

    def not_yet(self):
        """The tables that are not yet as after this day."""
        return [name for name in TABLES if self.day_of(name) != self.daily.day]

    def day_of(self, name):
        try:
            rows = read(self.warehouse / name, TABLES[name])
        except Exception:
            return None
        return max(days_of(rows, name, self.daily), default=None)

    def to_the_end(self):
        started = time.monotonic()
        answer = self.context.refx.run(self.root, "build")
        self.durations.append(time.monotonic() - started)
        self.must_succeed(answer)
        self.wrong += check_latest(self.warehouse, self.daily, self.daily.day)

    def must_succeed(self, answer):
        problem = answer.defect()
        if problem or answer.code != 0:
            self.wrong.append(f"day {self.daily.day}: {problem or answer.first_error()}")

    def reader(self, engine):
        log = open(self.context.folder / f"{engine}.jsonl", "w+")
        script = Path(__file__).with_name("reader.py")
        process = subprocess.Popen(
            [sys.executable, "-B", script, engine, self.warehouse], stdout=log, stderr=subprocess.STDOUT
        )
        return engine, process, log

    def judge(self, engine, lines) -> int:
        """Every reading was of one day's state, and later readings not of an earlier day."""
        states = {
            (name, digest(self.daily.expected[day][name])): day
            for name in TABLES
            for day in range(1, self.daily.day + 1)
        }
        reached = dict.fromkeys(TABLES, 0)
        wrong = set()
        for line in lines:
            try:
                reading = json.loads(line)
            except ValueError:
                wrong.add(f"the reader {engine} said: {line.strip()[:200]}")
                continue
            name = reading["table"]
            told = f"{engine} read {name} between version {reading['before']} and {reading['after']}"
            day = states.get((name, reading.get("digest")))
            if "error" in reading:
                wrong.add(f"{told}: {reading['error']}")
            elif reading["key"]:
                wrong.add(f"{told}: {reading['key']}")
            elif day is None:
                wrong.add(f"{told}: the state of no day")
            elif day < reached[name]:
                wrong.add(f"{told}: the state of day {day}, after one of day {reached[name]}")
            else:
                reached[name] = day
        if not lines:
            wrong.add(f"the reader {engine} read nothing")
        self.wrong += sorted(wrong)
        return len(lines)

    def recompute(self):
        clean = self.root / "clean"
        artifacts = str(self.root / ".clean")
        answer = self.context.refx.run(
            self.root, "build", "--target-path", artifacts, REFX_WAREHOUSE=str(clean)
        )
        self.must_succeed(answer)
        for name, columns in TABLES.items():
            found, wanted = read(self.warehouse / name, columns), read(clean / name, columns)
            if found != wanted:
                self.wrong.append(f"{name} is not what a recomputation gives: {difference(found, wanted)}")

    def leftovers(self) -> int:
        """Data files that no version ever named: what `vacuum` is for, and nothing that a reader sees."""
        named = set()
        for log in self.warehouse.glob("*/_delta_log/*.json"):
            for line in log.read_text().splitlines():
                entry = json.loads(line)
                path = (entry.get("add") or entry.get("cdc") or {}).get("path")
                named.add((log.parent.parent.name, path))
        found = self.warehouse.glob("*/**/*.parquet")
        files = ((file.relative_to(self.warehouse).parts, file) for file in found)
        return sum("_delta_log" not in parts and (parts[0], "/".join(parts[1:])) not in named for parts, _ in files)


def stop(reader):
    engine, process, log = reader
    alive = process.poll() is None
    process.kill()
    process.wait()
    log.seek(0)
    lines = log.readlines()
    log.close()
    if alive and lines and not lines[-1].endswith("\n"):
        lines.pop()
    return engine, lines
