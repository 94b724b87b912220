"""Random batches, merged one by one, against a plain model of what merging means."""

import cargo_tests


def run(context):
    return cargo_tests.run(context, "properties", "delta::tests::properties")
