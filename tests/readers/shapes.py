#!/usr/bin/env python3
"""Takes tables of every shape through their lives, and has each state read by tools that are not refx.

    python tests/readers/shapes.py --refx target/debug/refx --work /tmp/shapes

After each step of batches.py every reader reads every table. Its rows are compared with the rows that
plain Python computes from the batches, and with those of delta-rs; the footers of the Parquet files
and the change feeds are looked at. One line a table and step; the exit code is 1 if anything differs.

A step whose command this refx does not have is left out, loudly. The packages are pinned in
requirements.txt.
"""

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable

import feeds
import foreign
import footers
from batches import STEPS, TABLES, Batches, after
from readers import NO_NESTED_NULLS, Readers
from rows import canonical, difference, made


class Refx:
    """The program, at work in a copy of a project."""

    def __init__(self, program, project):
        self.program, self.project = program, project

    def try_(self, *arguments):
        return subprocess.run([self.program, *arguments], cwd=self.project, capture_output=True, text=True)

    def __call__(self, *arguments):
        done = self.try_(*arguments)
        if done.returncode:
            sys.exit(f"refx {' '.join(arguments)}: exit {done.returncode}\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def has(self, command):
        return self.try_(command, "--help").returncode == 0


class State:
    """What a table must hold now, and held at each version that a step ended with."""

    def __init__(self, table):
        self.table, self.rows, self.schema = table, [], None
        self.history = []

    def load(self, batch, schema, full_refresh):
        self.rows = after(self.table, self.rows, batch, full_refresh)
        replaced = full_refresh or self.table.strategy == "replace"
        # Columns that a batch lacks stay in the table.
        if self.schema is None or replaced or len(schema) > len(self.schema):
            self.schema = schema

    def go_back(self, steps):
        """The state that so many states ago was; its version."""
        version, self.rows, self.schema = self.history[-1 - steps]
        return version

    def ended(self, version):
        if not self.history or self.history[-1][0] != version:
            self.history.append((version, self.rows, self.schema))


def perform(step, number, batches, states, refx):
    """Runs one step."""
    if step.command:
        for state in states:
            version = state.go_back(min(step.back, len(state.history) - 1)) if step.back else None
            refx(*step.command.format(table=state.table.name, version=version).split())
        return
    data = refx.project / "data"
    data.mkdir(exist_ok=True)
    for state in states:
        schema = state.table.schema(step.grown)
        batch = batches.rows(state.table, number, step)
        pq.write_table(made(batch, schema), data / f"{state.table.name}.parquet")
        state.load(batch, schema, step.full_refresh)
    refx("run", *(["--full-refresh"] if step.full_refresh else []))


def look(step, state, folder, readers):
    """Reads the table with every reader. Returns the line to print and what is wrong."""
    table, schema = state.table, state.schema
    version = DeltaTable(str(folder)).version()
    before = state.history[-1][0] if state.history else -1
    faults = wrong_columns(folder, schema, table.key if table.strategy == "merge" else ())
    first = None
    for name, read in readers.read.items():
        if name in table.left_out:
            continue
        nested_nulls = name not in NO_NESTED_NULLS
        try:
            found = read(folder)
        except Exception as error:  # whatever a reader raises, the others are asked too
            faults.append(f"{name} cannot read it: {str(error)[:500]}")
            continue
        if sorted(found.column_names) != sorted(schema.names):
            faults.append(f"{name} finds the columns {found.column_names}")
            continue
        first = found if first is None else first
        for rows, whose in ((made(state.rows, schema), "the batches"), (first, "delta-rs")):
            differs = difference(
                canonical(found, schema, nested_nulls), canonical(rows, schema, nested_nulls), schema.names
            )
            if differs:
                faults.append(f"{name} against {whose}: {differs}")
    files, found = footers.check(folder, schema_with_grown(table, schema), table.partition_by)
    faults += found
    for at in range(before + 1, version + 1) if table.feed else ():
        rewritten = step.full_refresh or step.back > 0
        faults += feeds.check(folder, at, schema, table, rewritten)
    if step.same and table.strategy == "merge" and version != before:
        faults.append(f"version {version} was made though nothing had changed")
    state.ended(version)
    line = f"v{version:<3} {len(state.rows):>4} rows  {files:>3} files"
    return line, faults


def schema_with_grown(table, schema):
    """Change feeds of versions before a restore or a rebuild keep the columns that went."""
    names = set(schema.names)
    return pa.schema([*schema, *(field for field in table.schema(True) if field.name not in names)])


def wrong_columns(folder, schema, key):
    """Whether the log says of the columns what was asked for."""
    fields = json.loads(DeltaTable(str(folder)).schema().to_json())["fields"]
    found = {field["name"]: (json.dumps(field["type"]), field["nullable"]) for field in fields}
    faults = []
    for field in schema:
        wanted = json.dumps(delta_type(field.type)), field.name not in key
        if found.get(field.name) != wanted:
            faults.append(f"`{field.name}` is {found.get(field.name)} in the log, expected {wanted}")
    return faults


def delta_type(type_):
    """The type as a Delta log writes it."""
    types = pa.types
    if types.is_list(type_):
        return {"type": "array", "elementType": delta_type(type_.value_type), "containsNull": True}
    if types.is_map(type_):
        return {
            "type": "map",
            "keyType": delta_type(type_.key_type),
            "valueType": delta_type(type_.item_type),
            "valueContainsNull": True,
        }
    if types.is_struct(type_):
        fields = [
            {"name": field.name, "type": delta_type(field.type), "nullable": True, "metadata": {}} for field in type_
        ]
        return {"type": "struct", "fields": fields}
    if types.is_decimal(type_):
        return f"decimal({type_.precision},{type_.scale})"
    if types.is_timestamp(type_):
        return "timestamp" if type_.tz else "timestamp_ntz"
    return {
        "int8": "byte",
        "int16": "short",
        "int32": "integer",
        "int64": "long",
        "bool": "boolean",
        "date32[day]": "date",
    }.get(str(type_), str(type_))


def live(refx, readers):
    """All steps on all tables. Returns how many looks found a fault, and what was left out."""
    for table in TABLES:
        for reader, reason in table.left_out.items():
            print(f"{reader} does not read {table.name}: {reason}")
    batches, states = Batches(), [State(table) for table in TABLES]
    failures, left_out = 0, []
    for number, step in enumerate(STEPS):
        command = step.command.split(" ")[0]
        if command and not refx.has(command):
            left_out.append(step.title)
            print(f"!! {step.title}: LEFT OUT, this refx has no command `{command}`")
            continue
        perform(step, number, batches, states, refx)
        for state in states:
            line, faults = look(step, state, refx.project / "warehouse" / state.table.name, readers)
            failures += bool(faults)
            verdict = "all agree" if not faults else "DIFFERS\n    " + "\n    ".join(faults[:12])
            print(f"{step.title:<28} {state.table.name:<11} {line}  {verdict}")
    return failures, left_out


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--refx", type=Path, required=True, help="the program to test")
    parser.add_argument("--work", type=Path, required=True, help="an empty folder to work in")
    args = parser.parse_args()
    here = Path(__file__).parent
    refx = {}
    for project in ("shapes", "foreign"):
        folder = args.work.resolve() / project
        shutil.copytree(here / project, folder)
        refx[project] = Refx(args.refx.resolve(), folder)
    with Readers() as readers:
        failures, left_out = live(refx["shapes"], readers)
        failures += foreign.check(refx["foreign"], readers)
    if left_out:
        print(f"!! left out: {', '.join(left_out)}")
    print("all agree" if not failures else f"{failures} looks found a fault")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
