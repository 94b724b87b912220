"""Rows in one form, whoever read them: what makes the rows of five tools comparable."""

from collections import Counter
from datetime import timezone

import pyarrow as pa


def canonical(table, schema, nested_nulls=True):
    """The rows as a bag of tuples in the order of `schema`; a column that the table lacks is null.

    `nested_nulls=False` takes a list, map or struct that is null for one that is empty or all null:
    the form for readers that have no null of these types.
    """
    columns = []
    for field in schema:
        if field.name in table.column_names:
            values = table.column(field.name).to_pylist()
        else:
            values = [None] * table.num_rows
        columns.append([frozen(value, field.type, nested_nulls) for value in values])
    return Counter(zip(*columns)) if columns else Counter()


def made(rows, schema):
    """Rows that were made here, as a table of Arrow."""
    return pa.Table.from_pylist(rows, schema=schema)


def frozen(value, type_, nested_nulls=True):
    """A value that can be compared and counted: NaN equals NaN, and zero is not minus zero."""
    types = pa.types
    if types.is_list(type_):
        if value is None:
            return None if nested_nulls else ()
        return tuple(frozen(item, type_.value_type, nested_nulls) for item in value)
    if types.is_map(type_):
        if value is None:
            return None if nested_nulls else ()
        pairs = value.items() if isinstance(value, dict) else value
        pairs = [
            (frozen(key, type_.key_type), frozen(item, type_.item_type, nested_nulls)) for key, item in pairs
        ]
        return tuple(sorted(pairs, key=repr))
    if types.is_struct(type_):
        if value is None:
            if nested_nulls:
                return None
            value = {}
        return tuple((field.name, frozen(value.get(field.name), field.type, nested_nulls)) for field in type_)
    if value is None:
        return None
    if types.is_floating(type_):
        return repr(float(value))
    if types.is_decimal(type_):
        return f"{value:.{type_.scale}f}"
    if types.is_timestamp(type_):
        if value.tzinfo is not None:
            value = value.astimezone(timezone.utc).replace(tzinfo=None)
        return value.isoformat(timespec="microseconds")
    if types.is_date(type_):
        return value.isoformat()
    if types.is_string(type_):
        return value.decode() if isinstance(value, bytes) else str(value)
    if types.is_binary(type_):
        return bytes(value).hex()
    if types.is_boolean(type_):
        return bool(value)
    return int(value)


def difference(found, expected, columns, limit=2):
    """What one bag has and the other lacks, in a few lines; empty where they are equal."""
    lines = []
    for rows, what in ((found - expected, "not expected"), (expected - found, "missing")):
        if rows:
            lines.append(f"{rows.total()} rows {what}")
            lines += [f"    {dict(zip(columns, row))}" for row in list(rows)[:limit]]
    return "\n      ".join(lines)
