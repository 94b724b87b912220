"""Tables that Sail made, deleted from and merged into: refx reads them as sources, and writes into
them where it can keep what they are.

Sail's DELETE and MERGE leave deletion vectors where a table allows them, and one of the tables maps
its columns to other names: what refx cannot write it has to refuse, in a line that says why.
"""

import datetime as dt

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

from rows import canonical, difference, made

SCHEMA = pa.schema([("id", pa.int64()), ("name", pa.string()), ("day", pa.date32())])
DAY = dt.date(2024, 3, 1)

# What each table allows, and why refx does not write into it.
TABLES = {
    "plain": ("", None),
    "vectors": ("partitioned by (day) tblproperties ('delta.enableDeletionVectors' = 'true')", None),
    "mapped": (
        "tblproperties ('delta.enableDeletionVectors' = 'true', 'delta.columnMapping.mode' = 'name')",
        "it uses column mapping",
    ),
}


def check(refx, readers):
    """Prints a line a table. Returns how many went wrong."""
    failures = 0
    for name, (clauses, refusal) in TABLES.items():
        try:
            faults = live(name, clauses, refusal, refx, readers)
        except Exception as error:  # a reader's own failure is one too
            faults = [str(error)[:500]]
        failures += bool(faults)
        written = "refused a write into it" if refusal else "wrote into it"
        verdict = f"refx read it, {written}; all agree" if not faults else "DIFFERS\n    " + "\n    ".join(faults)
        print(f"{'made by Sail':<28} {name:<11} {verdict}")
    return failures


def live(name, clauses, refusal, refx, readers):
    folder = refx.project / "warehouse" / name
    rows = made_by_sail(name, clauses, folder, readers.spark)
    if name != "plain" and '"deletionVector":{' not in log_of(folder):
        return ["Sail made no deletion vector: nothing is proven"]
    faults = compare("after Sail's statements", name, rows, refx, readers)
    changes = {i: row(i, "by refx") for i in (1, 2, 3, 4, 17, 30)}
    (refx.project / "data").mkdir(exist_ok=True)
    pq.write_table(made(list(changes.values()), SCHEMA), refx.project / "data" / "changes.parquet")
    before = DeltaTable(str(folder)).version()
    done = refx.try_("run", "--select", f"into_{name}")
    if refusal:
        told = done.stdout + done.stderr
        if done.returncode != 1 or f"cannot be written: {refusal}" not in told:
            faults.append(f"refx did not refuse: exit {done.returncode}\n{told}")
        if DeltaTable(str(folder)).version() != before:
            faults.append("refx refused, and committed all the same")
    elif done.returncode:
        faults.append(f"refx could not write:\n{done.stdout}{done.stderr}")
    else:
        rows |= changes
    faults += compare("after refx", name, rows, refx, readers)
    readers.spark.sql(f"delete from {name} where id % 5 = 2").toArrow()
    rows = {i: row for i, row in rows.items() if i % 5 != 2}
    return faults + compare("after Sail's last delete", name, rows, refx, readers)


def made_by_sail(name, clauses, folder, spark):
    """Creates the table. Returns the rows that it must hold, by id."""
    statements = [
        f"create table {name} (id bigint, name string, day date) using delta location '{folder}' {clauses}",
        f"insert into {name} select id, concat('n', id), date'2024-03-01' from range(20)",
        f"delete from {name} where id % 3 = 0",
        f"merge into {name} using (select id, 'merged' as name, date'2024-03-01' as day from range(15, 25)) s"
        f" on {name}.id = s.id when matched then update set name = s.name"
        " when not matched then insert (id, name, day) values (s.id, s.name, s.day)",
    ]
    for statement in statements:
        spark.sql(statement).toArrow()
    rows = {i: row(i, f"n{i}") for i in range(20) if i % 3}
    return rows | {i: row(i, "merged") for i in range(15, 25)}


def row(i, name):
    return {"id": i, "name": name, "day": DAY}


def compare(when, name, rows, refx, readers):
    """What the readers, and a copy that refx makes of the table, have other than these rows."""
    expected = canonical(made(list(rows.values()), SCHEMA), SCHEMA)
    warehouse = refx.project / "warehouse"
    refx("run", "--select", f"copy_of_{name}")
    found = {"refx": readers.read["DuckDB"](warehouse / f"copy_of_{name}")}
    for reader, read in readers.read.items():
        # It knows neither deletion vectors nor mapped columns, and says so.
        if reader != "pyarrow":
            found[reader] = read(warehouse / name)
    faults = []
    for reader, table in found.items():
        differs = difference(canonical(table, SCHEMA), expected, SCHEMA.names)
        if differs:
            faults.append(f"{when}, {reader}: {differs}")
    return faults


def log_of(folder):
    return "".join(path.read_text() for path in sorted((folder / "_delta_log").glob("*.json")))
