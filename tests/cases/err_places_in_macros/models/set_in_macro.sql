{%- set column = 'plays' -%}
{%- set ranked = case_of(column, [1, 2]) -%}
select {{ ranked }} as ranked
from {{ ref('users') }}
