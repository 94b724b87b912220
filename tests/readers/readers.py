"""The readers that are not refx: delta-rs, pyarrow, DuckDB, chdb (ClickHouse) and Sail (Spark Connect).

The first two are of Python's deltalake: its own engine, and the files that it hands to pyarrow.

All of them come from the packages pinned in requirements.txt; nothing is downloaded and no server
outlives the process, since Sail's runs inside of it, on a port that the system picks.
"""

import importlib.util
import os
import sys
import warnings
from pathlib import Path

# Sail's server logs every session, and pyspark every pandas that it does not know.
os.environ.setdefault("RUST_LOG", "error")
warnings.filterwarnings("ignore", category=FutureWarning, module="pyspark")

import chdb  # noqa: E402
import duckdb  # noqa: E402
import pyarrow as pa  # noqa: E402
from deltalake import DeltaTable, QueryBuilder  # noqa: E402
from pysail.spark import SparkConnectServer  # noqa: E402
from pyspark.sql import SparkSession  # noqa: E402

# Strings come as bytes, so that binary columns, which ClickHouse calls strings too, stay whole.
CHDB_SETTINGS = "session_timezone = 'UTC', output_format_arrow_string_as_string = 0"

# ClickHouse has no null of a list, a map or a struct: it reads an empty one, or one of nulls.
NO_NESTED_NULLS = {"chdb"}


def duckdb_with_delta():
    """DuckDB with its Delta extension, loaded from the Python package."""
    connection = duckdb.connect(config={"allow_unsigned_extensions": "true"})
    package = importlib.util.find_spec("duckdb_extension_delta")
    if package is None:
        sys.exit("the package duckdb-extension-delta is not installed: see tests/readers/requirements.txt")
    folder = Path(package.submodule_search_locations[0])
    extension = folder / "extensions" / f"v{duckdb.__version__}" / "delta.duckdb_extension"
    connection.execute(f"load '{extension}'")
    connection.execute("set timezone = 'UTC'")
    return connection


class Readers:
    """One open session of each reader. A context: leaving it stops Sail's server.

    Paths are to be absolute: the process changes to `/`, since chdb opens nothing outside of the
    folder that it is started in.
    """

    def __enter__(self):
        os.chdir("/")
        self.duckdb = duckdb_with_delta()
        self.server = SparkConnectServer(ip="127.0.0.1", port=0)
        self.server.start(background=True)
        host, port = self.server.listening_address
        self.spark = SparkSession.builder.remote(f"sc://{host}:{port}").getOrCreate()
        self.spark.conf.set("spark.sql.session.timeZone", "UTC")
        # delta-rs first: the other readers are compared with it, and all of them with what is expected.
        self.read = {
            "delta-rs": by_delta_rs,
            "pyarrow": by_pyarrow,
            "DuckDB": self.by_duckdb,
            "chdb": by_chdb,
            "Sail": self.by_sail,
        }
        return self

    def __exit__(self, *_):
        self.spark.stop()
        self.server.stop()

    def by_duckdb(self, folder):
        return self.duckdb.execute(f"from delta_scan({quoted(folder)})").to_arrow_table()

    def by_sail(self, folder):
        return self.spark.read.format("delta").load(str(folder)).toArrow()


def by_delta_rs(folder, version=None):
    table = DeltaTable(str(folder), version=version)
    rows = QueryBuilder().register("t", table).execute("select * from t")
    return pa.table(rows.read_all())


def by_pyarrow(folder):
    return DeltaTable(str(folder)).to_pyarrow_table()


def by_chdb(folder, settings=""):
    query = f"select * from deltaLakeLocal({quoted(folder)}) settings {CHDB_SETTINGS}{settings}"
    return chdb.query(query, "ArrowTable")


def feed_by_delta_rs(folder, version):
    feed = DeltaTable(str(folder)).load_cdf(starting_version=version, ending_version=version)
    return pa.table(feed.read_all())


def feed_by_chdb(folder, version):
    return by_chdb(
        folder,
        f", delta_lake_snapshot_start_version = {version}, delta_lake_snapshot_end_version = {version}",
    )


# DuckDB's extension has no change feed, and Sail answers with the table's rows when asked for one.
FEEDS = {"delta-rs": feed_by_delta_rs, "chdb": feed_by_chdb}


def quoted(text):
    return "'" + str(text).replace("'", "''") + "'"
