with recursive tree as (
    select user_id, name as path, 0 as depth, user_id as root from {{ source('raw', 'users') }} where invited_by is null
    union all
    select u.user_id, t.path || '/' || u.name, t.depth + 1, t.root
    from {{ source('raw', 'users') }} u join tree t on u.invited_by = t.user_id
)
select user_id, path, depth, root from tree
