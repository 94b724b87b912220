select contry from {{ ref('broken') }}
