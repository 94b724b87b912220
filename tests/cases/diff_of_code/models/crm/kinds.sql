select distinct kind from {{ ref('stg_plays') }}
