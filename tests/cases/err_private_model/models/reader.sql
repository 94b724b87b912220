select * from {{ ref('inner_model') }}
