select usr_id from {{ ref('daily') }}
