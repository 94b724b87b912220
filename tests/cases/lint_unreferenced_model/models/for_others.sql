{{ config(access='public') }}
select event_id from {{ source('raw', 'plays') }}
