{{ config(
    materialized='incremental',
    unique_key='id',
    incremental_strategy='merge',
    target_alias='t',
    source_alias='s',
    matched_condition='s.updated_at > t.updated_at or t.is_current = false',
    not_matched_condition='s.attr1 is not null',
    not_matched_by_source_condition='t.is_current',
    not_matched_by_source_action='update set t.is_current = false, t.attr1 = null'
) }}
select * from (values {{ var('rows', '(0, 0, 0, true)') }}) as t (id, updated_at, attr1, is_current)
