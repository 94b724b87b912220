select user_id, {{ outer_macro() }} as minutes from {{ source('raw', 'plays') }}
