"""Random queries over small tables that are full of NULLs, duplicates and equal keys.

A query is text that DuckDB and DataFusion both parse and whose rows, as a multiset, do not depend on
anything that SQL leaves open: windows and limits are ordered by every column in scope, sums stay exact,
NULLS FIRST or LAST is always written.
"""

import datetime
import random

# name -> columns; every table has the same column names, so that NATURAL and USING have work to do.
COLUMNS = [("a", "int"), ("b", "int"), ("s", "text"), ("f", "double"), ("p", "bool"), ("d", "date")]
TABLES = ["t1", "t2", "t3", "nothing"]
TEXTS = ["", "a", "b", "B", "ab", "a b"]
DATES = [datetime.date(2024, 1, 1), datetime.date(2024, 2, 29), datetime.date(1970, 1, 1)]
COMPARISONS = ["=", "=", "<>", "<", "<=", ">", ">=", "is distinct from", "is not distinct from"]


def rows(seed):
    """The rows of each table: name -> list of tuples in the order of COLUMNS."""
    chance = random.Random(seed * 7919 + 1)
    values = {
        "int": lambda: chance.choice([0, 1, 1, 2, 3, -1]),
        "text": lambda: chance.choice(TEXTS),
        "double": lambda: chance.choice([0.0, 0.5, 1.0, 1.5, -2.0]),
        "bool": lambda: chance.random() < 0.5,
        "date": lambda: chance.choice(DATES),
    }
    sizes = {"t1": 12, "t2": 9, "t3": 5, "nothing": 0}
    tables = {}
    for name in TABLES:
        made = []
        for _ in range(sizes[name]):
            made.append(tuple(None if chance.random() < 0.3 else values[kind]() for _, kind in COLUMNS))
        tables[name] = made + made[:2]
    return tables


class Scope:
    """The columns that an expression may name: (text, type)."""

    def __init__(self, columns, outer=None):
        self.columns = columns
        self.outer = outer or []


class Generator:
    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.names = 0
        # How many subqueries a query may still get: they multiply the time of a nested loop.
        self.subqueries = 0
        self.ctes = []

    def pick(self, options):
        return self.chance.choice(options)

    def odds(self, share):
        return self.chance.random() < share

    def name(self, prefix):
        self.names += 1
        return f"{prefix}{self.names}"

    def query(self):
        self.names, self.subqueries, self.ctes = 0, 3, []
        if self.odds(0.15):
            name = self.name("c")
            text, columns = self.select([], 1)
            self.ctes.append((name, columns))
            body = self.body([], 2)[0]
            return f"with {name} as ({text}) {body}"
        return self.body([], 2)[0]

    def body(self, outer, depth):
        """A query: text and the columns that it gives."""
        if depth > 0 and self.odds(0.2):
            return self.set_operation(outer, depth)
        return self.select(outer, depth)

    def set_operation(self, outer, depth):
        kinds = [self.kind() for _ in range(self.chance.randint(1, 3))]
        names = [f"x{index}" for index in range(len(kinds))]
        sides = [self.plain(outer, depth - 1, kinds, names) for _ in range(self.chance.randint(2, 3))]
        text = sides[0]
        for side in sides[1:]:
            operator = self.pick(["union", "union all", "except", "except all", "intersect", "intersect all"])
            text = f"({text}) {operator} ({side})"
        return text, list(zip(names, kinds))

    def plain(self, outer, depth, kinds, names):
        """A SELECT of given columns."""
        source, scope = self.source(outer, min(depth, 1))
        items = ", ".join(f"{self.expression(kind, scope, 1)} as {name}" for kind, name in zip(kinds, names))
        distinct = "distinct " if self.odds(0.15) else ""
        where = f" where {self.condition(scope, 2)}" if self.odds(0.5) else ""
        return f"select {distinct}{items} from {source}{where}"

    def kind(self):
        return self.pick(["int", "int", "int", "text", "double", "bool", "date"])

    def select(self, outer, depth):
        if self.odds(0.3):
            return self.grouped(outer, depth)
        source, scope = self.source(outer, depth)
        kinds = [self.kind() for _ in range(self.chance.randint(1, 4))]
        columns, items = [], []
        for index, kind in enumerate(kinds):
            if self.odds(0.15):
                item, kind = self.window(scope)
            else:
                item = self.expression(kind, scope, 2)
            columns.append((f"x{index}", kind))
            items.append(f"{item} as x{index}")
        distinct = "distinct " if self.odds(0.15) else ""
        where = f" where {self.condition(scope, 3)}" if self.odds(0.7) else ""
        text = f"select {distinct}{', '.join(items)} from {source}{where}"
        return text + self.limited(columns), columns

    def limited(self, columns):
        if not self.odds(0.12):
            return ""
        keys = ", ".join(f"{name} {self.direction()}" for name, _ in columns)
        offset = f" offset {self.chance.randint(1, 3)}" if self.odds(0.3) else ""
        return f" order by {keys} limit {self.chance.randint(0, 5)}{offset}"

    def direction(self):
        return self.pick(["asc", "desc"]) + " nulls " + self.pick(["first", "last"])

    # FROM

    def source(self, outer, depth):
        text, columns = self.relation(outer, depth)
        scope = Scope(columns, outer)
        joins = self.pick([0, 0, 1, 1, 2]) if depth > 0 else self.pick([0, 0, 0, 1])
        for _ in range(joins):
            text, scope = self.join(text, scope, outer, depth)
        return text, scope

    def join(self, text, scope, outer, depth):
        side, columns = self.relation(outer, depth - 1)
        kind = self.pick(["join", "left join", "right join", "full join", "cross join"])
        both = scope.columns + columns
        if kind == "cross join":
            return f"{text} cross join {side}", Scope(both, outer)
        # Without outer columns: engines differ in which joins may name them.
        inside = Scope(both)
        keys = self.equal_keys(scope.columns, columns)
        if keys and self.odds(0.75):
            condition = " and ".join(keys)
            if self.odds(0.3):
                condition += f" and {self.condition(inside, 1, subqueries=False)}"
        else:
            condition = self.condition(inside, 1, subqueries=False)
        return f"{text} {kind} {side} on {condition}", Scope(both, outer)

    def equal_keys(self, left, right):
        keys = []
        for _ in range(self.pick([1, 1, 2])):
            kind = self.pick(["int", "int", "text", "date", "double", "bool"])
            sides = [[text for text, of in side if of == kind] for side in (left, right)]
            if all(sides):
                operator = "=" if self.odds(0.85) else "is not distinct from"
                keys.append(f"{self.pick(sides[0])} {operator} {self.pick(sides[1])}")
        return keys

    def relation(self, outer, depth):
        alias = self.name("r")
        chosen = self.chance.random()
        if depth > 0 and chosen < 0.15:
            text, columns = self.body([], depth - 1)
            return f"({text}) as {alias}", [(f"{alias}.{name}", kind) for name, kind in columns]
        if self.ctes and chosen < 0.4:
            name, columns = self.pick(self.ctes)
            return f"{name} as {alias}", [(f"{alias}.{column}", kind) for column, kind in columns]
        if depth > 0 and chosen < 0.5:
            return self.merged(alias)
        table = self.pick(["t1", "t1", "t2", "t2", "t3", "nothing"] if self.odds(0.3) else ["t1", "t2", "t3"])
        return f"{table} as {alias}", [(f"{alias}.{name}", kind) for name, kind in COLUMNS]

    def merged(self, alias):
        """A join by USING or NATURAL, whose merged columns are named without a table."""
        kind = self.pick(["join", "left join", "right join", "full join"])
        left, right = self.pick(TABLES[:3]), self.pick(TABLES[:3])
        keys = self.chance.sample(COLUMNS, self.pick([1, 1, 2]))
        names = ", ".join(name for name, _ in keys)
        taken = {name for name, _ in keys}
        others = [(name, kind) for name, kind in COLUMNS if name not in taken][:2]
        if self.odds(0.2):
            # Both sides are cut down to the keys and one more column each.
            (one, of_one), (two, of_two) = others
            joined = (
                f"(select {names}, {one} as y from {left}) as l natural {kind} "
                f"(select {names}, {two} as z from {right}) as r"
            )
            items = f"{names}, y, z"
            columns = keys + [("y", of_one), ("z", of_two)]
        else:
            (one, of_one), (two, of_two) = others
            joined = f"{left} as l {kind} {right} as r using ({names})"
            items = f"{names}, l.{one} as y, r.{two} as z"
            columns = keys + [("y", of_one), ("z", of_two)]
        return f"(select {items} from {joined}) as {alias}", [(f"{alias}.{name}", of) for name, of in columns]

    # GROUP BY

    def grouped(self, outer, depth):
        source, scope = self.source(outer, depth)
        where = f" where {self.condition(scope, 2)}" if self.odds(0.4) else ""
        keys = [(self.grouping_key(scope), index) for index in range(self.pick([0, 1, 1, 2]))]
        columns, items = [], []
        for (text, kind), index in keys:
            items.append(f"{text} as k{index}")
            columns.append((f"k{index}", kind))
        for index in range(self.chance.randint(1, 3)):
            text, kind = self.aggregate(scope)
            items.append(f"{text} as x{index}")
            columns.append((f"x{index}", kind))
        having = f" having {self.having(scope)}" if self.odds(0.3) else ""
        by = self.group_by([text for (text, _), _ in keys])
        return f"select {', '.join(items)} from {source}{where}{by}{having}" + self.limited(columns), columns

    def grouping_key(self, scope):
        kind = self.kind()
        columns = [text for text, of in scope.columns if of == kind]
        if columns:
            return self.pick(columns), kind
        return self.pick([(text, of) for text, of in scope.columns])

    def group_by(self, keys):
        if not keys:
            return ""
        keys = list(dict.fromkeys(keys))
        text = ", ".join(keys)
        chosen = self.chance.random()
        if chosen < 0.1:
            return f" group by rollup({text})"
        if chosen < 0.2:
            return f" group by cube({text})"
        if chosen < 0.3:
            return f" group by grouping sets (({text}), ({keys[0]}), ())"
        return f" group by {text}"

    def aggregate(self, scope):
        kind = self.pick(["int", "int", "double"])
        value = self.expression(kind, scope, 1, subqueries=False)
        where = ""
        if self.odds(0.2):
            where = f" filter (where {self.condition(scope, 1, subqueries=False)})"
        chosen = self.pick(["count(*)", "count", "sum", "min", "max", "distinct", "bool", "text"])
        if chosen == "count(*)":
            return f"count(*){where}", "int"
        if chosen == "count":
            return f"count({self.expression(self.kind(), scope, 1, subqueries=False)}){where}", "int"
        if chosen == "distinct":
            return f"count(distinct {value}){where}", "int"
        if chosen == "bool":
            function = self.pick(["bool_and", "bool_or"])
            return f"{function}({self.condition(scope, 1, subqueries=False)}){where}", "bool"
        if chosen == "text":
            return f"{self.pick(['min', 'max'])}({self.expression('text', scope, 1, subqueries=False)}){where}", "text"
        return f"{chosen}({value}){where}", kind

    def having(self, scope):
        text, kind = self.aggregate(scope)
        return f"({text} {self.pick(['=', '<>', '>', 'is distinct from'])} {self.literal(kind)})"

    # Windows

    def window(self, scope):
        keys = ", ".join(f"{text} {self.direction()}" for text, _ in scope.columns)
        part = f"partition by {self.pick(scope.columns)[0]} " if self.odds(0.6) else ""
        over = f"{part}order by {keys}"
        chosen = self.pick(["row_number", "rank", "dense_rank", "lag", "lead", "sum", "count", "min", "max", "first_value"])
        if chosen in ("row_number", "rank", "dense_rank"):
            return f"{chosen}() over ({over})", "int"
        kind = self.pick(["int", "text"]) if chosen not in ("sum",) else "int"
        value = self.expression(kind, scope, 1, subqueries=False)
        if chosen in ("lag", "lead"):
            return f"{chosen}({value}, {self.chance.randint(1, 2)}) over ({over})", kind
        frame = self.pick(
            [
                "",
                " rows between 1 preceding and 1 following",
                " rows between unbounded preceding and 1 preceding",
                " rows between current row and unbounded following",
                " range between unbounded preceding and current row",
            ]
        )
        if chosen == "count":
            kind = "int"
        return f"{chosen}({value}) over ({over}{frame})", kind

    # Expressions

    def expression(self, kind, scope, depth, subqueries=True):
        chosen = self.chance.random()
        if depth <= 0 or chosen < 0.35:
            return self.leaf(kind, scope)
        again = lambda of=kind: self.expression(of, scope, depth - 1, subqueries)
        if chosen < 0.45:
            return f"coalesce({again()}, {again()})"
        if chosen < 0.6:
            condition = self.condition(scope, depth - 1, subqueries)
            other = f" else {again()}" if self.odds(0.6) else ""
            return f"case when {condition} then {again()}{other} end"
        if chosen < 0.65:
            return f"nullif({again()}, {again()})"
        if subqueries and self.subqueries > 0 and chosen < 0.75:
            return self.scalar(kind, scope)
        if kind == "int":
            return self.pick(
                [
                    lambda: f"({again()} + {again()})",
                    lambda: f"({again()} - {again()})",
                    lambda: f"({again()} * 2)",
                    lambda: f"abs({again()})",
                    lambda: f"cast({again('bool')} as int)",
                    lambda: f"length({again('text')})",
                ]
            )()
        if kind == "text":
            return self.pick(
                [lambda: f"upper({again()})", lambda: f"({again()} || {again()})", lambda: f"cast({again('int')} as varchar)"]
            )()
        if kind == "double":
            return self.pick([lambda: f"({again()} + {again('int')})", lambda: f"cast({again('int')} as double)"])()
        if kind == "bool":
            return self.condition(scope, depth, subqueries)
        return self.leaf(kind, scope)

    def leaf(self, kind, scope):
        columns = [text for text, of in scope.columns if of == kind]
        outer = [text for text, of in scope.outer if of == kind]
        if outer and self.odds(0.25):
            return self.pick(outer)
        if columns and self.odds(0.85):
            return self.pick(columns)
        return self.literal(kind)

    def literal(self, kind):
        if self.odds(0.15):
            return f"cast(null as {SQL[kind]})"
        if kind == "int":
            return str(self.pick([0, 1, 2, 3]))
        if kind == "text":
            return "'" + self.pick(TEXTS) + "'"
        if kind == "double":
            return f"cast({self.pick([0.0, 0.5, 1.5])} as double)"
        if kind == "bool":
            return self.pick(["true", "false"])
        return f"date '{self.pick(DATES)}'"

    def condition(self, scope, depth, subqueries=True):
        chosen = self.chance.random()
        again = lambda: self.condition(scope, depth - 1, subqueries)
        if depth > 0 and self.odds(0.08):
            return f"({self.words(scope)})"
        if depth > 0 and chosen < 0.4:
            return self.pick(
                [
                    lambda: f"({again()} and {again()})",
                    lambda: f"({again()} or {again()})",
                    lambda: f"(not {again()})",
                    lambda: f"({again()} is {self.pick(['null', 'not null', 'true', 'not true', 'false', 'not false'])})",
                    lambda: f"case when {again()} then {again()} else {again()} end",
                ]
            )()
        if subqueries and self.subqueries > 0 and chosen < 0.65:
            return self.subquery_condition(scope)
        kind = self.kind()
        value = lambda: self.expression(kind, scope, min(depth, 1), subqueries=False)
        if chosen < 0.8:
            return f"({value()} {self.pick(COMPARISONS)} {value()})"
        if chosen < 0.84:
            return f"({value()} is {self.pick(['null', 'not null'])})"
        if chosen < 0.9:
            items = ", ".join(self.literal(kind) for _ in range(self.chance.randint(1, 3)))
            return f"({value()} {self.pick(['in', 'not in'])} ({items}))"
        if chosen < 0.95:
            return f"({value()} {self.pick(['between', 'not between'])} {value()} and {value()})"
        if chosen < 0.97:
            text = self.leaf("text", scope)
            return f"({text} {self.pick(['like', 'not like'])} {self.pick(['%a%', '_', '', '%']).join(chr(39) * 2)})"
        return self.leaf("bool", scope)

    def words(self, scope):
        """Conditions without parentheses: what belongs together is a matter of the operators."""
        text = ""
        for _ in range(self.chance.randint(2, 4)):
            kind = self.pick(["int", "text", "bool", "date"])
            one, other = self.leaf(kind, scope), self.leaf(kind, scope)
            text += self.pick(["", "", "not "]) + self.pick(
                [
                    f"{one} {self.pick(COMPARISONS)} {other}",
                    f"{one} is {self.pick(['', 'not '])}null",
                    f"{one} between {other} and {self.leaf(kind, scope)}",
                    f"{one} {self.pick(['in', 'not in'])} ({self.literal(kind)}, {self.literal(kind)})",
                    self.leaf("bool", scope),
                ]
            )
            text += self.pick([" and ", " or "])
        return text[: text.rindex(" ", 0, -1)]

    # Subqueries

    def inner(self, scope):
        """FROM and WHERE of a subquery, which sees the columns of the query around it."""
        self.subqueries -= 1
        outer = scope.columns + scope.outer if self.odds(0.7) else []
        source, inside = self.source([], self.pick([0, 0, 1]))
        inside = Scope(inside.columns, [])
        conditions = []
        if outer:
            for _ in range(self.pick([0, 1, 1, 2])):
                kind = self.pick(["int", "int", "text", "date"])
                sides = [[t for t, of in side if of == kind] for side in (inside.columns, outer)]
                if all(sides):
                    operator = "=" if self.odds(0.7) else self.pick(COMPARISONS)
                    conditions.append(f"{self.pick(sides[0])} {operator} {self.pick(sides[1])}")
        if self.odds(0.4):
            conditions.append(self.condition(Scope(inside.columns, outer if self.odds(0.3) else []), 1))
        where = f" where {' and '.join(conditions)}" if conditions else ""
        return source + where, inside

    def subquery_condition(self, scope):
        chosen = self.chance.random()
        text, inside = self.inner(scope)
        if chosen < 0.3:
            head = self.pick(["select 1", "select 1", f"select {self.leaf('int', inside)}", "select count(*)"])
            tail = self.pick(["", "", "", " limit 1", " limit 0"])
            return f"({self.pick(['', 'not '])}exists ({head} from {text}{tail}))"
        kind = self.pick(["int", "int", "int", "text", "double"])
        value = self.expression(kind, scope, 1, subqueries=False)
        head = self.head(kind, inside)
        tail = ""
        if self.odds(0.1):
            tail = self.pick([" union all ", " union ", " except all ", " intersect "])
            tail += f"select {self.literal(kind)}"
        if chosen < 0.85:
            return f"({value} {self.pick(['in', 'not in'])} ({head} from {text}{tail}))"
        operator = self.pick(["=", "<>", "<", "<=", ">", ">="])
        return f"({value} {operator} {self.pick(['any', 'all'])} ({head} from {text}{tail}))"

    def head(self, kind, inside):
        if self.odds(0.12):
            return f"select {self.pick(['min', 'max'])}({self.leaf(kind, inside)})"
        distinct = "distinct " if self.odds(0.15) else ""
        return f"select {distinct}{self.expression(kind, inside, 1, subqueries=False)}"

    def scalar(self, kind, scope):
        text, inside = self.inner(scope)
        if kind == "int":
            value = self.expression(kind, inside, 1, subqueries=False)
            function = self.pick(["count(*)", f"max({value})", f"min({value})", f"sum({value})", f"count({value})"])
            if self.odds(0.15):
                function += " + 1"
        elif kind == "bool":
            function = f"bool_or({self.condition(inside, 1, subqueries=False)})"
        else:
            function = f"max({self.leaf(kind, inside)})"
        return f"(select {function} from {text})"


SQL = {"int": "int", "text": "varchar", "double": "double", "bool": "boolean", "date": "date"}
