select "User_ID" from {{ source('raw', 'users') }}
