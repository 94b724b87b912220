-- The latest version of each user: one row comes at sign-up, and one each time the profile changes.
with versions as (

    select
        user_id,
        upper(trim(region)) as region_code,
        birth_year,
        signup_source,
        -- nobody signs up after the row was loaded: such a clock is ahead
        least(signup_ts, loaded_at) as signup_ts,
        -- who was never asked has not consented
        coalesce(marketing_consent, false) as has_marketing_consent,
        loaded_at,
        min(loaded_at) over (partition by user_id) as first_loaded_at,
        row_number() over (
            partition by user_id
            order by loaded_at desc, signup_ts desc, region, birth_year, signup_source, marketing_consent
        ) as version
    from {{ source('raw', 'users') }}
    where user_id is not null
        and loaded_at < {{ as_of() }}

)

select
    user_id,
    region_code,
    birth_year,
    signup_source,
    signup_ts,
    {{ local_date('signup_ts') }} as signup_date,
    has_marketing_consent,
    first_loaded_at,
    loaded_at
from versions
where version = 1
