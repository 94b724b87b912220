select secnds from {{ ref('stg_plays') }}
