"""The tables of the project in shapes/, the batches that they get, and the rows that they must hold.

What a table must hold is computed here row by row from the batches, in plain Python: no SQL engine
has a hand in it.
"""

import datetime as dt
import math
import random
from dataclasses import dataclass, field
from decimal import Decimal

import pyarrow as pa

UTC = dt.timezone.utc
INSTANT = pa.timestamp("us", "UTC")
LOCAL = pa.timestamp("us")
ADDRESS = pa.struct(
    [
        ("street name", pa.string()),
        ("zip", pa.int32()),
        ("place", pa.struct([("lat", pa.float64()), ("marks", pa.list_(pa.string()))])),
    ]
)
VISIT = pa.struct([("at", INSTANT), ("page", pa.string())])

# Strings that a reader may take for something else, and one past the length of Delta's statistics.
STRINGS = ["", "Ada", "naïve café", "a\nb\t", "it's \"so\"", "日本語", "🙂", "null", "\\N", "x" * 64, "￿🙂" * 20]
# Values of a partition come back from text in the log; refx's own reading of '' there is not Delta's.
TOWNS = ["Paris", "New York", "a/b=c", "50%", "%20", "Besançon", "x:y?z#", "it's \"so\"", "東京", "a\\b", "+"]


@dataclass
class Table:
    """A model of the project. `grown` are columns that its batches have from some step on."""

    name: str
    columns: list
    strategy: str = "merge"
    key: tuple = ("id",)
    grown: list = field(default_factory=list)
    partition_by: tuple = ()
    # Who reads its change feed; none where the table has no feed.
    feed: tuple = ()
    # Readers that cannot read it through no fault of the files, and why.
    left_out: dict = field(default_factory=dict)
    # Values of columns that are not picked from those of their type.
    values: dict = field(default_factory=dict)
    # Each how manieth row of a batch it gets: fewer for a table of many partitions.
    every: int = 1
    # A boolean column of the batch: the row of this key goes. Needs the same in the model's config.
    delete_when: str = ""

    def schema(self, grown):
        return pa.schema(self.columns + (self.grown if grown else []))


TABLES = [
    Table(
        "every_type",
        [
            ("id", pa.int64()),
            ("tiny", pa.int8()),
            ("small", pa.int16()),
            ("whole", pa.int32()),
            ("wide", pa.int64()),
            ("name", pa.string()),
            ("price", pa.decimal128(9, 2)),
            ("amount", pa.decimal128(18, 4)),
            ("total", pa.decimal128(38, 10)),
            ("day", pa.date32()),
            ("seen_at", INSTANT),
            ("local_at", LOCAL),
            ("active", pa.bool_()),
            ("ratio", pa.float64()),
            ("narrow", pa.float32()),
            ("blob", pa.binary()),
            ("tags", pa.list_(pa.string())),
            ("prices", pa.list_(pa.decimal128(9, 2))),
            ("grid", pa.list_(pa.list_(pa.int32()))),
            ("address", ADDRESS),
            ("visits", pa.list_(VISIT)),
            ("attributes", pa.map_(pa.string(), pa.int64())),
        ],
        grown=[
            ("country", pa.string()),
            ("left_at", LOCAL),
            ("score", pa.decimal128(20, 3)),
            ("devices", pa.list_(pa.struct([("kind", pa.string()), ("used", pa.list_(pa.date32()))]))),
        ],
        feed=("delta-rs", "chdb"),
    ),
    Table(
        "odd_names",
        [
            ("User Id", pa.string()),
            ("select", pa.int64()),
            ("d'été", pa.string()),
            ("a.b", pa.float64()),
            ('say "hi"', pa.int32()),
            ("tick`ed", pa.string()),
            ("CamelCase", pa.date32()),
            ("back\\slash", pa.string()),
            ("a,b;{c}(d)=e", pa.string()),
            ("50% / 東京", INSTANT),
            ("Nested One", pa.struct([("in ner", pa.string()), ("x.y", pa.int64())])),
        ],
        key=("User Id", "select"),
        # Its first timestamp without a zone: the table needs another feature of Delta for it.
        grown=[("order by", pa.string()), ("left at", LOCAL)],
        feed=("delta-rs", "chdb"),
    ),
    Table(
        "moving",
        [
            ("id", pa.int64()),
            ("kind", pa.string()),
            ("day", pa.date32()),
            ("gone", pa.bool_()),
            ("note", pa.string()),
        ],
        grown=[("mark", pa.float64())],
        partition_by=("kind", "day"),
        delete_when="gone",
        values={"kind": ["news", "sport"], "day": [dt.date(2024, 2, 28 + i) for i in range(2)]},
        feed=("delta-rs", "chdb"),
    ),
    Table(
        "parcels",
        [
            ("id", pa.int64()),
            ("town", pa.string()),
            ("sent_at", INSTANT),
            ("weight", pa.decimal128(9, 2)),
            ("fragile", pa.bool_()),
            ("note", pa.string()),
        ],
        partition_by=("town", "sent_at", "weight", "fragile"),
        values={
            "town": TOWNS,
            "sent_at": [dt.datetime(2024, 2, 29, 12, 30, tzinfo=UTC)],
            "weight": [Decimal("-12.50"), Decimal("0.05")],
        },
        # Not delta-rs: it looks for the files of a change feed without decoding their paths, which
        # Delta's protocol says are URIs, and finds none whose partition has a value to be escaped.
        feed=("chdb",),
        every=5,
        left_out={"pyarrow": "deltalake hands it the partition of -12.50 as `-12.-50`"},
    ),
    Table(
        "days",
        [("id", pa.int64()), ("day", pa.date32()), ("plays", pa.int32()), ("title", pa.string())],
        strategy="days",
        values={"day": [dt.date(2024, 2, 26 + i) for i in range(4)]},
        grown=[("rating", pa.decimal128(9, 2))],
        partition_by=("day",),
    ),
    Table(
        "replaced",
        [("id", pa.int64()), ("name", pa.string()), ("local_at", LOCAL)],
        strategy="replace",
        grown=[("country", pa.string())],
    ),
    Table(
        "appended",
        [("id", pa.int64()), ("name", pa.string()), ("seen_at", INSTANT)],
        strategy="append",
        grown=[("country", pa.string())],
    ),
]


@dataclass
class Step:
    """A batch for every table and a run, or a command on every table.

    The batch holds the rows from `first` to `last`, those below `changed` as they were made at this
    step. The command is one of refx and may hold `{table}` and `{version}`.
    """

    title: str
    first: int = 0
    last: int = 0
    changed: int = 0
    gone: range = range(0)
    grown: bool = False
    full_refresh: bool = False
    # Nothing of the batch is new: a keyed table gets no version.
    same: bool = False
    command: str = ""
    # For a command that brings an older state back: how many commits ago that was.
    back: int = 0


STEPS = [
    Step("first load", 0, 120, 120),
    Step("updates and inserts", 40, 160, 100),
    Step("the same batch again", 40, 160, 0, same=True),
    Step("rows said to be gone", 40, 160, 60, gone=range(40, 70)),
    Step("built anew with fewer rows", 60, 130, 90, full_refresh=True),
    Step("new columns", 80, 180, 110, grown=True),
    Step("updates of the new columns", 100, 200, 150, grown=True),
    Step("inserts alone", 200, 240, 0, grown=True),
    Step("optimize", command="optimize --select {table}"),
    Step("updates after optimize", 0, 60, 50, grown=True),
    Step("restore", command="restore {table} --to {version}", back=4),
    Step("updates after restore", 90, 170, 140, grown=True),
    Step("vacuum", command="vacuum --select {table} --retention 0 --force"),
    Step("updates after vacuum", 120, 220, 180, grown=True),
]


class Batches:
    """Makes the batches. A row that a step does not change is the one that an earlier step made."""

    def __init__(self):
        self.made_at = {}

    def rows(self, table, number, step):
        schema = table.schema(step.grown)
        rows = []
        for i in range(step.first, step.last, table.every):
            if i < step.changed or (table.name, i) not in self.made_at:
                self.made_at[table.name, i] = number
            row = row_of(table, table.schema(True), i, self.made_at[table.name, i])
            if "gone" in schema.names:
                row["gone"] = i in step.gone
            rows.append({name: row[name] for name in schema.names})
        return rows


def row_of(table, schema, i, made_at):
    """The row of a number as a step makes it: the same whenever it is asked for."""
    dice = random.Random(f"{table.name} {i} {made_at}")
    row = {}
    for column in schema:
        if column.name in table.key:
            # Two rows share the first column of a composite key.
            row[column.name] = i if column.type == pa.int64() else f"u{i // 2}"
        elif column.name in table.values:
            row[column.name] = dice.choice([None, *table.values[column.name]])
        else:
            row[column.name] = value(dice, column.type)
    return row


def value(dice, type_):
    """Null, an edge of the type, or something in its midst."""
    types = pa.types
    if dice.random() < 0.15:
        return None
    if types.is_list(type_):
        return [value(dice, type_.value_type) for _ in range(dice.randrange(4))]
    if types.is_map(type_):
        return [(key, value(dice, type_.item_type)) for key in dice.sample(["a", "", "é", "k k"], dice.randrange(4))]
    if types.is_struct(type_):
        return {column.name: value(dice, column.type) for column in type_}
    if types.is_boolean(type_):
        return dice.random() < 0.5
    if types.is_string(type_):
        return dice.choice([*STRINGS, f"s{dice.randrange(1000)}"])
    if types.is_binary(type_):
        return dice.choice([b"", b"\x00\xff\xfe", b"plain", bytes(range(256))])
    if types.is_integer(type_):
        edge = 2 ** (type_.bit_width - 1)
        return dice.choice([-edge, edge - 1, 0, -1, dice.randrange(-100, 100)])
    if type_ == pa.float32():
        return dice.choice([math.nan, math.inf, -math.inf, -0.0, 0.0, 1.5, 2.0**-149, -(2.0**100)])
    if types.is_floating(type_):
        return dice.choice([math.nan, math.inf, -math.inf, -0.0, 0.0, 0.1, 5e-324, -1.7976931348623157e308])
    if types.is_decimal(type_):
        edge = 10**type_.precision - 1
        unscaled = dice.choice([edge, -edge, 0, 1, -5, dice.randrange(edge)])
        sign, digits, _ = Decimal(unscaled).as_tuple()
        return Decimal((sign, digits, -type_.scale))
    if types.is_date(type_):
        edges = [dt.date(1, 1, 1), dt.date(9999, 12, 31), dt.date(1969, 12, 31), dt.date(2024, 2, 29)]
        return dice.choice(edges)
    instants = [
        dt.datetime(1, 1, 1),
        dt.datetime(9999, 12, 31, 23, 59, 59, 999999),
        dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
        dt.datetime(2024, 3, 31, 2, 30, 0, 1),
    ]
    return dice.choice(instants).replace(tzinfo=type_.tz and UTC)


def after(table, present, batch, full_refresh):
    """The rows of the table once the batch went in."""
    if full_refresh or table.strategy == "replace":
        return list(batch)
    if table.strategy == "append":
        return present + batch
    if table.strategy == "days":
        days = {row["day"] for row in batch}
        return [row for row in present if row["day"] not in days] + batch
    rows = {tuple(row[name] for name in table.key): row for row in present}
    for row in batch:
        key = tuple(row[name] for name in table.key)
        # A column that the batch lacks keeps what the row had.
        rows[key] = {**rows.get(key, {}), **row}
        if table.delete_when and row[table.delete_when]:
            del rows[key]
    return list(rows.values())
