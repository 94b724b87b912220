select * from {{ ref('dayly') }} where user_id is null
