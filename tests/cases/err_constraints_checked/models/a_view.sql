{{ config(primary_key='user') }}
select user_id from {{ ref('users') }}
