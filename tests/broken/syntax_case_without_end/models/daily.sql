select case when premium then 1 as one from {{ source('raw', 'users') }}
