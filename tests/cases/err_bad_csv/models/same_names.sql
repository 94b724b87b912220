select * from {{ source('raw', 'same_names') }}
