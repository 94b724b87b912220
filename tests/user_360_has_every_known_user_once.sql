-- The CRM receives each known user once, and nobody else.
with sent as (

    select
        user_id,
        count(*) as copies
    from {{ ref('user_360') }}
    group by user_id

)

select
    coalesce(users.user_id, sent.user_id) as user_id,
    coalesce(sent.copies, 0) as copies
from {{ ref('stg_users') }} as users
full outer join sent
    on sent.user_id = users.user_id
where users.user_id is null
    or (sent.copies is distinct from 1)
