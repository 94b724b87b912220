select '{{ var('tpl') }}' as t, {{ config.get('meta').n }} as n, '{{ 'true' | as_bool }}' as of_text
