"""Running refx, and what its answer may never be."""

import os
import re
import resource
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT = 60


class LeftOut(Exception):
    """The machine does not allow what a part wants to try."""



# What no user may ever read.
DEFECTS = re.compile(r"panicked at|defect of refx|a defect of its own|stack overflow|stack backtrace|SIGABRT")

# What the panic hook prints where RUST_BACKTRACE is set, of code that is not refx's own.
OF_A_LIBRARY = re.compile(
    r"\n?thread '[^']*' \(\d+\) panicked at (?:[^\n]*/(?:registry|git)/|/rustc/)[^\n]*:\n[^\n]*\n(?:note: [^\n]*\n)?"
)


@dataclass
class Answer:
    """How a process ended: `code` is negative for a signal, `None` where it had to be killed."""

    code: int | None
    text: str
    # Panics of libraries, on bytes that they trust: caught, they are the error of a step. What the
    # panic hook printed of them is taken out of the text, which is what a user would read without it.
    caught: int = 0

    def defect(self) -> str | None:
        """What is wrong with any answer, whatever was asked."""
        if self.code is None:
            return f"no answer within {TIMEOUT} s"
        if self.code < 0:
            return f"died of {signal.Signals(-self.code).name}"
        if self.code not in (0, 1, 2):
            return f"exit code {self.code}"
        found = DEFECTS.search(self.text)
        if found:
            return f"`{line_of(self.text, found.start())}`"
        if self.code != 0 and not self.first_error():
            return f"exit code {self.code} and no word why"
        return None

    def first_error(self) -> str | None:
        """The line that says what failed."""
        for line in self.text.splitlines():
            if re.match(r"(error|warning)(\[[a-z-]+\])?: ", line):
                return line
        return None


def line_of(text: str, at: int) -> str:
    return text[text.rfind("\n", 0, at) + 1 :].split("\n", 1)[0].strip()


@dataclass
class Refx:
    binary: Path
    # A panic that refx turns into an error of one step is printed only where RUST_BACKTRACE is set.
    shows_panics: bool = True

    def start(self, root: Path, *arguments: str, limit=None, **environment: str) -> subprocess.Popen:
        """`limit` is a resource of the process and its bound."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("REFX_", "DBT_", "CARGO_"))
        }
        inherited.pop("RUST_BACKTRACE", None)
        fixed = {"NO_COLOR": "1", "COLUMNS": "200"}
        if self.shows_panics:
            fixed["RUST_BACKTRACE"] = "0"
        return subprocess.Popen(
            [self.binary, *arguments],
            cwd=root,
            env=inherited | fixed | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=limit and (lambda: resource.setrlimit(limit[0], (limit[1], limit[1]))),
        )

    def run(self, root: Path, *arguments: str, limit=None, **environment: str) -> Answer:
        return finish(self.start(root, *arguments, limit=limit, **environment))


def finish(process: subprocess.Popen, timeout: float = TIMEOUT) -> Answer:
    try:
        output, _ = process.communicate(timeout=timeout)
        code = process.returncode
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        code = None
    text, caught = OF_A_LIBRARY.subn("", output.decode("utf-8", "replace"))
    return Answer(code, text, caught)
