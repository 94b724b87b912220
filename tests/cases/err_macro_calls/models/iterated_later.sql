{% set all_regions = regions() %}
select {% for region in all_regions %}{{ region }}{% endfor %}
