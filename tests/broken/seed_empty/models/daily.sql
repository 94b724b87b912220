select code from {{ ref('countries') }}
