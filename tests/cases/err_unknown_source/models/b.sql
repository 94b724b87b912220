select * from {{ source('rax', 'events') }}
