{% macro told(results) %}
  {% for result in results %}
    {% set rows = result.adapter_response.get('rows_affected', 'no') %}
    {{ log(result.node.name ~ ': ' ~ result.status ~ ', ' ~ rows ~ ' rows', info=true) }}
  {% endfor %}
  {% set models = graph.nodes.values() | selectattr('resource_type', 'equalto', 'model') %}
  {{ log('models: ' ~ models | map(attribute='name') | join(', '), info=true) }}
{% endmacro %}
