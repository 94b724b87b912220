-- Whether a user receives a newsletter: their last word counts.
with events as (

    select *
    from {{ ref('stg_newsletter_events') }}
    where {{ is_known_user() }}
        -- another word than these two says nothing of what the user wants
        and action in ('opt_in', 'opt_out')

)

select
    user_id,
    newsletter,
    case first_value(action order by event_ts desc, event_id desc)
        when 'opt_in' then 'subscribed'
        else 'unsubscribed'
    end as status,
    max(event_ts) as last_change_ts,
    min(event_ts) filter (where action = 'opt_in') as first_opt_in_ts,
    max(event_ts) filter (where action = 'opt_out') as last_opt_out_ts,
    count(*) filter (where action = 'opt_in') as opt_ins,
    count(*) filter (where action = 'opt_out') as opt_outs
from events
group by
    user_id,
    newsletter
