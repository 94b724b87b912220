-- A user with n categories has the ranks 1 to n, and their shares add up to one.
select
    user_id,
    count(*) as categories,
    max(category_rank) as last_rank,
    sum(watch_share) as shares
from {{ ref('user_category_rank') }}
group by user_id
having max(category_rank) <> count(*)
    or count(distinct category_rank) <> count(*)
    -- each share is rounded to four decimals
    or abs(sum(watch_share) - 1) > 0.001
