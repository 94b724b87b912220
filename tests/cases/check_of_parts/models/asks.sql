{% set found = run_query('select 1 as n') %} select {{ found.columns[0].values()[0] }} as n
