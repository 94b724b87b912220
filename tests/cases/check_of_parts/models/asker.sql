select n from {{ ref('asks') }}
