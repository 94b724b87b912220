select * from {{ ref('one') if var('rows') == 'one' else ref('other') }}
