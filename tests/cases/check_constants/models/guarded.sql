-- Constants that fail, where no row reaches them, or only those that are meant to.
select
    user_id,
    case when false then 1 / 0 else 1 end as never,
    case when user_id is null then 1 / 0 else user_id end as raised,
    coalesce(user_id, 1 / 0) as otherwise,
    1 / nullif(0, 0) as nothing,
    user_id / nullif(user_id - user_id, 0) as nothing_either,
    try_cast('soon' as date) as soon,
    to_date(country, '%Y') as a_year,
    random() as chance,
    now() as clock
from {{ source('raw', 'users') }}
where country <> '' and (user_id > 0 or 1 / 0 = 1)
