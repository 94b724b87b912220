{{ config(materialized='table') }}

select
    user_id,
    -- nothing says what tells these apart, so nothing says that this does not
    first_value(device order by plays desc) as main_device
from {{ source('raw', 'devices') }}
group by user_id
