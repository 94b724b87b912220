"""Change data feeds: laid over the rows of one version, they give the rows of the next."""

from collections import Counter

import pyarrow as pa

from readers import FEEDS, NO_NESTED_NULLS, by_delta_rs
from rows import canonical

GONE = ("delete", "update_preimage")
COME = ("insert", "update_postimage")


def check(folder, version, schema, table, rewritten):
    """What is wrong with the feed from the version before to this one, for each reader of it.

    `rewritten` says that the commit put one state in the place of another: it may announce a row that
    is as it was, which a merge may not.
    """
    faults = []
    for reader in table.feed:
        nested_nulls = reader not in NO_NESTED_NULLS
        before, now = (
            canonical(by_delta_rs(folder, at), schema, nested_nulls) if at >= 0 else Counter()
            for at in (version - 1, version)
        )
        try:
            feed = FEEDS[reader](folder, version)
        except Exception as error:  # whatever a reader raises
            faults.append(f"feed of version {version}: {reader} cannot read it: {str(error)[:500]}")
            continue
        by_type = split(canonical(feed, schema.append(pa.field("_change_type", pa.string())), nested_nulls))
        found = replayed(before, now, by_type)
        if not rewritten:
            found += needless(by_type, schema, table.key)
        versions = set(feed.column("_commit_version").to_pylist()) - {version}
        if versions:
            found.append(f"has rows of versions {sorted(versions)}")
        faults += [f"feed of version {version} by {reader}: {fault}" for fault in found]
    return faults


def split(feed):
    """The rows by the last column, which says what befell them."""
    by_type = {kind: Counter() for kind in (*GONE, *COME)}
    for (*row, kind), count in feed.items():
        by_type[kind][tuple(row)] += count
    return by_type


def replayed(before, now, by_type):
    gone = sum((by_type[kind] for kind in GONE), Counter())
    come = sum((by_type[kind] for kind in COME), Counter())
    faults = []
    unknown = gone - before
    if unknown:
        faults.append(f"{unknown.total()} rows left that were not there, as {next(iter(unknown))}")
    result = before - gone + come
    if result != now:
        faults.append(
            f"replaying it gives {(result - now).total()} rows too many and {(now - result).total()} too few"
        )
    return faults


def needless(by_type, schema, key):
    """A merge pairs each image before with one after, and announces nothing that stays."""
    positions = [schema.get_field_index(name) for name in key]
    keys = {
        kind: Counter(tuple(row[at] for at in positions) for row in rows.elements())
        for kind, rows in by_type.items()
    }
    faults = []
    if keys["update_preimage"] != keys["update_postimage"]:
        faults.append("images before and after are not of the same keys")
    same = by_type["update_preimage"] & by_type["update_postimage"]
    if same:
        faults.append(f"announces {same.total()} rows that did not change")
    twice = keys["delete"] & keys["insert"]
    if twice:
        faults.append(f"deletes and inserts {twice.total()} keys instead of updating them")
    return faults
