"""Mutations of a project's YAML, SQL, Jinja and CSV."""

import re
from pathlib import Path

ANY = [b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\x28", b"\r", b"\t", "é".encode(), "\u202e".encode(), "𝕏".encode(), b"'", b'"', b"`", b"\\", b"--", b"/*", b"*/", b"{{", b"}}", b"{%", b"%}", b"{#", b"#}", b";", b"99999999999999999999999999", b"-0", b"1e400", b"nan", b"%s", b"$1", b"a" * 70000]
YAML = [b"- ", b": ", b"&a ", b"*a ", b"*nobody ", b"!!binary ", b"!!python/object ", b"<<: ", b"|\n", b">-\n", b"? ", b"[", b"]", b"{", b"}", b"~", b"---\n", b"...\n", b"%YAML 3.9\n", b"yes", b"0o17", b"{{ var('kinds') }}", b"\"{{ ref('orders') }}\"", b"\"{% for i in range(10**9) %}x{% endfor %}\"", b"null", b"2024-02-30", b"+materialized: 7\n", b"on-run-end: [1, {a: b}]\n"]
SQL = [b"(", b")", b",", b"select ", b" from ", b" union all ", b" group by 99 ", b" order by -1 ", b" limit -1 ", b" over ()", b" cast('x' as date)", b" 1/0 ", b" interval '1' ", b"; drop table x;", b" lateral ", b" unnest([1,[2]]) ", b" with recursive r as (select 1) ", b" array_agg(*) ", b"::decimal(99,99)", b" X'0' ", b" e'\\u{110000}' ", b" in () ", b" between ", b" case ", b" substring('a' from 0 for -9) ", b" repeat('x', 2147483648) ", b" regexp_like('a', '(') ", b" date_trunc('eon', now()) ", b" 9223372036854775807 + 1 ", b" * exclude (nobody) ", b" qualify 1 ", b" grouping sets (()) ", b" lag(1, -9223372036854775808) over () ", b" pivot ", b" to_timestamp(1e300) ", b" ?", b" $$", b" @x "]
JINJA = [b"{{ ref('users') }}", b"{{ ref('orders') }}", b"{{ ref() }}", b"{{ ref(1) }}", b"{{ source('raw') }}", b"{{ this.that.those }}", b"{{ 1 // 0 }}", b"{{ 10**400 }}", b"{{ -9223372036854775808 // -1 }}", b"{{ 'x' * 999999999 }}", b"{{ range(10**12) | list }}", b"{% for i in range(10**12) %}x{% endfor %}", b"{% macro cents() %}{{ cents() }}{% endmacro %}{{ cents() }}", b"{% set a = [] %}{% do a.append(a) %}{{ a }}", b"{{ config(materialized=none) }}", b"{{ config(primary_key=[[]]) }}", b"{{ config(**{'': 1}) }}", b"{{ config(primary_key=['a', 'A'], partition_by=7) }}", b"{{ var('nobody') }}", b"{{ env_var('NOBODY') }}", b"{{ run_query('select') }}", b"{{ return(return(1)) }}", b"{% endif %}", b"{% else %}", b"{% raw %}", b"{% extends 'a' %}", b"{% include 'project.yml' %}", b"{% import 'a' as b %}", b"{% call x() %}", b"{{ adapter.dispatch('nobody')() }}", b"{{ exceptions.raise_compiler_error('x' * 99999) }}", b"{{ '%d' | format('x') }}", b"{{ [3,'a'] | sort }}", b"{{ 'a'[9223372036854775807:-1:0] }}", b"{{ fromjson('[' * 99999) }}", b"{{ fromyaml('&a [*a]') }}", b"{{ modules.datetime.datetime(99999, 99, 99) }}", b"{{ modules.re.match('(((((', 'a') }}", b"{{ 'a' | round }}", b"{{ {} | tojson(indent=999999999) }}"]
CSV = [b",", b"\n", b'"', b'""', b"\r\n", b";", b"\x00", b",,,,,", b"1e99", b"0x1F", b"2024-13-45", b"=1+1", b"\xa0"]

LAUGHS = b"a0: &a0 [ha, ha]\n" + b"".join(
    b"a%d: &a%d [%s]\n" % (n, n, b", ".join([b"*a%d" % (n - 1)] * 9)) for n in range(1, 12)
)
CYCLES = [b"a: &a [*a]\n", b"a: &a {b: *a}\n", b"a: &a\n  <<: *a\n", b"models: &m\n  - name: users\n    columns: *m\n"]


def tokens_for(path: Path) -> list[bytes]:
    return ANY + {".yml": YAML + JINJA, ".sql": SQL + JINJA, ".csv": CSV}[path.suffix]


def mutate(root: Path, draw) -> list[str]:
    """Bends one to three places; gives what it did."""
    files = sorted(file for suffix in ("yml", "sql", "csv") for file in root.rglob(f"*.{suffix}") if "data" not in file.parts)
    done = []
    for _ in range(draw.choice((1, 1, 2, 3))):
        path = draw.choice(files)
        if not path.is_file():
            continue
        mutation = draw.choice(MUTATIONS)
        mutation(path, draw)
        done.append(f"{mutation.__name__} in {path.relative_to(root)}")
    return done


def rewrite(change):
    """A mutation of bytes as one of a file."""

    def mutation(path: Path, draw):
        content = path.read_bytes()
        path.write_bytes(change(content, path, draw))

    mutation.__name__ = change.__name__
    return mutation


def place(content, draw):
    return draw.randrange(len(content) + 1)


def span(content, draw, most=60):
    start = place(content, draw)
    return start, min(len(content), start + draw.randint(1, most))


@rewrite
def flipped_bits(content, path, draw):
    content = bytearray(content or b"x")
    for _ in range(draw.randint(1, 8)):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    return bytes(content)


@rewrite
def deleted_span(content, path, draw):
    start, end = span(content, draw)
    return content[:start] + content[end:]


@rewrite
def repeated_span(content, path, draw):
    start, end = span(content, draw)
    return content[:end] + content[start:end] * draw.choice((1, 2, 50, 3000)) + content[end:]


@rewrite
def deleted_line(content, path, draw):
    lines = content.splitlines(keepends=True)
    if lines:
        lines.pop(draw.randrange(len(lines)))
    return b"".join(lines)


@rewrite
def repeated_line(content, path, draw):
    lines = content.splitlines(keepends=True) or [b""]
    at = draw.randrange(len(lines))
    return b"".join(lines[: at + 1] + [lines[at]] + lines[at + 1 :])


@rewrite
def shifted_line(content, path, draw):
    lines = content.splitlines(keepends=True) or [b""]
    at = draw.randrange(len(lines))
    lines[at] = draw.choice((b"  ", b"\t", b" ", b"        ")) + lines[at]
    return b"".join(lines)


@rewrite
def swapped_tokens(content, path, draw):
    found = list(re.finditer(rb"\w+|[^\w\s]", content))
    if len(found) < 2:
        return content
    first, second = sorted(draw.sample(found, 2), key=lambda match: match.start())
    return (
        content[: first.start()] + second[0] + content[first.end() : second.start()] + first[0] + content[second.end() :]
    )


@rewrite
def token_from_elsewhere(content, path, draw):
    found = list(re.finditer(rb"\w+", content))
    if not found:
        return content
    match = draw.choice(found)
    return content[: match.start()] + draw.choice(tokens_for(path)) + content[match.end() :]


@rewrite
def nasty_token(content, path, draw):
    at = place(content, draw)
    return content[:at] + draw.choice(tokens_for(path)) + content[at:]


@rewrite
def huge_number(content, path, draw):
    numbers = (b"9" * 19, b"9" * 40, b"-" + b"9" * 19, b"9223372036854775808", b"0" * 3000 + b"1", b"1e999", b"1" * 100000)
    number = draw.choice(numbers)
    changed, times = re.subn(rb"\d+", number, content, count=draw.randint(1, 3))
    return changed if times else content + number


@rewrite
def truncated(content, path, draw):
    return content[: place(content, draw)]


@rewrite
def empty(content, path, draw):
    return draw.choice((b"", b"\n", b" ", b"---\n", b"-- nothing\n", b"{# nothing #}"))


@rewrite
def noise(content, path, draw):
    return draw.randbytes(draw.choice((1, 10, 1000, 100_000)))


@rewrite
def not_utf8(content, path, draw):
    at = place(content, draw)
    return content[:at] + draw.choice((b"\xff", b"\xc3", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80")) + content[at:]


@rewrite
def other_encoding(content, path, draw):
    return content.decode("utf-8", "replace").encode(draw.choice(("utf-16", "utf-32", "cp037")), "replace")


@rewrite
def deep(content, path, draw):
    depth = draw.choice((100, 1000, 30_000))
    openers = {
        ".yml": (b"[", b"{a: ", b"- ", b"? ", b"'", b"!x "),
        ".sql": (b"(", b"select * from (", b"case when ", b"{{ (", b"{% if 1 %}", b"{{ [", b"not ", b"- ", b"[", b"/* ", b"{% macro a() %}", b"cast(", b"exists(select "),
        ".csv": (b'"', b","),
    }
    opener = draw.choice(openers[path.suffix])
    closers = {b"(": b")", b"[": b"]", b"{a: ": b"}", b"{{ (": b") }}", b"{{ [": b"] }}", b"{% if 1 %}": b"{% endif %}", b"/* ": b"*/", b"select * from (": b" t)"}
    inner = {b"{{ (": b"("}.get(opener, opener)
    nested = opener + inner * depth + b"1" + closers.get(opener, b"")[:1] * draw.choice((0, depth)) + closers.get(opener, b"")
    at = place(content, draw)
    return draw.choice((nested, content[:at] + nested + content[at:], content + b"\n" + nested))


@rewrite
def deep_chain(content, path, draw):
    """No nesting in the text, but in its tree."""
    links = draw.choice((1000, 20_000))
    chain = {
        ".sql": draw.choice((b"select 1" + b" + 1" * links, b"select 1" + b" union all select 1" * (links // 10), b"select " + b"'a' || " * links + b"'b'", b"select 1 where 1=1" + b" and 1=1" * links, b"{{ 1" + b" + 1" * links + b" }}", b"{{ x" + b".y" * links + b" }}", b"{{ 'a'" + b" | upper" * links + b" }}")),
        ".yml": b"".join(b" " * n + b"a:\n" for n in range(links // 20)),
        ".csv": b",".join(b"c%d" % n for n in range(links)) + b"\n",
    }
    return chain[path.suffix]


@rewrite
def aliases(content, path, draw):
    text = draw.choice([LAUGHS, *CYCLES])
    return text + draw.choice((content, b"models: *a\n", b"vars: *a11\n"))


@rewrite
def wrong_shape(content, path, draw):
    """A value of another type where one stands."""
    found = list(re.finditer(rb"(?m)(?<=: )[^\n]+$", content))
    if not found:
        return content[::-1]
    match = draw.choice(found)
    other = draw.choice((b"7", b"[]", b"{}", b"[[], {a: 1}]", b"true", b"null", b"1.5", b"{x: {y: [z]}}", b"''", b"2024-01-01", b"[1, a, null]"))
    return content[: match.start()] + other + content[match.end() :]


@rewrite
def another_file(content, path, draw):
    """The text of a file of another kind."""
    others = sorted(file for file in path.parent.iterdir() if file.is_file() and file != path)
    return draw.choice(others).read_bytes() if others else content * 2


def a_folder(path: Path, draw):
    path.unlink()
    path.mkdir()


def a_loop(path: Path, draw):
    """A link that leads to itself."""
    path.unlink()
    path.symlink_to(path.name)


def a_folder_in_itself(path: Path, draw):
    (path.parent / "again").symlink_to(".", target_is_directory=True)


def odd_name(path: Path, draw):
    path.rename(path.with_name(draw.choice(("a b", "é", "x" * 200, "-", "a'b", 'a"b', "a{{b", "select")) + path.suffix))


def copied(path: Path, draw):
    """The same model, macro or seed a second time."""
    (path.parent / "second").mkdir(exist_ok=True)
    (path.parent / "second" / path.name).write_bytes(path.read_bytes())


MUTATIONS = [
    *(flipped_bits, deleted_span, repeated_span, deleted_line, repeated_line, shifted_line, swapped_tokens),
    *(token_from_elsewhere, token_from_elsewhere, token_from_elsewhere, nasty_token, nasty_token, nasty_token),
    *(huge_number, truncated, empty, noise, not_utf8, other_encoding, deep, deep, deep_chain, aliases, wrong_shape),
    *(wrong_shape, another_file, a_folder, a_loop, a_folder_in_itself, odd_name, copied),
]
