"""Stores that do not keep put-if-absent, and options that promise a lock which is not there.

On a real S3 store racing runs lose nothing. Behind a front that drops the condition nothing is written,
and the reason is told.
"""

import json

from deltalake import DeltaTable

import s3
from binary import finish

ROUNDS = {"short": 2, "full": 20}
RACERS = 3
ROWS = 40

PROJECT = """\
name: condition
models:
  +materialized: incremental
  +incremental_strategy: append
  +primary_key: id
targets:
  dev:
    root: "{root}"
    storage_options: {options}
default-target: dev
"""
MODEL = (
    "select {{ var('who') }} * 1000000 + {{ var('round') }} * 1000 + value as id"
    " from generate_series(1, %d)\n" % ROWS
)


def run(context):
    return Condition(context).run()


class Condition:
    def __init__(self, context):
        self.context = context
        self.root = context.folder / "condition"
        self.wrong = []
        self.tried = 0

    def run(self):
        (self.root / "models").mkdir(parents=True)
        (self.root / "models/added.sql").write_text(MODEL)
        with s3.store(self.context.folder / "weed") as port:
            raced = self.race(port)
            with s3.careless_front(port) as front:
                self.refused("ignores", s3.options(front), port, 1, "store")
            for name, value in (
                ("AWS_S3_LOCKING_PROVIDER", "dynamodb"),
                ("aws_s3_locking_provider", "dynamodb"),
                ("aws_s3_allow_unsafe_rename", "true"),
            ):
                self.refused("locks", s3.options(port) | {name: value}, port, 2, name)
            self.refused(
                "locks-by-environment",
                s3.options(port),
                port,
                2,
                "AWS_S3_LOCKING_PROVIDER",
                AWS_S3_LOCKING_PROVIDER="dynamodb",
            )
            self.source(port)
            self.missing(f"s3://absent/{self.root.name}", s3.options(port), "the bucket does not exist")
        for status, code, words in (
            (403, "AccessDenied", "the store does not give permission"),
            (403, "ExpiredToken", "the store does not accept the credentials"),
            (404, "NoSuchBucket", "the bucket does not exist"),
        ):
            with s3.refusing_front(status, code) as front:
                self.missing(f"s3://{s3.BUCKET}/refused", s3.options(front), words)
        notes = (
            f"SeaweedFS over S3: {raced} racing runs lost no row; a front that drops `If-None-Match` and"
            " 4 settings of a lock were refused with the reason, and no log was written; 4 missing rights, tokens and"
            " buckets were named"
        )
        return self.tried, self.wrong, notes

    def project(self, folder, options, root=None):
        root = root or f"s3://{s3.BUCKET}/{folder}"
        text = PROJECT.format(root=root, options=json.dumps(options))
        (self.root / "project.yml").write_text(text)

    def race(self, port) -> int:
        self.project("raced", s3.options(port))
        self.told_by_debug("SeaweedFS", 0, "two writers cannot overwrite each other")
        rounds = ROUNDS[self.context.size]
        wanted = set()
        for number in range(1, rounds + 1):
            processes = [
                self.context.refx.start(
                    self.root,
                    *("build", "--vars", f"{{who: {who}, round: {number}}}"),
                    *("--target-path", str(self.root / f".refx{who}")),
                )
                for who in range(1, RACERS + 1)
            ]
            for who, process in enumerate(processes, 1):
                answer = finish(process)
                self.tried += 1
                if answer.defect():
                    self.wrong.append(f"round {number}: {answer.defect()}")
                if answer.code == 0:
                    wanted |= {who * 10**6 + number * 1000 + value for value in range(1, ROWS + 1)}
                elif "error[commit-conflict]" not in answer.text:
                    self.wrong.append(f"round {number}: {answer.first_error()}")
            self.context.progress(f"condition {number}/{rounds}")
        table = DeltaTable(f"s3://{s3.BUCKET}/raced/added", storage_options=s3.options(port))
        found = table.to_pyarrow_table()["id"].to_pylist()
        if len(found) != len(set(found)) or not wanted <= set(found):
            self.wrong.append(f"of {len(wanted)} rows {len(wanted - set(found))} are lost, {len(found)} there")
        return rounds * RACERS

    def refused(self, folder, options, port, code, reason, **environment):
        """Nothing is committed, by `build` and after `debug`, and both say why."""
        self.project(folder, options)
        self.told_by_debug(folder, code, reason, **environment)
        answer = self.context.refx.run(
            self.root, "build", "--vars", "{who: 1, round: 1}", **environment
        )
        self.tried += 1
        if answer.defect() or answer.code == 0 or reason not in answer.text:
            self.wrong.append(f"{folder}: build: exit {answer.code}: {answer.text[:400]}")
        logs = [key for key in s3.keys(port, f"{folder}/") if "_delta_log" in key]
        if logs:
            self.wrong.append(f"{folder}: {len(logs)} files of a log were written")

    def source(self, port):
        """Files of a source are read with the options of the source alone."""
        root = self.context.folder / "source"
        (root / "models").mkdir(parents=True)
        (root / "project.yml").write_text("name: source\n")
        (root / "models/read.sql").write_text("select sum(n) as n from {{ source('raw', 'numbers') }}\n")
        table = {
            "name": "numbers",
            "location": f"s3://{s3.BUCKET}/raw/numbers.csv",
            "storage_options": s3.options(port),
        }
        sources = {"sources": [{"name": "raw", "tables": [table]}]}
        (root / "models/sources.yml").write_text(json.dumps(sources))
        s3.request(port, "PUT", f"/{s3.BUCKET}/raw/numbers.csv", b"n\n20\n22\n")
        answer = self.context.refx.run(root, "show", "read", "--output", "csv")
        self.tried += 1
        if answer.code != 0 or "42" not in answer.text:
            self.wrong.append(f"a source in the store: exit {answer.code}: {answer.text[:400]}")

    def missing(self, root, options, words):
        """What is missing is named, and the table is not called broken."""
        self.project(None, options, root)
        answer = self.context.refx.run(self.root, "build", "--vars", "{who: 1, round: 1}")
        self.tried += 1
        if answer.defect() or answer.code == 0 or words not in answer.text or "broken" in answer.text:
            self.wrong.append(f"{root}: `{words}` was not told: exit {answer.code}: {answer.text[:400]}")

    def told_by_debug(self, what, code, words, **environment):
        answer = self.context.refx.run(self.root, "debug", "--vars", "{who: 1, round: 1}", **environment)
        self.tried += 1
        # Its lines say what is wrong, and none of them begins with `error`.
        if answer.code != code or words not in answer.text:
            self.wrong.append(f"{what}: debug: exit {answer.code}: {answer.text[:400]}")
