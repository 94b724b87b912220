#!/usr/bin/env python3
"""Holds refx's manifest.json and run_results.json against dbt's own readers.

    python3 -m venv venv && venv/bin/pip install -r tests/artifacts/requirements.txt
    venv/bin/python tests/artifacts/check.py .refx

Three judges: the JSON schemas that dbt-core publishes (made from its types, as those on
schemas.getdbt.com are), dbt-core's own deserialization, and the models of dbt-artifacts-parser.
Then what no schema can say: that the ids in one place exist in the other. Exits with 1 on any error.
"""

import json
import sys
from pathlib import Path

import jsonschema
from dbt.artifacts.schemas.manifest import WritableManifest
from dbt.artifacts.schemas.run import RunResultsArtifact
from dbt_artifacts_parser.parser import parse_manifest_v12, parse_run_results_v6

KINDS = {
    "manifest.json": (WritableManifest, parse_manifest_v12),
    "run_results.json": (RunResultsArtifact, parse_run_results_v6),
}


def judge(name, content):
    """The errors that the three judges find in one file."""
    dbt_type, parse = KINDS[name]
    validator = jsonschema.Draft202012Validator(dbt_type.json_schema())
    for error in validator.iter_errors(content):
        # Of a union, the branch that nearly fits tells what is wrong.
        error = jsonschema.exceptions.best_match([error])
        place = "/".join(str(part) for part in error.absolute_path)
        yield f"schema: {place}: {error.message[:300]}"
    try:
        dbt_type.from_dict(content)
    except Exception as error:
        yield f"dbt-core: {type(error).__name__}: {str(error)[:300]}"
    try:
        parse(content)
    except Exception as error:
        yield f"dbt-artifacts-parser: {str(error)[:600]}"


def references(manifest, results):
    """Ids that lead nowhere."""
    known = {
        id
        for part in ("nodes", "sources", "exposures", "unit_tests")
        for id in manifest[part]
    }
    for part in ("nodes", "exposures", "unit_tests"):
        for id, node in manifest[part].items():
            # A seed depends on macros only.
            for parent in node["depends_on"].get("nodes", []):
                if parent not in known:
                    yield f"{id} depends on {parent}, which is not there"
            for macro in node["depends_on"].get("macros", []):
                if macro not in manifest["macros"]:
                    yield f"{id} calls {macro}, which is not there"
    for part in ("parent_map", "child_map"):
        if set(manifest[part]) != known:
            odd = sorted(set(manifest[part]) ^ known)[:5]
            yield f"{part} and the nodes differ: {odd}"
    for id, parents in manifest["parent_map"].items():
        for parent in parents:
            if id not in manifest["child_map"].get(parent, []):
                yield f"{id} reads {parent}, and child_map does not know it"
    for result in results["results"]:
        if result["unique_id"] not in known:
            yield f"run_results.json: {result['unique_id']} is not in manifest.json"


def main():
    if len(sys.argv) != 2:
        sys.exit(f"usage: {sys.argv[0]} FOLDER")
    folder = Path(sys.argv[1])
    contents = {}
    errors = []
    for name in KINDS:
        contents[name] = json.loads((folder / name).read_text(encoding="utf-8"))
        errors += [f"{name}: {error}" for error in judge(name, contents[name])]
    manifest, results = contents["manifest.json"], contents["run_results.json"]
    errors += references(manifest, results)
    for error in errors:
        print(error, file=sys.stderr)
    print(
        f"{len(manifest['nodes'])} nodes, {len(manifest['sources'])} sources, "
        f"{len(manifest['macros'])} macros, {len(results['results'])} results: "
        f"{len(errors)} errors"
    )
    sys.exit(1 if errors else 0)


if __name__ == "__main__":
    main()
