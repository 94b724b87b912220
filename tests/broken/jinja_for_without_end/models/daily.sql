select {% for x in [1] %} {{ x }} as x from {{ source('raw', 'users') }}
