select user_id {% if true %} , country from {{ source('raw', 'users') }}
