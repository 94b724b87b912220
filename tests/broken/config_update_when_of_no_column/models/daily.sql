{{ config(materialized='incremental', primary_key='user_id', update_when='source.contry is not null') }}
select user_id, country from {{ source('raw', 'users') }}
