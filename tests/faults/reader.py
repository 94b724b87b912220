"""A process that opens the latest version of every table again and again, until it is told to stop.

Each line that it prints is one reading as JSON: table, version, digest of the rows, what is wrong with
the key; or the error of a table that was there and could not be read. `kill.py` starts it and judges.
"""

import json
import os
import sys
import time
from pathlib import Path

from deltalake import DeltaTable

from daily import TABLES
from tables import broken_key, digest, duckdb_connection, latest, one_line, read_by_duckdb, rows_of


def by_deltalake(folder: Path, columns):
    table = DeltaTable(str(folder))
    return table.version(), rows_of(table.to_pyarrow_table(), columns)


def by_duckdb(connection):
    # DuckDB does not tell the version: it lies between the newest before and after, which are told.
    return lambda folder, columns: (None, read_by_duckdb(connection, folder, columns))


def main():
    engine, warehouse = sys.argv[1], Path(sys.argv[2])
    reader = by_deltalake if engine == "deltalake" else by_duckdb(duckdb_connection())
    while True:
        for name, columns in TABLES.items():
            folder = warehouse / name
            before = latest(folder)
            if before is None:
                continue
            line = {"table": name, "before": before}
            try:
                version, rows = reader(folder, columns)
                line |= {"version": version, "digest": digest(rows), "key": broken_key(rows)}
            except Exception as error:
                line["error"] = one_line(error)
            line["after"] = latest(folder)
            # One call a line: the end may come at any moment.
            os.write(1, (json.dumps(line) + "\n").encode())
        time.sleep(0.01)


if __name__ == "__main__":
    main()
