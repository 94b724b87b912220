
-- a singular test, after an empty line
select *
from {{ ref('users') }}
where user is null
