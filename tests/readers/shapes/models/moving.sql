-- A row may move to another partition.
{{ config(primary_key='id', partition_by=['kind', 'day'], table_properties={'delta.enableChangeDataFeed': 'true'}) }}
select * from {{ source('batch', 'moving') }}
