select case when premium then 1 else born end as what from {{ source('raw', 'users') }}
