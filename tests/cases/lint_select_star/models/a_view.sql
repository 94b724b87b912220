select * from {{ ref('named') }}
