-- les « écoutes » : é 😀
{% set unused = 1 %}
select
	user_id,	'😀é' as mark, playz
from {{ ref('users') }}
