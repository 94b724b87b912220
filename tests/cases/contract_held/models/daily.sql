select logins, user_id, cast(spent as decimal(10, 2)) as spent from {{ ref('visits') }}
