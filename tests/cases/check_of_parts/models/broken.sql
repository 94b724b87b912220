select contry from {{ ref('users') }}
