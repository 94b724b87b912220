create table daily as select user_id from {{ source('raw', 'users') }}
