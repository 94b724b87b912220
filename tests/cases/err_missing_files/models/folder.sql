select * from {{ source('raw', 'folder') }}
