-- Partition values that have to be escaped in a path, and partitions of every type that can name one.
{{ config(
    primary_key='id',
    partition_by=['town', 'sent_at', 'weight', 'fragile'],
    table_properties={'delta.enableChangeDataFeed': 'true'}
) }}
select * from {{ source('batch', 'parcels') }}
