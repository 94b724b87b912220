{{ config(alias='[1] a:b@c|d^e ~') }}
select {{ var("odd", 6) }} as id
