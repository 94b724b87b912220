select usr_id from {{ ref('weekly') }}
