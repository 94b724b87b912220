-- Every play of a content of the Games is counted once, in its own sport, and no other is.
with staged as (

    select
        user_id,
        coalesce(sport, 'none') as sport,
        count(*) as plays
    from {{ ref('stg_plays') }}
    where competition = '{{ var("olympics") }}'
    group by
        user_id,
        coalesce(sport, 'none')

)

select
    coalesce(staged.user_id, interest.user_id) as user_id,
    coalesce(staged.sport, interest.sport) as sport,
    staged.plays as staged_plays,
    interest.plays as counted_plays
from staged
full outer join {{ ref('user_olympics_interest') }} as interest
    on interest.user_id = staged.user_id
    and interest.sport = staged.sport
where staged.plays is distinct from interest.plays
