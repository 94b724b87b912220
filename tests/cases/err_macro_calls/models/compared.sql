select {% if how_many() > 2 %}1{% else %}2{% endif %} as n
