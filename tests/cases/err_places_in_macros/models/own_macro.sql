{% macro doubled(column) %}{{ column }} * twoo{% endmacro %}
select {{ doubled('plays') }} as plays
from {{ ref('users') }}
