{{ config(materialized='incremental', unique_key='id', skip_not_matched_step=true, not_matched_by_source_action='delete', max_delete_ratio=1) }}
select * from (values {{ var('others', '(1, 1), (2, 2)') }}) as t (id, v)
