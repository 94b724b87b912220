"""The queries and tables of TPC-H and TPC-DS, as DuckDB's packages hold them: none of them is kept here."""

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass
class Benchmark:
    name: str
    # table -> column -> type
    tables: dict
    # number -> SQL
    queries: dict


def load(name, generate):
    """One benchmark: its queries, and the columns of its tables, which are made without rows."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    connection.execute(f"load '{extension(name)}'")
    connection.execute(f"call {generate}(sf=0)")
    tables = {}
    columns = connection.execute(
        "select table_name, column_name, data_type from information_schema.columns"
        " where table_schema = 'main' order by table_name, ordinal_position"
    )
    for table, column, data_type in columns.fetchall():
        tables.setdefault(table, {})[column] = data_type.lower()
    queries = connection.execute(f"select query_nr, query from {name}_queries() order by 1").fetchall()
    return Benchmark(name, tables, {number: sql.strip().rstrip(";").strip() for number, sql in queries})


def extension(name):
    package = importlib.util.find_spec(f"duckdb_extension_{name}")
    if package is None:
        sys.exit(f"the package duckdb-extension-{name} is not installed: see tests/lineage/requirements.txt")
    folder = Path(package.submodule_search_locations[0])
    return folder / "extensions" / f"v{duckdb.__version__}" / f"{name}.duckdb_extension"


def words(sql):
    return set(re.findall(r"[a-z_][a-z_0-9]*", sql.lower()))
