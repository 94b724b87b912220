"""A refx project in which each query of a benchmark is a model.

Every table is a source with declared columns, read through a staging model that renames its columns, so
that lineage has to be followed through another model of each kind.
"""

import json

from benchmarks import words

KINDS = ["view", "ephemeral", "table"]


def write(folder, benchmarks):
    models = folder / "models"
    models.mkdir(parents=True)
    (folder / "project.yml").write_text("name: benchmarks\ntargets:\n  dev:\n    root: warehouse\n")
    sources = []
    for benchmark in benchmarks:
        tables = []
        for index, (table, columns) in enumerate(benchmark.tables.items()):
            tables.append(
                {
                    "name": table,
                    "location": f"data/{table}/*.parquet",
                    "columns": [{"name": name, "data_type": kind} for name, kind in columns.items()],
                }
            )
            renamed = ", ".join(f"{column} as {staged(column)}" for column in columns)
            (models / f"{staged_table(benchmark, table)}.sql").write_text(
                f"{{{{ config(materialized='{KINDS[index % 3]}') }}}}\n"
                f"select {renamed} from {{{{ source('{benchmark.name}', '{table}') }}}}\n"
            )
        sources.append({"name": benchmark.name, "tables": tables})
        for number, sql in benchmark.queries.items():
            (models / f"{model(benchmark, number)}.sql").write_text(over_staging(benchmark, sql) + "\n")
    # JSON is YAML too.
    (models / "sources.yml").write_text(json.dumps({"version": 2, "sources": sources}, indent=1))


def model(benchmark, number):
    return f"{benchmark.name}_{number:02}"


def staged_table(benchmark, table):
    return f"stg_{benchmark.name}_{table}"


def staged(column):
    return f"staged_{column}"


def over_staging(benchmark, sql):
    """The query, its tables read through the staging models: CTEs of the tables' names give back the
    names of the columns."""
    ctes = []
    for table, columns in benchmark.tables.items():
        if table in words(sql):
            back = ", ".join(f"{staged(column)} as {column}" for column in columns)
            ctes.append(f"{table} as (select {back} from {{{{ ref('{staged_table(benchmark, table)}') }}}})")
    head = "with " + ",\n".join(ctes)
    if sql.lower().startswith("with"):
        return f"{head},\n{sql[4:].lstrip()}"
    return f"{head}\n{sql}"
