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


class ByDuckdb:
    """DuckDB does not tell the version: it lies between the newest before and after, which are told."""

    def __init__(self):
        self.readings = 0

    def __call__(self, folder: Path, columns):
        # Its extension keeps what it has read of a log for as long as the connection lives.
        if self.readings % 200 == 0:
            self.connection = duckdb_connection()
        self.readings += 1
        return None, read_by_duckdb(self.connection, folder, columns)


def main():
    engine, warehouse = sys.argv[1], Path(sys.argv[2])
    reader = by_deltalake if engine == "deltalake" else ByDuckdb()
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
