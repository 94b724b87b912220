"""The parts that are tests of the library: they put their faults where no process can from outside.

Each test ends with a line `faults PART: tried=N violations=N word=value …`, which is read here.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from binary import LeftOut

ROOT = Path(__file__).resolve().parents[2]


def run(context, part: str, module: str):
    if context.size == "short":
        return 0, [], f"`cargo test` runs a short form: `{module}`"
    if shutil.which("cargo") is None:
        raise LeftOut("there is no cargo")
    command = ["cargo", "test", "--lib", module, "--", "--nocapture"]
    environment = {**os.environ, "REFX_FAULTS": "full", "REFX_SEED": str(context.seed)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    output = done.stdout + done.stderr
    tried, notes = summaries(part, output)
    wrong = []
    if done.returncode != 0:
        # What failed before its summary is a violation as well.
        wrong += failures(output) if tried else [f"`{' '.join(command)}` fails: {output.strip()[-500:]}"]
    elif not tried:
        wrong.append(f"`{' '.join(command)}` ran no test that says what it tried")
    return tried, wrong, notes


def summaries(part: str, output: str):
    """How many were tried, and the other counts of all lines of a part."""
    tried, notes = 0, []
    for line in re.findall(rf"^.*\bfaults {part}: (.*)$", output, re.MULTILINE):
        counts = dict(re.findall(r"([a-z][a-z ]*?)=(\S+)", line))
        tried += int(counts.pop("tried"))
        counts.pop("violations")
        notes.append(", ".join(f"{name} {value}" for name, value in counts.items()))
    return tried, "; ".join(notes)


def failures(output: str) -> list[str]:
    """What the panics of the tests say, in one line each."""
    said = re.findall(r"panicked at [^\n]*:\n([^\n]*(?:\n(?!note:|thread|test )[^\n]*){0,8})", output)
    return [" ".join(text.split()) for text in said] or ["a test failed"]
