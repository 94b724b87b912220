{{ config(
    materialized='incremental',
    primary_key='user_id',
    update_when='source.numbr > target.number'
) }}
select user_id, number from {{ ref('users') }}
