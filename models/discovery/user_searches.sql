-- What each user looks for, and whether they find it.
with searches as (

    select *
    from {{ ref('stg_searches') }}
    where {{ is_known_user() }}

),

top_queries as (

    select
        user_id,
        query,
        row_number() over (
            partition by user_id
            order by count(*) desc, max(event_ts) desc, query
        ) as query_rank
    from searches
    -- half a word that found nothing says nothing of what was wanted
    where result_count > 0
    group by
        user_id,
        query

),

by_user as (

    select
        user_id,
        count(*) as searches,
        count(distinct query) as distinct_queries,
        count(*) filter (where result_count = 0) as searches_without_result,
        count(clicked_content_id) as clicked_searches,
        min(event_ts) as first_search_ts,
        max(event_ts) as last_search_ts,
        first_value(query order by event_ts desc, event_id desc) as last_query
    from searches
    group by user_id

)

select
    by_user.user_id,
    by_user.searches,
    by_user.distinct_queries,
    by_user.searches_without_result,
    {{ ratio('by_user.searches_without_result', 'by_user.searches') }} as no_result_rate,
    by_user.clicked_searches,
    {{ ratio('by_user.clicked_searches', 'by_user.searches') }} as click_rate,
    by_user.first_search_ts,
    by_user.last_search_ts,
    by_user.last_query,
    top_queries.query as top_query
from by_user
left join top_queries
    on top_queries.user_id = by_user.user_id
    and top_queries.query_rank = 1
