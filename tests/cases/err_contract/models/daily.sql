{{ config(materialized='table') }}
select
    'u1' as user_id,
    1 as logins,
    1.5 as spent,
    make_array(1, 2) as places,
    null as left_at,
    1 as extra
