select 1 / 0 as share from {{ source('raw', 'users') }} where false
