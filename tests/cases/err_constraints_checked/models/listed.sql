{{ config(
    materialized='incremental',
    primary_key='user_id',
    merge_update_columns=['numbr']
) }}
select user_id, number from {{ ref('users') }}
