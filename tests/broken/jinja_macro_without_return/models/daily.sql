select {% for c in columns() %}{{ c }}{{ ',' if not loop.last }}{% endfor %} from {{ source('raw', 'plays') }}
