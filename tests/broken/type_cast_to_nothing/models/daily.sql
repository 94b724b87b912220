select cast(user_id as numbr) as user_id from {{ source('raw', 'users') }}
