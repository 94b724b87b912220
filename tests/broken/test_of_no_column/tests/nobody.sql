select * from {{ ref('daily') }} where usr_id is null
