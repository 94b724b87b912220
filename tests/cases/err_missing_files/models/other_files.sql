select * from {{ source('raw', 'other_files') }}
