{{ config(materialized='incremental', primary_key='user_id', on_schema_change='fail') }}
select user_id, name{% if var('more', false) %}, country{% endif %} from {{ ref('users') }}
