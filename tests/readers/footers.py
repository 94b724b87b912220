"""What stands in the footers of the Parquet files: types that strict readers accept.

Strings are plain UTF-8 in Parquet and in the Arrow schema that is stored beside it, no views and no
large ones; items of lists are called as Delta's other writers call them; instants are microseconds.
"""

import base64
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import DeltaTable


def check(folder, schema, partition_by):
    """Every file of the latest version, and every file of a change feed.

    `schema` says what the columns are; a file that is older than a column lacks it. Returns the
    number of files and what is wrong with them, a line each.
    """
    expected = pa.schema([field for field in schema if field.name not in partition_by])
    files = [Path(uri) for uri in DeltaTable(str(folder)).file_uris()]
    # These are written by another way than the table's own.
    changes = sorted((folder / "_change_data").rglob("*.parquet"))
    faults = []
    for path in files:
        faults += [f"{path.relative_to(folder)}: {fault}" for fault in faults_of(path, expected)]
    expected = expected.append(pa.field("_change_type", pa.string()))
    for path in changes:
        faults += [f"{path.relative_to(folder)}: {fault}" for fault in faults_of(path, expected)]
    return len(files) + len(changes), faults


def faults_of(path, expected):
    file = pq.ParquetFile(path)
    known = dict(leaf for field in expected for leaf in leaves(field.name, field.type))
    for number in range(len(file.schema)):
        column = file.schema.column(number)
        if column.path not in known:
            yield f"`{column.path}` is a column of nothing known"
            continue
        found = column.physical_type, without_history(column.logical_type)
        if found != known[column.path]:
            yield f"`{column.path}` is {found} in Parquet, expected {known[column.path]}"
    encoded = (file.metadata.metadata or {}).get(b"ARROW:schema")
    if encoded is None:
        return
    # pyarrow's own reading of the file would smooth over what a strict reader refuses.
    stored = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(encoded)))
    for field in stored:
        position = expected.get_field_index(field.name)
        wanted = named_as_in_delta(expected.field(position).type) if position >= 0 else None
        if str(field.type) != str(wanted):
            yield f"`{field.name}` is {field.type} in the stored Arrow schema, expected {wanted}"


def leaves(path, type_):
    """Each leaf below a column: its path in Parquet, its physical type and its logical type."""
    types = pa.types
    if types.is_list(type_):
        yield from leaves(f"{path}.list.element", type_.value_type)
    elif types.is_map(type_):
        yield from leaves(f"{path}.key_value.key", type_.key_type)
        yield from leaves(f"{path}.key_value.value", type_.item_type)
    elif types.is_struct(type_):
        for field in type_:
            yield from leaves(f"{path}.{field.name}", field.type)
    else:
        yield path, leaf(type_)


def leaf(type_):
    types = pa.types
    if types.is_string(type_):
        return "BYTE_ARRAY", {"Type": "String"}
    if types.is_timestamp(type_):
        return "INT64", {
            "Type": "Timestamp",
            "isAdjustedToUTC": type_.tz is not None,
            "timeUnit": "microseconds",
        }
    if types.is_date(type_):
        return "INT32", {"Type": "Date"}
    if types.is_decimal(type_):
        # The narrowest that holds the digits, as Spark writes them too.
        physical = "INT32" if type_.precision <= 9 else "INT64" if type_.precision <= 18 else "FIXED_LEN_BYTE_ARRAY"
        return physical, {"Type": "Decimal", "precision": type_.precision, "scale": type_.scale}
    if types.is_integer(type_) and type_.bit_width < 32:
        return "INT32", {"Type": "Int", "bitWidth": type_.bit_width, "isSigned": True}
    physical = {"bool": "BOOLEAN", "float": "FLOAT", "double": "DOUBLE", "binary": "BYTE_ARRAY"}
    integers = {"int32": "INT32", "int64": "INT64"}
    return {**physical, **integers}[str(type_)], {"Type": "None"}


def without_history(logical_type):
    """The logical type without what pyarrow notes of older notations."""
    described = json.loads(logical_type.to_json())
    return {key: value for key, value in described.items() if not key.endswith("converted_type")}


def named_as_in_delta(type_):
    types = pa.types
    if types.is_list(type_):
        return pa.list_(pa.field("element", named_as_in_delta(type_.value_type)))
    if types.is_map(type_):
        return pa.map_(type_.key_type, named_as_in_delta(type_.item_type))
    if types.is_struct(type_):
        return pa.struct([pa.field(field.name, named_as_in_delta(field.type)) for field in type_])
    return type_
