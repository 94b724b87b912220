{{ config(primary_key=['User Id', 'select'], table_properties={'delta.enableChangeDataFeed': 'true'}) }}
select * from {{ source('batch', 'odd_names') }}
