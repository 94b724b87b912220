select *
from {{ ref('daily') }}
where date_trunc('mnth', now()) < now()
