select id, place['city'] as city, tags[1]['n'] as n from {{ source('raw', 'users') }}
