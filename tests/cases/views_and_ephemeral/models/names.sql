select name from {{ ref('french') }}
