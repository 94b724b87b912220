-- Recency, frequency, seniority: a score of 1 to 5 for each, by fifths of the users, and the segment that follows.
--
-- Monthly: computed as of the first day of the month, from what was loaded before it. A run later in the month
-- finds the same rows, so nobody changes segment in the middle of a campaign.
with users as (

    select
        user_id,
        signup_ts,
        signup_date
    from {{ ref('stg_users') }}
    where {{ local_date('first_loaded_at') }} < {{ month_start() }}

),

visits as (

    select
        user_id,
        max(event_ts) as last_activity_ts,
        max(event_date) as last_activity_date,
        count(distinct event_date) as active_days_before_month,
        count(distinct session_id) as sessions_90d
    from {{ ref('stg_activity') }}
    where {{ local_date('loaded_at') }} < {{ month_start() }}
        and event_date >= {{ month_start() }} - interval '90' day
    group by user_id

),

-- those who did not come in 90 days have neither recency nor frequency: they must not fill the lower fifths
active as (

    select
        visits.*,
        cast(ntile(5) over (order by visits.last_activity_ts, visits.user_id) as bigint) as recency_score,
        cast(ntile(5) over (
            order by visits.active_days_before_month, visits.sessions_90d, visits.user_id
        ) as bigint) as frequency_score
    from visits
    inner join users
        on users.user_id = visits.user_id

),

scored as (

    select
        users.user_id,
        active.last_activity_date,
        coalesce(active.active_days_before_month, 0) as active_days_before_month,
        users.signup_date,
        coalesce(active.recency_score, 0) as recency_score,
        coalesce(active.frequency_score, 0) as frequency_score,
        cast(ntile(5) over (order by users.signup_ts desc, users.user_id) as bigint) as seniority_score
    from users
    left join active
        on active.user_id = users.user_id

)

select
    user_id,
    {{ month_start() }} as segment_month,
    {{ days_between('last_activity_date', month_start()) }} as recency_days,
    active_days_before_month,
    {{ days_between('signup_date', month_start()) }} as seniority_days,
    recency_score,
    frequency_score,
    seniority_score,
    case
        when recency_score = 0 then 'asleep'
        when recency_score >= 4 and frequency_score >= 4 and seniority_score >= 3 then 'champion'
        when recency_score >= 3 and frequency_score >= 4 then 'loyal'
        when recency_score >= 3 and seniority_score <= 2 then 'newcomer'
        when recency_score >= 3 then 'occasional'
        when frequency_score >= 3 then 'at_risk'
        else 'drifting'
    end as segment
from scored
