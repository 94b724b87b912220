"""Data files of three formats, and mutations of them."""

import datetime
import io
import json
import struct
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz_text import deleted_span, flipped_bits, noise, not_utf8, other_encoding, repeated_span, rewrite, truncated

ROWS = 40


def files() -> dict[str, bytes]:
    """The valid ones."""
    orders = ["order_id,user_id,amount,ordered_on,note"]
    orders += [f'{n},{n % 3 + 1},{n}.50,2024-01-{n % 28 + 1:02},"a ""note"", {n}"' for n in range(1, ROWS)]
    seen = [
        json.dumps({"user_id": n % 3 + 1, "kind": ("book", "film")[n % 2], "at": {"lat": n / 7, "tags": ["x"] * (n % 3)}})
        for n in range(ROWS)
    ]
    return {
        "orders.csv": "\n".join(orders).encode() + b"\n",
        "seen.json": "\n".join(seen).encode() + b"\n",
        "clicks.parquet": parquet("snappy"),
    }


def parquet(compression: str, **options) -> bytes:
    at = datetime.datetime(2024, 1, 1, tzinfo=datetime.timezone.utc)
    table = pa.table(
        {
            "click_id": pa.array(range(ROWS), pa.int64()),
            "user_id": pa.array([n % 3 + 1 if n % 5 else None for n in range(ROWS)], pa.int32()),
            "at": pa.array([at + datetime.timedelta(hours=n) for n in range(ROWS)], pa.timestamp("us", "UTC")),
            "price": pa.array([Decimal(n) / 4 for n in range(ROWS)], pa.decimal128(12, 2)),
            "labels": pa.array([["a", "b"][: n % 3] for n in range(ROWS)], pa.list_(pa.string())),
            "place": pa.array([{"city": "Ghent", "lat": n / 3} for n in range(ROWS)]),
        }
    )
    out = io.BytesIO()
    pq.write_table(table, out, compression=compression, row_group_size=ROWS // 2, **options)
    return out.getvalue()


def mutate(folder: Path, draw) -> list[str]:
    path = folder / draw.choice(("orders.csv", "seen.json", "clicks.parquet", "clicks.parquet"))
    done = []
    if path.suffix == ".parquet":
        # The same rows in other encodings, whose readers are other code.
        compression = draw.choice(("snappy", "zstd", "gzip", "brotli", "lz4", "none"))
        options = {
            "use_dictionary": draw.random() < 0.5,
            "data_page_version": draw.choice(("1.0", "2.0")),
            "write_page_index": draw.random() < 0.5,
            "store_schema": draw.random() < 0.7,
        }
        path.write_bytes(parquet(compression, **options))
        done.append(compression)
    for _ in range(draw.choice((1, 1, 1, 2))):
        mutation = draw.choice(MUTATIONS[path.suffix] + EVERY)
        mutation(path, draw)
        done.append(f"{mutation.__name__} in {path.name}")
    return done


@rewrite
def empty(content, path, draw):
    return b""


@rewrite
def other_format(content, path, draw):
    """What another file holds, under this name."""
    others = [other for name, other in files().items() if name != path.name]
    return draw.choice(others)


@rewrite
def zeroed(content, path, draw):
    start = draw.randrange(len(content) + 1)
    end = min(len(content), start + draw.choice((4, 100, 10_000)))
    return content[:start] + bytes(end - start) + content[end:]


@rewrite
def doubled(content, path, draw):
    return content + content


# CSV


@rewrite
def wrong_value(content, path, draw):
    values = ("x", "", "1e400", "99999999999999999999", "-", "NULL", "2024-02-30", "1,5", "true", "\u202e", "0x10", "1" * 5000, "inf")
    lines = content.decode("utf-8", "replace").split("\n")
    at = draw.randrange(len(lines))
    fields = lines[at].split(",")
    fields[draw.randrange(len(fields))] = draw.choice(values)
    lines[at] = ",".join(fields)
    return "\n".join(lines).encode()


@rewrite
def ragged(content, path, draw):
    lines = content.split(b"\n")
    at = draw.randrange(len(lines))
    lines[at] = draw.choice((lines[at] + b",more", lines[at].rpartition(b",")[0], b",,,", b",".join([b"x"] * 9999)))
    return b"\n".join(lines)


@rewrite
def odd_header(content, path, draw):
    _, _, rest = content.partition(b"\n")
    header = (b"", b"order_id,order_id,amount,ordered_on,note", b"a", b",,,,", b"ORDER_ID,user_id,amount,ordered_on,note", b"'a\"b',user_id,amount,ordered_on,note", b"\xef\xbb\xbforder_id,user_id,amount,ordered_on,note", b"order_id;user_id;amount")
    return draw.choice(header) + b"\n" + rest


@rewrite
def open_quote(content, path, draw):
    at = draw.randrange(len(content) + 1)
    return content[:at] + b'"' + content[at:]


@rewrite
def other_line_ends(content, path, draw):
    return content.replace(b"\n", draw.choice((b"\r", b"\r\n", b"\n\n\n", b"\x0b", b"\x00")))


@rewrite
def header_only(content, path, draw):
    return content.split(b"\n")[0]


# JSON


@rewrite
def json_line(content, path, draw):
    depth = draw.choice((200, 100_000))
    lines = content.split(b"\n")
    odd = (b"[1, 2]", b"7", b"null", b"{", b"{}", b'{"user_id": "x"}', b'{"user_id": 1e400}', b'{"user_id": 18446744073709551616}', b'{"user_id": {"a": 1}}', b'{"kind": [1, "a", null]}', b'{"kind": "\\ud800"}', b'{"user_id": 1, "user_id": 2}', b'{"": 1}', b'{"at": 5}', b'{"a": ' * depth + b"1" + b"}" * depth, b'{"at": ' + b"[" * depth + b"]" * depth + b"}", b'{"user_id": NaN}', b'{"USER_ID": 1}')
    lines[draw.randrange(len(lines))] = draw.choice(odd)
    return b"\n".join(lines)


@rewrite
def json_array(content, path, draw):
    return b"[" + content.replace(b"\n", b",") + draw.choice((b"]", b""))


# Parquet: the footer is the metadata in Thrift, its length in four bytes, and `PAR1`.


def footer(content):
    length = struct.unpack("<I", content[-8:-4])[0] if len(content) >= 12 else 0
    return max(4, len(content) - 8 - length)


@rewrite
def lying_length(content, path, draw):
    length = draw.choice((0, 1, 7, 2**31, 2**32 - 1, len(content), len(content) - 8, draw.randrange(2**16)))
    return content[:-8] + struct.pack("<I", length) + content[-4:]


@rewrite
def wrong_magic(content, path, draw):
    magic = draw.choice((b"PARE", b"PAR2", b"\x00" * 4))
    return draw.choice((content[:-4] + magic, magic + content[4:]))


@rewrite
def lying_footer(content, path, draw):
    """Bits of the metadata: types, counts, offsets and lengths that do not hold."""
    changed, start = bytearray(content), footer(content)
    for _ in range(draw.randint(1, 6)):
        if start < len(changed) - 8:
            changed[draw.randrange(start, len(changed) - 8)] ^= 1 << draw.randrange(8)
    return bytes(changed)


@rewrite
def bytes_in_footer(content, path, draw):
    changed, start = bytearray(content), footer(content)
    for _ in range(draw.randint(1, 4)):
        if start < len(changed) - 8:
            changed[draw.randrange(start, len(changed) - 8)] = draw.choice((0, 0x7F, 0x80, 0xFF))
    return bytes(changed)


@rewrite
def bits_in_pages(content, path, draw):
    changed, end = bytearray(content), footer(content)
    for _ in range(draw.randint(1, 20)):
        if end > 4:
            changed[draw.randrange(4, end)] ^= 1 << draw.randrange(8)
    return bytes(changed)


@rewrite
def other_schema(content, path, draw):
    columns = {
        "click_id": draw.choice((["x"], [1.5], [None], [True], [b"\xff"], [[1]], [{"a": 1}], [1])),
        "user_id": draw.choice((["x"], [datetime.date(2024, 1, 1)], [2**40])),
        "at": draw.choice(([1], [datetime.time(1)], [datetime.timedelta(1)], ["y"])),
        "price": draw.choice((["free"], [Decimal("1e20")], [1e300])),
        "labels": draw.choice(([1], [[[1]]], [{"a": "b"}])),
        "place": draw.choice(([1], [{"town": "x"}], [["city"]], [None])),
    }
    for _ in range(draw.randrange(2)):
        columns.pop(draw.choice(sorted(columns)))
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out)
    return out.getvalue()


@rewrite
def no_columns(content, path, draw):
    out = io.BytesIO()
    pq.write_table(pa.table({}), out)
    return out.getvalue()


EVERY = [truncated, flipped_bits, deleted_span, repeated_span, noise, empty, other_format, zeroed, doubled]
MUTATIONS = {
    ".csv": [wrong_value, wrong_value, ragged, odd_header, open_quote, other_line_ends, header_only, not_utf8, other_encoding],
    ".json": [json_line, json_line, json_line, json_array, wrong_value, not_utf8, other_encoding],
    ".parquet": [lying_length, wrong_magic, lying_footer, lying_footer, lying_footer, bytes_in_footer, bytes_in_footer, bits_in_pages, bits_in_pages, other_schema, no_columns],
}
