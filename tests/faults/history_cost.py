"""What a build asks of its stores, as the history of its tables grows.

The count is the binary's own, of calls to the local file system, and does not count what a table's rows
need. A build at version 89 may ask no more of a log than one at version 9: both stand between the same
checkpoints.
"""

import json

from deltalake import DeltaTable

BUILDS = {"short": 22, "full": 92}

PROJECT = """\
name: history
models:
  +materialized: incremental
  +primary_key: id
"""
# What an unchanged build of one table may ask: a listing before the plan and one before the write, the
# hint at a checkpoint, the checkpoint, and the entries after it.
LISTINGS = 2
ENTRIES = 10
LOG_READS = 2 + ENTRIES


def run(context):
    root = context.folder / "history"
    (root / "models").mkdir(parents=True)
    (root / "project.yml").write_text(PROJECT)
    (root / "models/days.sql").write_text("select {{ var('day') }} as id\n")
    (root / "models/reader.sql").write_text("select count(*) as id from {{ ref('days') }}\n")
    builds = BUILDS[context.size]
    wrong, most = [], {"listings": 0, "log_reads": 0}
    by_version = {}
    for day in range(1, builds + 1):
        answer = context.refx.run(root, "build", "--log-format", "json", "--vars", f"day: {day}")
        if answer.defect() or answer.code != 0:
            wrong.append(f"build {day}: {answer.defect() or answer.text[-400:]}")
            break
        asked = json.loads(answer.text.splitlines()[-1])["summary"]["requests"]
        by_version[day - 1] = asked
        # Where a checkpoint is written, the log is listed for entries that have expired.
        listings = LISTINGS + (day % 10 == 0)
        for kind, budget in (("listings", 2 * listings), ("log_reads", 2 * LOG_READS)):
            most[kind] = max(most[kind], asked[kind])
            if asked[kind] > budget:
                wrong.append(f"build {day}: {asked[kind]} {kind} of two tables, and {budget} are allowed")
    folder = root / "warehouse/days"
    rows = DeltaTable(str(folder)).to_pyarrow_table()["id"].to_pylist()
    if sorted(rows) != list(range(1, builds + 1)):
        wrong.append(f"{len(rows)} rows of {builds}")
    checkpoints = len(list(folder.glob("_delta_log/*.checkpoint.parquet")))
    if checkpoints != builds // 10:
        wrong.append(f"{checkpoints} checkpoints of {builds} versions")
    first, last = by_version.get(9, {}), by_version.get((builds - 3) // 10 * 10 + 9, by_version.get(19, {}))
    notes = (
        f"{builds} builds of two tables: at most {most['listings']} listings and {most['log_reads']} reads of"
        f" logs each; at version 9 {sum(first.values())} requests of all kinds, ten versions or more later"
        f" {sum(last.values())}; {checkpoints} checkpoints"
    )
    return builds, wrong, notes
