"""Runs that are killed while they spill to disk, and what is left of it after the next run."""

import random
import time

from binary import finish

KILLS = {"short": 3, "full": 12}
# Longer than any spill takes to begin on a busy machine.
PATIENCE = 60

PROJECT = """\
name: spill
models:
  +materialized: table
targets:
  dev:
    root: warehouse
    threads: 1
    memory_limit: 64MB
    spill_directory: spilled
default-target: dev
"""
# Sorts more than fits, for as long as it is let.
SPILLS = "select value, repeat('x', 200) as text from generate_series(1, {{ var('rows', 10) }}) order by value % 1009, value\n"
SMALL = "select 1 as id\n"


def run(context):
    root = context.folder / "spill"
    spilled = root / "spilled"
    (root / "models").mkdir(parents=True)
    (root / "project.yml").write_text(PROJECT)
    (root / "models/spills.sql").write_text(SPILLS)
    (root / "models/small.sql").write_text(SMALL)
    draw = random.Random(f"spill {context.seed}")

    def begin(rows):
        process = context.refx.start(
            root,
            *("build", "--select", "spills", "--vars", f"rows: {rows}"),
            *("--target-path", str(root / f".refx{draw.random()}")),
        )
        before = size(spilled)
        started = time.monotonic()
        while size(spilled) <= before and process.poll() is None and time.monotonic() - started < PATIENCE:
            time.sleep(0.05)
        return process

    wrong, kills, left = [], KILLS[context.size], 0
    for number in range(kills):
        process = begin(200_000_000)
        time.sleep(draw.uniform(0, 1))
        if process.poll() is not None:
            wrong.append(f"kill {number}: it ended before it could be killed: {finish(process).text[-300:]}")
            continue
        process.kill()
        finish(process)
        left = max(left, size(spilled))
    if left == 0:
        wrong.append("no killed run had spilled")
    # One that lives keeps what it has spilled, whoever cleans up beside it.
    living = begin(200_000_000)
    kept = {path for path in spilled.rglob("*") if path.is_file()}
    answer = context.refx.run(root, "build", "--select", "small")
    if answer.defect() or answer.code != 0:
        wrong.append(f"the next run: {answer.defect() or answer.first_error()}")
    if living.poll() is not None:
        wrong.append(f"the run beside it ended: {finish(living).text[-300:]}")
    folders = [path for path in spilled.iterdir() if path.is_dir()]
    if len(folders) != 1 or not any(folders[0] in path.parents for path in kept):
        wrong.append(f"{len(folders)} folders of spilled rows are there, and one run lives")
    living.kill()
    finish(living)
    answer = context.refx.run(root, "build", "--select", "small")
    rest = list(spilled.iterdir())
    if answer.code != 0 or rest:
        wrong.append(f"after the last run {len(rest)} files are left: {[path.name for path in rest][:3]}")
    notes = (
        f"{kills} runs killed while they spilled left up to {left >> 20} MB; the next run removed all of it, and"
        " nothing of a run that lived"
    )
    return kills + 2, wrong, notes


def size(folder) -> int:
    total = 0
    if folder.is_dir():
        for path in folder.rglob("*"):
            try:
                total += path.stat().st_size if path.is_file() else 0
            except FileNotFoundError:
                pass
    return total
