"""Malformed projects and malformed data files.

A small valid project is bent by one to three mutations, or its data files are. Whatever comes out, refx
neither panics nor hangs: it says what is wrong, or the mutation was harmless and it builds. A case is
its number and the seed: `--only bad-input --seed S --case N` makes it again and prints what refx said.
"""

import random
import resource
import shutil
from collections import Counter

import fuzz_data
import fuzz_text

# Of projects and of data files each.
CASES = {"short": 12, "full": 200}
# A length that a file invents must not take the machine down with it: an allocation past this aborts,
# and that is a violation.
MEMORY = 8 << 30

PROJECT = {
    "project.yml": """\
name: shop
version: "1.0"
vars:
  least: 2
  kinds: [book, film]
models:
  +materialized: table
  shop:
    daily:
      +tags: [daily, "{{ env_var('USER', 'nobody') }}"]
seeds:
  +quote_columns: false
on-run-start: "{{ log('begins') }}"
targets:
  dev: {root: "{{ env_var('REFX_WAREHOUSE', 'warehouse') }}", threads: 2}
default-target: dev
""",
    "models/daily/orders.sql": """\
{{ config(materialized='incremental', primary_key=['order_id'], on_schema_change='append_new_columns') }}
with ordered as (
    select order_id, user_id, amount, cast(ordered_on as date) as ordered_on
    from {{ source('raw', 'orders') }}
    {% if is_incremental() %}
    where ordered_on >= (select max(ordered_on) from {{ this }})
    {% endif %}
)
select order_id, user_id, {{ cents('amount') }} as cents, ordered_on,
       row_number() over (partition by user_id order by ordered_on) as nth
from ordered
where amount > {{ var('least') }} -- and not 'less'
""",
    "models/daily/users.sql": """\
{#- the users, with what they bought -#}
{%- set kinds = var('kinds') -%}
select
    users.user_id,
    users.name,
    {% for kind in kinds -%}
    count(*) filter (where seen.kind = '{{ kind }}') as {{ kind }}s,
    {% endfor -%}
    coalesce(sum(orders.cents), 0) as cents
from {{ ref('members') }} as users
left join {{ ref('orders') }} as orders on orders.user_id = users.user_id
left join {{ source('raw', 'seen') }} as seen on seen.user_id = users.user_id
group by users.user_id, users.name
""",
    "models/daily/clicks.sql": """\
{{ config(primary_key='click_id', incremental_strategy='merge', materialized='incremental') }}
select click_id, user_id, at, price, labels, place['city'] as city from {{ source('raw', 'clicks') }}
""",
    "models/daily/schema.yml": """\
version: 2
models:
  - name: orders
    description: &text One row an order.
    columns:
      - name: order_id
        data_type: bigint
        data_tests: [unique, not_null]
      - name: user_id
        data_tests:
          - relationships:
              arguments: {to: ref('members'), field: user_id}
  - name: users
    description: *text
    primary_key: [user_id]
    config: {tags: ["crm"], meta: {owner: "crm@shop.example"}}
    columns:
      - name: name
        data_tests:
          - accepted_values: {arguments: {values: ['Ada', 'Grace', 'Alan']}, config: {severity: warn}}
sources:
  - name: raw
    tables:
      - name: orders
        location: data/orders.csv
        columns:
          - {name: order_id, data_type: bigint}
          - {name: user_id, data_type: bigint}
          - {name: amount, data_type: "decimal(10,2)"}
      - name: seen
        location: data/seen.json
        format: json
      - name: clicks
        location: data/clicks.parquet
""",
    "macros/cents.sql": """\
{% macro cents(column, factor=100) -%}
    cast(round({{ column }} * {{ factor }}) as bigint)
{%- endmacro %}

{% test positive(model, column_name) %}
select * from {{ model }} where {{ column_name }} <= 0
{% endtest %}
""",
    "seeds/members.csv": "user_id,name,joined\n1,Ada,2024-01-01\n2,Grace,2024-02-29\n3,\"Alan, T.\",\n",
    "seeds/seeds.yml": "seeds:\n  - name: members\n    config: {column_types: {user_id: bigint, joined: date}}\n",
    "tests/no_free_orders.sql": "select * from {{ ref('orders') }} where cents <= 0\n",
}


def run(context):
    base = context.folder / "base"
    for path, text in PROJECT.items():
        (base / path).parent.mkdir(parents=True, exist_ok=True)
        (base / path).write_text(text)
    (base / "data").mkdir()
    for path, content in fuzz_data.files().items():
        (base / "data" / path).write_bytes(content)
    refx = context.refx
    valid = refx.run(copy(context, base, "valid"), "build")
    if valid.code != 0:
        return 0, [f"the project is not valid to begin with: {valid.text}"], ""

    number = CASES[context.size]
    counts, wrong = Counter(), []
    cases = range(2 * number) if context.case is None else [context.case]
    for case in cases:
        # The kinds alternate, so that a case is the same one in a short and in a full run.
        kind = "data file" if case % 2 else "project"
        draw = random.Random(f"bad-input {context.seed} {case}")
        root = copy(context, base, f"case{case}")
        done = fuzz_data.mutate(root / "data", draw) if case % 2 else fuzz_text.mutate(root, draw)
        answer = refx.run(root, "build", limit=(resource.RLIMIT_AS, MEMORY))
        defect = answer.defect()
        if defect:
            wrong.append(f"--seed {context.seed} --case {case} ({kind}: {'; '.join(done)}): {defect}")
        counts["caught"] += answer.caught > 0
        counts[kind, "defect" if defect else "error" if answer.code else "harmless"] += 1
        if context.case is not None:
            print(f"case {case}, {kind}: {'; '.join(done)}\n{answer.text}exit {answer.code}")
        shutil.rmtree(root, ignore_errors=True)
        context.progress(f"bad-input {case}")
    notes = "; ".join(
        f"malformed {kind}s: {counts[kind, 'error']} told with an error, {counts[kind, 'harmless']} harmless"
        for kind in ("project", "data file")
    )
    return len(cases), wrong, f"{notes}; in {counts['caught']} a library panicked, which was told as an error of the step"


def copy(context, base, name):
    return shutil.copytree(base, context.folder / name)
