{{ config(materialized='table', lint={'wall-clock': 'off'}) }}

select
    user_id,
    now() as computed_at
from {{ source('raw', 'plays') }}
