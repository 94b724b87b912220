select * from {{ ref('users') }} where n > 100; -- none
