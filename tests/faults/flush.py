"""Whether what a commit names is on the disk before the commit can be seen, as told by the system calls.

A shim before the C library writes down each flush, link and rename of the process, in order, and how
long the flushes took.
"""

import json
import shutil
import subprocess
from pathlib import Path

from binary import LeftOut

SHIM = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static void tell(const char *what, const char *path, double took) {
    const char *log = getenv("SHIM_LOG");
    int file = log ? open(log, O_WRONLY | O_CREAT | O_APPEND, 0600) : -1;
    if (file < 0) return;
    char line[9000];
    int size = snprintf(line, sizeof line, "%s\t%.6f\t%s\n", what, took, path);
    if (write(file, line, size) < 0) abort();
    close(file);
}

static double now(void) {
    struct timeval time;
    gettimeofday(&time, NULL);
    return time.tv_sec + time.tv_usec / 1e6;
}

static int flush(const char *name, int fd) {
    int (*real)(int) = dlsym(RTLD_NEXT, name);
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    path[size < 0 ? 0 : size] = 0;
    double start = now();
    int done = real(fd);
    if (done == 0) tell("flush", path, now() - start);
    return done;
}

int fsync(int fd) { return flush("fsync", fd); }
int fdatasync(int fd) { return flush("fdatasync", fd); }

int linkat(int from, const char *old, int to, const char *new, int flags) {
    int (*real)(int, const char *, int, const char *, int) = dlsym(RTLD_NEXT, "linkat");
    int done = real(from, old, to, new, flags);
    if (done == 0) tell("link", new, 0);
    return done;
}

int link(const char *old, const char *new) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "link");
    int done = real(old, new);
    if (done == 0) tell("link", new, 0);
    return done;
}

int rename(const char *old, const char *new) {
    int (*real)(const char *, const char *) = dlsym(RTLD_NEXT, "rename");
    int done = real(old, new);
    if (done == 0) tell("rename", new, 0);
    return done;
}
"""

PROJECT = """\
name: flush
models:
  +materialized: incremental
  +primary_key: id
  +table_properties: {delta.checkpointInterval: "2"}
  flush:
    parts: {+partition_by: part}
"""
MODELS = {
    "plain": "select value as id, {{ var('day') }} as day from generate_series(1, 20000)\n",
    "parts": "select value as id, value % 7 as part, {{ var('day') }} as day from generate_series(1, 20000)\n",
    "appended": "{{ config(incremental_strategy='append') }}\n"
    "select {{ var('day') }} * 10 + value as id from generate_series(1, 5)\n",
    "replaced": "{{ config(materialized='table') }}\nselect {{ var('day') }} as id\n",
}
DAYS = {"short": 3, "full": 40}


def run(context):
    shim = compiled(context.folder)
    root = context.folder / "flush"
    (root / "models").mkdir(parents=True)
    (root / "project.yml").write_text(PROJECT)
    for name, text in MODELS.items():
        (root / f"models/{name}.sql").write_text(text)
    wrong, commits, flushes, took = [], 0, 0, 0.0
    commands = [("build", "--vars", f"day: {day}") for day in range(1, DAYS[context.size] + 1)]
    # What else commits.
    commands += [
        ("optimize", "--select", "appended", "--vars", "day: 1"),
        ("restore", "plain", "--to", "1", "--vars", "day: 1"),
    ]
    for number, command in enumerate(commands):
        log = context.folder / f"calls{number}"
        answer = context.refx.run(root, *command, LD_PRELOAD=str(shim), SHIM_LOG=str(log))
        if answer.defect() or answer.code != 0:
            wrong.append(f"{command}: {answer.defect() or answer.text[-300:]}")
            continue
        calls = [line.split("\t") for line in log.read_text().splitlines()] if log.exists() else []
        for what, seconds, _ in calls:
            flushes += what == "flush"
            took += float(seconds)
        made, problems = judge([(what, path) for what, _, path in calls])
        commits += made
        wrong += [f"{' '.join(command)}: {problem}" for problem in problems]
    builds = DAYS[context.size]
    if commits < builds * len(MODELS) + 2:
        wrong.append(f"{commits} commits were seen, and {builds * len(MODELS) + 2} made")
    notes = (
        f"{commits} commits, each after its files, their folders and its own entry were flushed;"
        f" {flushes} flushes took {took * 1000 / max(commits, 1):.2f} ms a commit in all"
    )
    return commits, wrong, notes


def judge(calls):
    """The commits among the calls, and what was not on the disk when they became visible."""
    flushed, commits, wrong = set(), 0, []
    for at, (what, path) in enumerate(calls):
        if what == "flush":
            flushed.add(path.rsplit("#", 1)[0])
            continue
        entry = Path(path)
        if entry.parent.name != "_delta_log":
            continue
        if path not in flushed:
            wrong.append(f"{entry.name} was visible before it was on the disk")
        after = [path for what, path in calls[at + 1 :] if what == "flush"]
        if str(entry.parent) not in after:
            wrong.append(f"the folder of {entry.name} was not flushed after it")
        if what != "link" or entry.suffix != ".json":
            continue
        commits += 1
        table = entry.parent.parent
        for line in entry.read_text().splitlines():
            action = json.loads(line)
            name = (action.get("add") or action.get("cdc") or {}).get("path")
            if name is None:
                continue
            file = table / name
            for needed in (file, *(folder for folder in file.parents if folder.is_relative_to(table))):
                # A restore names files that an earlier commit brought.
                if str(needed) not in flushed and (action.get("add") or {}).get("dataChange", True):
                    if not restored(entry):
                        wrong.append(f"{needed.relative_to(table.parent)} was not flushed before {entry.name}")
    return commits, wrong


def restored(entry):
    return '"operation":"RESTORE"' in entry.read_text()


def compiled(folder):
    compiler = shutil.which("cc")
    if compiler is None:
        raise LeftOut("no C compiler for the shim before fsync")
    source, shim = folder / "shim.c", folder / "shim.so"
    source.write_text(SHIM)
    built = subprocess.run(
        [compiler, "-shared", "-fPIC", "-O1", "-o", shim, source, "-ldl"], capture_output=True, text=True
    )
    if built.returncode != 0:
        raise LeftOut(f"the shim before fsync cannot be compiled: {built.stderr[:200]}")
    return shim
