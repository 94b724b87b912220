{% set rows = run_query('select 1 as x') %}
select user_id from {{ source('raw', 'users') }}
