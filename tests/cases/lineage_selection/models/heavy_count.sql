select count(*) as users from {{ ref('heavy') }}
