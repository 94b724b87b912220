select play_id from {{ source('raw', 'plays') }}
where user_id not in (
    select k.user_id from {{ source('raw', 'plays') }} as p
    left join {{ ref('keyed') }} as k on k.user_id = p.user_id
)
