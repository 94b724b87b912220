#!/usr/bin/env python3
"""Tries to break the tables of refx, counts how often, and says what broke.

    python tests/faults/run.py [--short|--full] [--only PART] [--refx PATH] [--seed S] [--case N]

Prints one table: part, how many were tried, how many violated a promise, notes. The exit code is 1 if
any did. Everything happens in a temporary folder. The packages are those of
tests/readers/requirements.txt.
"""

import argparse
import importlib
import os
import shutil
import signal
import sys
import tempfile
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PARTS = (
    *("kill", "race", "high-water", "restart", "older", "disk", "torn", "bad-input", "properties", "store"),
    *("condition", "history-cost", "spill", "flush"),
)


@dataclass
class Context:
    """What every part is given."""

    refx: "Refx"
    folder: Path
    seed: int
    size: str
    case: int | None

    def progress(self, text: str):
        if sys.stderr.isatty():
            print(f"\r{text:<60}", end="", file=sys.stderr, flush=True)


def main() -> int:
    arguments = parse()
    try:
        from binary import LeftOut, Refx
    except ImportError as error:
        return refuse(f"{error}; install tests/readers/requirements.txt")
    binary = arguments.refx or built()
    if binary is None or not binary.is_file():
        return refuse(f"no refx at {binary or 'target/'}: build it, or name it with --refx")
    # Ended from outside, a run still takes its folders and its small disk away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended from outside: nothing was counted"))
    size = "full" if arguments.full else "short"
    print(f"{size} run, seed {arguments.seed}")
    lines, violations, left_out = [], [], []
    for part in [arguments.only] if arguments.only else PARTS:
        folder = Path(tempfile.mkdtemp(prefix=f"refx-faults-{part}-"))
        context = Context(Refx(binary.resolve()), folder, arguments.seed, size, arguments.case)
        started = time.monotonic()
        try:
            tried, wrong, notes = importlib.import_module(part.replace("-", "_")).run(context)
        except LeftOut as reason:
            left_out.append(part)
            lines.append((part, "-", "-", f"LEFT OUT: {reason}"))
            continue
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        took = time.monotonic() - started
        context.progress("")
        violations += [f"{part}: {line}" for line in wrong]
        lines.append((part, f"{tried:,}", str(len(wrong)), f"{notes}; {took:.0f} s"))
    show(lines)
    for line in violations:
        print(f"VIOLATION {line}")
    for part in left_out:
        print(f"!! {part} was left out: see above")
    print("no promise was broken" if not violations else f"{len(violations)} violations")
    return 1 if violations else 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--short", action="store_true", help="under 90 s, for CI (the default)")
    size.add_argument("--full", action="store_true", help="the numbers of README: about half an hour")
    parser.add_argument("--only", choices=PARTS, help="one part")
    parser.add_argument("--refx", type=Path, help="the binary [default: the newest under target/]")
    parser.add_argument("--seed", type=int, default=1, help="of everything that is random [default: 1]")
    parser.add_argument("--case", type=int, help="one case of bad-input; prints what refx said")
    return parser.parse_args()


def built() -> Path | None:
    """The binary that was built last."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
    found = [file for file in (target / "release/refx", target / "debug/refx") if file.is_file()]
    return max(found, key=lambda file: file.stat().st_mtime, default=None)


def refuse(why: str) -> int:
    print(f"error: {why}", file=sys.stderr)
    return 2


def show(lines):
    print(f"\n{'part':<10} {'tried':>6}  {'violations':>10}  notes")
    for part, tried, wrong, notes in lines:
        first, *rest = textwrap.wrap(notes, 100) or [""]
        print(f"{part:<10} {tried:>6}  {wrong:>10}  {first}")
        for line in rest:
            print(" " * 30 + line)
    print()


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    sys.exit(main())
