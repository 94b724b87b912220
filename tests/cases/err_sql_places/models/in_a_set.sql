{% set columns %}user_id, nme{% endset %}
select {{ columns }} from {{ ref('users') }}
