{{ config(materialized='incremental', unique_key='id', skip_matched_step=true) }}
select 1 as id, {% if is_incremental() %}2{% else %}1{% endif %} as v {% if is_incremental() %}, 3 as w{% endif %}
