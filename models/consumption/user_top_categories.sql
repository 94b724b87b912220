-- The three categories and the three sub-categories that a user gives most time to, side by side.
with sub_categories as (

    select
        user_id,
        category,
        -- sub-categories are named within their category
        category || ' / ' || sub_category as sub_category,
        row_number() over (
            partition by user_id
            order by category = 'unknown', sum(watch_seconds) desc, count(*) desc, category, sub_category
        ) as sub_category_rank
    from {{ ref('stg_plays') }}
    group by
        user_id,
        category,
        sub_category

),

top_sub_categories as (

    select
        user_id,
        max(case when sub_category_rank = 1 then sub_category end) as top_sub_category_1,
        max(case when sub_category_rank = 2 then sub_category end) as top_sub_category_2,
        max(case when sub_category_rank = 3 then sub_category end) as top_sub_category_3,
        count(*) filter (where category <> 'unknown') as distinct_sub_categories
    from sub_categories
    group by user_id

),

top_categories as (

    select
        user_id,
        max(case when category_rank = 1 then category end) as top_category_1,
        max(case when category_rank = 2 then category end) as top_category_2,
        max(case when category_rank = 3 then category end) as top_category_3,
        max(case when category_rank = 1 then watch_share end) as top_category_1_share,
        count(*) filter (where category <> 'unknown') as distinct_categories
    from {{ ref('user_category_rank') }}
    group by user_id

)

select
    subs.user_id,
    categories.top_category_1,
    categories.top_category_2,
    categories.top_category_3,
    categories.top_category_1_share,
    categories.distinct_categories,
    subs.top_sub_category_1,
    subs.top_sub_category_2,
    subs.top_sub_category_3,
    subs.distinct_sub_categories
from top_sub_categories as subs
inner join top_categories as categories
    on categories.user_id = subs.user_id
