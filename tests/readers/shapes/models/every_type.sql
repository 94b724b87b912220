{{ config(primary_key='id', table_properties={'delta.enableChangeDataFeed': 'true'}) }}
select * from {{ source('batch', 'every_type') }}
