"""Reading the tables with readers that are not refx, and what every version of them must hold."""

import hashlib
import importlib.util
import sys
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from daily import TABLES


def rows_of(table: pa.Table, columns) -> list[tuple]:
    """The rows as tuples, sorted, with NULL first."""
    lists = [table.column(name).to_pylist() for name in columns]
    return in_order(zip(*lists))


def in_order(rows) -> list[tuple]:
    return sorted(map(tuple, rows), key=lambda row: tuple((value is not None, value) for value in row))


def read(folder: Path, columns, version: int | None = None) -> list[tuple]:
    """The rows by Python's deltalake."""
    return rows_of(DeltaTable(str(folder), version=version).to_pyarrow_table(), columns)


def duckdb_connection() -> duckdb.DuckDBPyConnection:
    """DuckDB with its Delta extension, loaded from the Python package: nothing is downloaded."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true", "threads": "1"})
    package = importlib.util.find_spec("duckdb_extension_delta")
    if package is None:
        sys.exit("the package duckdb-extension-delta is not installed: see tests/readers/requirements.txt")
    folder = Path(package.submodule_search_locations[0])
    extension = folder / "extensions" / f"v{duckdb.__version__}" / "delta.duckdb_extension"
    connection.execute(f"load '{extension}'")
    return connection


def read_by_duckdb(connection, folder: Path, columns, version: int | None = None) -> list[tuple]:
    listed = ", ".join(f'"{column}"' for column in columns)
    at = "" if version is None else f", version => {version}"
    return in_order(connection.execute(f"select {listed} from delta_scan('{folder}'{at})").fetchall())


def latest(folder: Path) -> int | None:
    """The newest version, from the names in the log alone; `None` where there is no table."""
    commits = [int(file.stem) for file in (folder / "_delta_log").glob("?" * 20 + ".json")]
    return max(commits, default=None)


def digest(rows: list[tuple]) -> str:
    return hashlib.sha256(repr(rows).encode()).hexdigest()[:20]


def broken_key(rows: list[tuple]) -> str | None:
    """What is wrong with the first column as a key."""
    keys = Counter(row[0] for row in rows)
    if None in keys:
        return f"{keys[None]} NULL keys"
    twice = [key for key, times in keys.items() if times > 1]
    return f"{len(twice)} keys more than once: {twice[:3]}" if twice else None


def days_of(rows: list[tuple], name: str, daily) -> list[int]:
    """The days after which the table holds just these rows."""
    return [day for day in range(1, daily.day + 1) if daily.expected[day][name] == rows]


def difference(found: list[tuple], wanted: list[tuple]) -> str:
    left, right = Counter(found), Counter(wanted)
    more, less = list((left - right).elements()), list((right - left).elements())
    return f"{len(more)} rows too many {more[:2]}, {len(less)} missing {less[:2]}"


def check_history(warehouse: Path, daily, connection) -> tuple[int, int, list[str]]:
    """Opens every version of every table with both readers.

    Gives how many versions were read, how many change feeds were replayed, and what is wrong.
    """
    read_versions = replayed = 0
    wrong = []
    for name, columns in TABLES.items():
        folder = warehouse / name
        last = latest(folder)
        before, day = [], 0
        for version in range(0, -1 if last is None else last + 1):
            told = f"{name} version {version}"
            try:
                rows = read(folder, columns, version)
                again = read_by_duckdb(connection, folder, columns, version)
            except Exception as error:
                wrong.append(f"{told} cannot be read: {one_line(error)}")
                continue
            read_versions += 1
            if rows != again:
                wrong.append(f"{told}: deltalake and DuckDB differ: {difference(rows, again)}")
            key = broken_key(rows)
            if key:
                wrong.append(f"{told}: {key}")
            days = days_of(rows, name, daily)
            if not days:
                near = daily.expected[min(day + 1, daily.day)][name]
                wrong.append(f"{told} is the state of no day: {difference(rows, near)}")
            elif max(days) < day:
                wrong.append(f"{told} is the state of day {max(days)}, after one of day {day}")
            else:
                day = min(d for d in days if d >= day)
            problem, counted = check_change_feed(folder, columns, version, before, rows)
            replayed += counted
            if problem:
                wrong.append(f"{told}: {problem}")
            before = rows
    return read_versions, replayed, wrong


def check_change_feed(folder: Path, columns, version: int, before, after) -> tuple[str | None, int]:
    """The changes of one version, replayed on the rows of the one before, must give its rows."""
    table = DeltaTable(str(folder), version=version)
    if table.metadata().configuration.get("delta.enableChangeDataFeed") != "true":
        return None, 0
    try:
        changes = pa.table(table.load_cdf(starting_version=version, ending_version=version).read_all())
    except Exception as error:
        return f"its change feed cannot be read: {one_line(error)}", 0
    replayed = Counter(before)
    lists = [changes.column(name).to_pylist() for name in (*columns, "_change_type")]
    # What goes away first: an update is a row less and a row more.
    ordered = sorted(zip(*lists), key=lambda row: row[-1] not in ("delete", "update_preimage"))
    for *row, kind in ordered:
        row = tuple(row)
        if kind in ("insert", "update_postimage"):
            replayed[row] += 1
        elif replayed[row] > 0:
            replayed[row] -= 1
        else:
            return f"its change feed takes away a row that was not there: {row}", 1
    if +replayed != Counter(after):
        return f"its change feed gives other rows: {difference(list(replayed.elements()), after)}", 1
    return None, 1


def check_latest(warehouse: Path, daily, day: int, names=tuple(TABLES)) -> list[str]:
    """Whether every table is in the state of the day."""
    wrong = []
    for name in names:
        try:
            rows = read(warehouse / name, TABLES[name])
        except Exception as error:
            wrong.append(f"{name} cannot be read: {one_line(error)}")
            continue
        if rows != daily.expected[day][name]:
            wrong.append(f"{name} is not as after day {day}: {difference(rows, daily.expected[day][name])}")
    return wrong


def one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
