-- A row may move to another partition, and goes where the batch says so.
{{ config(
    primary_key='id',
    partition_by=['kind', 'day'],
    delete_when='source.gone',
    table_properties={'delta.enableChangeDataFeed': 'true'}
) }}
select * from {{ source('batch', 'moving') }}
