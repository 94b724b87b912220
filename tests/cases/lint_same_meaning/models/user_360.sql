{{ config(materialized='table', primary_key='user_id') }}

select
    user_plays.user_id,
    user_plays.plays,
    user_plays.seconds as watch_seconds
from {{ ref('user_plays') }} as user_plays
