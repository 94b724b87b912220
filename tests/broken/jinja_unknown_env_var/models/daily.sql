select user_id from {{ source('raw', 'users') }} where country = '{{ env_var('REFX_TEST_NOT_SET') }}'
