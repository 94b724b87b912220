{{ config(materialized='table') }}

select
    user_id,
    plays / plays_of_all as share
from {{ ref('counts') }}
