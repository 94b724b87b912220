"""Column lineage of all queries of TPC-H and TPC-DS, each taken as a model.

The columns of sources that `refx lineage` finds for each output column are held against those that
sqlglot finds in the query's text, and for some queries against expected.json, which was written by
reading them.
"""

import argparse
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import benchmarks
import oracle
import project

EXPECTED = Path(__file__).with_name("expected.json")

# Columns of sources, each with what is known to lead from it; the readers are those of which the lineage
# upwards names it.
DOWNWARDS = ["tpch.lineitem.l_discount", "tpcds.date_dim.d_date", "tpcds.item.i_item_id"]


class Refx:
    def __init__(self, binary, root):
        self.binary, self.root = binary, root

    def run(self, *arguments):
        done = subprocess.run([self.binary, *arguments], cwd=self.root, capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"refx {' '.join(arguments)}:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def lineage(self, of, direction):
        return json.loads(self.run("lineage", of, f"--{direction}", "--output", "json"))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--refx", required=True)
    parser.add_argument("--work", required=True, type=Path)
    arguments = parser.parse_args()

    both = [benchmarks.load("tpch", "dbgen"), benchmarks.load("tpcds", "dsdgen")]
    project.write(arguments.work, both)
    refx = Refx(arguments.refx, arguments.work)
    refx.run("check")
    models = {project.model(one, number): (one, number) for one in both for number in one.queries}
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        found = dict(zip(models, threads.map(lambda name: refx.lineage(name, "upstream"), models)))

    faults = []
    same, deciding = against_oracle(models, found, faults)
    by_hand = against_hand(found, faults)
    downwards(refx, found, faults)
    columns = sum(len(lineage["columns"]) for lineage in found.values())
    print(f"{len(found)} queries planned, {columns} columns compared with sqlglot:")
    print(f"  {same} are made of the same columns")
    print(f"  {deciding} with the keys of windows and the filters of subqueries, which sqlglot does not tell apart")
    print(f"{by_hand} columns and the rows of {len(json.loads(EXPECTED.read_text()))} queries compared by hand")
    if faults:
        sys.exit("\n".join(faults))


def against_oracle(models, found, faults):
    same = deciding = 0
    for name, (benchmark, number) in models.items():
        ours = found[name]["columns"]
        theirs = oracle.lineage(benchmark.queries[number], benchmark.tables)
        if len(ours) != len(theirs):
            faults.append(f"{name}: {len(ours)} columns, and sqlglot finds {len(theirs)}")
            continue
        for column, (_, expected) in zip(ours, theirs):
            values = {source(step) for step in column["sources"] if step["value"]}
            decides = {source(step) for step in column["sources"] if not step["value"]}
            if values == expected:
                same += 1
            elif values | decides == expected:
                deciding += 1
            else:
                faults.append(
                    f"{name}.{column['name']}: not found {sorted(expected - values - decides)},"
                    f" found besides {sorted(values - expected)}"
                )
    return same, deciding


def against_hand(found, faults):
    """Each column's inputs with how, and what decides about the rows with its roles."""
    compared = 0
    for name, expected in json.loads(EXPECTED.read_text()).items():
        ours = found[name]["columns"]
        if len(ours) != len(expected["columns"]):
            faults.append(f"{name}: {len(ours)} columns, and {len(expected['columns'])} are expected")
            continue
        for index, (column, inputs) in enumerate(expected["columns"].items()):
            told = {source(step): step["way"] for step in ours[index]["sources"]}
            told |= {f"rows of {table(step['name'])}": "counted" for step in ours[index]["counts"]}
            # A column that the query leaves without a name is expected under its number.
            named = column in (ours[index]["name"], f"#{index + 1}")
            if not named or told != inputs:
                faults.append(f"{name}.{ours[index]['name']}: {told}, and {column}: {inputs} is expected")
            compared += 1
        rows = {}
        for step in found[name]["rows"]:
            rows.setdefault(step["way"], set()).add(staged(step))
        told = {role: sorted(columns) for role, columns in rows.items()}
        wanted = {role: sorted(columns) for role, columns in expected["rows"].items()}
        if told != wanted:
            faults.append(f"rows of {name}: {told}, and {wanted} are expected")
    return compared


def downwards(refx, found, faults):
    for column in DOWNWARDS:
        benchmark, of = column.split(".", 1)
        told = refx.lineage(column, "downstream")["columns"][0]["reaches"]
        told = {(step["name"], step["column"]) for step in told if not step["name"].startswith("stg_")}
        upwards = {
            (name, one["name"])
            for name, lineage in found.items()
            for one in lineage["columns"]
            if name.startswith(benchmark) and of in {source(step) for step in one["sources"]}
        }
        if told != upwards or not told:
            faults.append(f"{column} reaches {sorted(told ^ upwards)} in one direction only")


def source(step):
    return f"{step['name'].split('.')[1]}.{step['column']}"


def table(staging):
    """The table of a staging model."""
    return staging.split("_", 2)[2]


def staged(step):
    """The column of a table that a column of its staging model is."""
    return f"{table(step['name'])}.{step['column'].removeprefix('staged_')}"


if __name__ == "__main__":
    main()
