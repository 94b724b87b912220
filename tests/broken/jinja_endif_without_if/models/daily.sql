select user_id {% endif %} from {{ source('raw', 'users') }}
