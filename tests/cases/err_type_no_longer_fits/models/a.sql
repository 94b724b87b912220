{{ config(materialized='incremental', primary_key='user_id') }}
select user_id, {% if var('text', false) %}name{% else %}length(name){% endif %} as size from {{ ref('users') }}
