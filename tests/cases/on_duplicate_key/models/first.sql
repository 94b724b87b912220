{{ config(materialized='table', primary_key='id', on_duplicate_key='first by "Updated At"') }}
select id, updated_at as "Updated At", said
from (values (1, 5, 'old'), (1, 7, 'new'), (1, null, 'unknown'), (2, 1, 'only')) as t (id, updated_at, said)
