{{ config(materialized='table') }}
select code, ok, "no", "on" from (values ('NO', true, 1, 1), ('SE', false, 2, 2)) as t(code, ok, "no", "on")
