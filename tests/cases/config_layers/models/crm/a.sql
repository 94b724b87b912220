{{ config(tags=['mine'], meta={'level': 2}) }}
select '{{ config.get('materialized') }}' as kind, '{{ config.get('nothing', 'default') }}' as other
