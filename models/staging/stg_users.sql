-- The latest version of each user: one row comes at sign-up, and one each time the profile changes.
with versions as (

    select
        user_id,
        upper(trim(region)) as region_code,
        birth_year,
        signup_source,
        signup_ts,
        loaded_at,
        min(loaded_at) over (partition by user_id) as first_loaded_at,
        row_number() over (
            partition by user_id
            order by loaded_at desc, signup_ts desc, region, birth_year, signup_source
        ) as version
    from {{ source('raw', 'users') }}
    where user_id is not null
        and {{ is_visible('signup_ts') }}

)

select
    user_id,
    region_code,
    birth_year,
    signup_source,
    signup_ts,
    cast(signup_ts as date) as signup_date,
    first_loaded_at,
    loaded_at
from versions
where version = 1
