select t.user_id, t.minutes / 60 as hours, v.videos from {{ ref('user_time') }} t left join {{ ref('user_videos') }} v on v.user_id = t.user_id
