{{ config(materialized='incremental', primary_key='user_id', on_match={'contry': 'keep'}) }}
select user_id, country from {{ source('raw', 'users') }}
