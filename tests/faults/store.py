"""Writes through an object store that fails, stalls, cuts off and loses its answers."""

import cargo_tests


def run(context):
    return cargo_tests.run(context, "store", "delta::tests::stores")
