-- The three categories and the three sub-categories that a user gives most time to, side by side.
with plays as (

    select *
    from {{ ref('stg_plays') }}
    {% if is_incremental() %}
    where user_id in (
        {{ touched_users(ref('stg_plays'), this) }}
    )
    {% endif %}

),

sub_categories as (

    select
        user_id,
        -- sub-categories are named within their category
        category || ' / ' || sub_category as sub_category,
        row_number() over (
            partition by user_id
            order by sum(watch_seconds) desc, count(*) desc, category, sub_category
        ) as sub_category_rank,
        max(loaded_at) as last_loaded_at
    from plays
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
        count(*) as distinct_sub_categories,
        max(last_loaded_at) as last_loaded_at
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
        count(*) as distinct_categories
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
    subs.distinct_sub_categories,
    subs.last_loaded_at
from top_sub_categories as subs
inner join top_categories as categories
    on categories.user_id = subs.user_id
