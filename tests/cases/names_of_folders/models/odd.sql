{{ config(alias='[1] a:b@c|d^e ~') }}
select 6 as id
