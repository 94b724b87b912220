select arrow_typeof(code) as code, arrow_typeof(amount) as amount, arrow_typeof(at) as at, arrow_typeof(ok) as ok from {{ ref('typed') }} limit 1
