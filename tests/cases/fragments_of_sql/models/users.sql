{{ config(materialized='incremental', primary_key='id', update_when='source.n <> target.n -- newer', incremental_predicates=['target.id > 0 -- all;']) }}
select value as id, value as n from generate_series(1, 3); -- done
