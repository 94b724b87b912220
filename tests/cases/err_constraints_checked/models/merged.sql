{{ config(
    materialized='incremental',
    primary_key='user_id',
    on_match={'number': 'max', 'nummer': 'max'},
    update_when='source.number > target.number'
) }}
select user_id, number from {{ ref('users') }}
