{% set today = as_of() %}
select
    user_id,
    {# a comment that moves things #}
    naem
from {{ ref('users') }}
