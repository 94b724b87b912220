"""A second opinion: the lineage that sqlglot finds in a query's text, without a plan."""

import sqlglot
from sqlglot import exp
from sqlglot.lineage import to_node
from sqlglot.optimizer.qualify import qualify
from sqlglot.optimizer.scope import build_scope
from sqlglot.schema import ensure_schema


def lineage(sql, tables):
    """Of each output column, in order, its name and the columns of tables that it depends on."""
    schema = ensure_schema(tables, dialect="duckdb")
    expression = qualify(
        sqlglot.parse_one(sql, dialect="duckdb"),
        dialect="duckdb",
        schema=schema,
        validate_qualify_columns=False,
    )
    scope = build_scope(expression)
    names = [select.alias_or_name for select in scope.expression.selects]
    found, cache = [], {}
    for index, name in enumerate(names):
        node = to_node(index, scope, dialect="duckdb", schema=schema, trim_selects=False, _cache=cache)
        found.append((name, leaves(node)))
    return found


def leaves(node):
    inputs = set()
    for at in node.walk():
        if not at.downstream and isinstance(at.expression, exp.Table):
            inputs.add(f"{at.expression.name}.{at.name.rsplit('.', 1)[-1]}".lower().replace('"', ""))
    return inputs
