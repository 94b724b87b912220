{{ config(materialized='table', lint={'wall-clock': 'error'}) }}

select
    user_id,
    now() as computed_at
from {{ source('raw', 'plays') }}
