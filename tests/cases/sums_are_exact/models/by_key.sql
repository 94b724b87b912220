{{ config(materialized='incremental', primary_key='k') }}
select
    k,
    sum(x) as total,
    avg(x) as average,
    sum(y) as total_y,
    sum(distinct y) as total_distinct,
    var_pop(y) as variance,
    stddev(y) as deviation,
    covar_samp(y, y) as covariance,
    corr(y, 2 * y) as correlation,
    regr_slope(y, 3 * y) as slope,
    regr_intercept(y, 3 * y) as intercept
from {{ ref('rows_in_order') }}
group by k
