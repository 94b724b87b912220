{{ config(
    materialized='incremental',
    primary_key=['day', 'user_id'],
    on_missing='delete',
    not_matched_by_source_condition="day >= '2024-01-02'",
    max_delete_ratio=1
) }}
select * from (values ('2024-01-01', 1), ('2024-01-01', 2), ('2024-01-02', 1), ('2024-01-02', 2)) as t (day, user_id)
{% if is_incremental() %} where day >= '2024-01-02' and user_id > 1 {% endif %}
