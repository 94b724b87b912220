select user_id, {{ share('secnds') }} as share from {{ source('raw', 'plays') }}
