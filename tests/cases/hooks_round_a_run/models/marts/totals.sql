{{ config(post_hook={'sql': "{{ log('also this one', info=true) }}"}) }}
select * from {{ ref('users') }}
