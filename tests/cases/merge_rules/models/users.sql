{{ config(
    materialized='incremental',
    primary_key='user_id',
    on_match={
        'first_seen': 'min',
        'last_seen': 'max',
        'plays': 'sum',
        'email': 'coalesce',
        'signed_up_at': 'keep',
        'streak': {'sql': 'case when source.last_seen = target.last_seen + 1 then target.streak + 1 else 1 end'},
    },
    update_when="source.last_seen >= target.last_seen",
    insert_when="country <> 'XX'",
    delete_when="erased"
) }}
select * from (values {{ var('rows', '(0, 0, 0, 0, null, 0, 0, null, false)') }}) as t (
    user_id, first_seen, last_seen, plays, email, signed_up_at, streak, country, erased
)
