select id from {{ ref('above') }}
