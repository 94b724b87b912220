{% set all_settings = settings() %}
select '{{ all_settings.unit }}' as unit
