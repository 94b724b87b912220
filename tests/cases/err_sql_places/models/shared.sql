{{ config(materialized='ephemeral') }}
select user_id,
  upper(nam) as name
from {{ ref('users') }}
