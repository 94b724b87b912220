select * from {{ ref('user_rfa') }} join {{ ref('user_activity') }} using (user_id)
