{{ config(materialized='incremental', incremental_strategy='append', primary_key='id') }}
select id, n from {{ ref('rows') }} {% if is_incremental() %}where id > (select max(id) from {{ this }}){% endif %}
