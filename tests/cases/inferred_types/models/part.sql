select code, n from {{ source('raw', 'partly') }}
