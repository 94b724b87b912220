"""A small project with a daily load, made on the fly, and what its tables hold after each day.

What is expected is computed here in plain Python from the same random rows, by another road than the
models: a state of a table is right if it is the state after some day, and wrong if it is none.
"""

import csv
import datetime
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

FIRST_DAY = datetime.date(2024, 1, 1)
COUNTRIES = ("BE", "FR", "GB", "LU", "NL")

PROJECT = """\
name: daily
models:
  +materialized: incremental
  +table_properties: {delta.enableChangeDataFeed: "true"}
targets:
  dev:
    root: "{{ env_var('REFX_WAREHOUSE', 'warehouse') }}"
default-target: dev
"""

SOURCES = """\
sources:
  - name: raw
    tables:
      - name: events
        location: data/events
        format: parquet
      - name: users
        location: data/users.csv
        columns:
          - {name: user_id, data_type: bigint}
          - {name: country, data_type: varchar}
          - {name: changed_on, data_type: date}
models:
  - name: users
    primary_key: [user_id]
    columns:
      - {name: country, data_tests: [not_null]}
  - name: last_events
    primary_key: [user_id]
    columns:
      - name: user_id
        data_tests:
          - relationships: {arguments: {to: ref('users'), field: user_id}}
  - name: totals
    primary_key: [user_id]
    columns:
      - {name: amount, data_tests: [not_null]}
  - name: day_counts
    primary_key: [day]
  - name: countries
    primary_key: [country]
  - name: profiles
    primary_key: [user_id]
"""

MODELS = {
    # A full snapshot, merged.
    "users": "select user_id, country, changed_on from {{ source('raw', 'users') }}\n",
    # Only what is new, merged over what is there.
    "last_events": """\
select user_id, max(day) as last_day, max(event_id) as last_event_id
from {{ source('raw', 'events') }}
{% if is_incremental() %}
where day > (select max(last_day) from {{ this }})
{% endif %}
group by user_id
""",
    # Accumulating: each run adds to what the table held. A day that was added twice would show.
    "totals": """\
select
    events.user_id,
    {% if is_incremental() %}
    coalesce(max(held.amount), 0) + sum(events.amount) as amount,
    coalesce(max(held.events), 0) + count(*) as events,
    coalesce(min(held.first_day), min(events.day)) as first_day,
    {% else %}
    sum(events.amount) as amount,
    count(*) as events,
    min(events.day) as first_day,
    {% endif %}
    max(events.day) as through_day
from {{ source('raw', 'events') }} as events
{% if is_incremental() %}
left join {{ this }} as held on held.user_id = events.user_id
where events.day > coalesce(held.through_day, date '1900-01-01')
{% endif %}
group by events.user_id
""",
    # Appended: one row a day.
    "day_counts": """\
{{ config(incremental_strategy='append') }}
select day, count(*) as events, sum(amount) as amount
from {{ source('raw', 'events') }}
{% if is_incremental() %}
where day > (select max(day) from {{ this }})
{% endif %}
group by day
""",
    # Replaced as a whole, from two tables of the project.
    "countries": """\
{{ config(materialized='table') }}
select users.country, count(*) as users, coalesce(sum(totals.amount), 0) as amount
from {{ ref('users') }} as users
left join {{ ref('totals') }} as totals on totals.user_id = users.user_id
group by users.country
""",
    # Merged, from three tables of the project.
    "profiles": """\
select users.user_id, users.country, totals.amount, totals.events, last_events.last_event_id
from {{ ref('users') }} as users
left join {{ ref('totals') }} as totals on totals.user_id = users.user_id
left join {{ ref('last_events') }} as last_events on last_events.user_id = users.user_id
""",
}

# The columns of each table; the first is its key.
TABLES = {
    "users": ("user_id", "country", "changed_on"),
    "last_events": ("user_id", "last_day", "last_event_id"),
    "totals": ("user_id", "amount", "events", "first_day", "through_day"),
    "day_counts": ("day", "events", "amount"),
    "countries": ("country", "users", "amount"),
    "profiles": ("user_id", "country", "amount", "events", "last_event_id"),
}


class Daily:
    """The project in `root`, its data delivered day by day, its expected states by number of day."""

    def __init__(self, root: Path, seed: int, users: int = 120, events: int = 90):
        self.root = root
        self.random = random.Random(seed)
        self.first_users = users
        self.events_a_day = events
        self.day = 0
        self.users = {}
        self.last = {}
        self.totals = {}
        self.counts = {}
        self.event_id = 0
        # expected[day][table] is a list of rows, sorted by key; day 0 is before the first.
        self.expected = [{name: [] for name in TABLES}]
        (root / "models").mkdir(parents=True)
        (root / "data/events").mkdir(parents=True)
        (root / "project.yml").write_text(PROJECT)
        (root / "models/models.yml").write_text(SOURCES)
        for name, text in MODELS.items():
            (root / f"models/{name}.sql").write_text(text)

    def deliver(self) -> int:
        """Delivers the files of the next day; gives its number."""
        self.day += 1
        draw = self.random
        today = FIRST_DAY + datetime.timedelta(days=self.day - 1)
        joined = self.first_users if self.day == 1 else draw.randrange(4)
        for _ in range(joined):
            self.users[len(self.users) + 1] = (draw.choice(COUNTRIES), today)
        for user in draw.sample(sorted(self.users), 5):
            self.users[user] = (draw.choice(COUNTRIES), today)
        events = []
        for _ in range(draw.randint(self.events_a_day // 2, self.events_a_day)):
            self.event_id += 1
            events.append((self.event_id, draw.randint(1, len(self.users)), today, draw.randint(-50, 500)))
        self._write(events, today)
        self._accumulate(events, today)
        return self.day

    def _write(self, events, today):
        columns = list(zip(*events))
        table = pa.table(
            {
                "event_id": pa.array(columns[0], pa.int64()),
                "user_id": pa.array(columns[1], pa.int64()),
                "day": pa.array(columns[2], pa.date32()),
                "amount": pa.array(columns[3], pa.int64()),
            }
        )
        pq.write_table(table, self.root / f"data/events/{today}.parquet")
        with open(self.root / "data/users.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(TABLES["users"])
            writer.writerows((user, *rest) for user, rest in self.users.items())

    def _accumulate(self, events, today):
        for event_id, user, _, amount in events:
            self.last[user] = (today, event_id)
            total, count, first, _ = self.totals.get(user, (0, 0, today, today))
            self.totals[user] = (total + amount, count + 1, first, today)
        self.counts[today] = (len(events), sum(event[3] for event in events))
        countries = {}
        profiles = []
        for user, (country, _) in self.users.items():
            total = self.totals.get(user)
            number, amount = countries.get(country, (0, 0))
            countries[country] = (number + 1, amount + (total[0] if total else 0))
            last = self.last.get(user, (None, None))[1]
            profiles.append((user, country, *(total[:2] if total else (None, None)), last))
        flat = lambda table: sorted((key, *row) for key, row in table.items())
        self.expected.append(
            {
                "users": flat(self.users),
                "last_events": flat(self.last),
                "totals": flat(self.totals),
                "day_counts": flat(self.counts),
                "countries": flat(countries),
                "profiles": sorted(profiles),
            }
        )
