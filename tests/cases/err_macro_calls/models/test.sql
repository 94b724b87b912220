select {% if 1 is devisibleby(2) %}1{% else %}2{% endif %}
