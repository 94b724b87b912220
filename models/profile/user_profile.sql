-- Who the user is, as they said themselves.
select
    users.user_id,
    users.region_code,
    coalesce(regions.region_name, 'unknown') as region_name,
    users.birth_year,
    {{ age_band('users.birth_year') }} as age_band,
    users.signup_source,
    users.signup_date,
    case
        when {{ days_between('users.signup_date', as_of_date()) }} < 30 then 'under a month'
        when {{ days_between('users.signup_date', as_of_date()) }} < 365 then 'under a year'
        when {{ days_between('users.signup_date', as_of_date()) }} < 3 * 365 then '1 to 3 years'
        else 'over 3 years'
    end as seniority_band,
    users.signup_date between date '{{ var("olympics_start") }}' and date '{{ var("olympics_end") }}'
        as is_olympic_signup,
    users.has_marketing_consent,
    users.loaded_at as last_loaded_at
from {{ ref('stg_users') }} as users
left join {{ ref('regions') }} as regions
    on regions.region_code = users.region_code
