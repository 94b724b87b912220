//! Functions of other warehouses, and how to write them here.

/// How a function of another warehouse is written, as a fragment after `help:`; none for a name that
/// is not known.
pub(super) fn help(function: &str) -> Option<&'static str> {
    let function = function.to_lowercase();
    let known = |names: &&(&[&str], &'static str)| names.0.contains(&function.as_str());
    TABLE.iter().find(known).map(|(_, help)| *help)
}

/// How the instant of the run is written.
pub(super) const AS_OF: &str = "write `{{ as_of() }}`: it is Jinja, and prints a timestamp";

/// Names, and what is written in their place.
const TABLE: &[(&[&str], &str)] = &[
    (&["as_of"], AS_OF),
    (&["iff", "if"], "write `case when … then … else … end`"),
    (
        &[
            "datediff",
            "date_diff",
            "timestampdiff",
            "timestamp_diff",
            "datetime_diff",
        ],
        "write `{{ dbt.datediff('a', 'b', 'day') }}`, or subtract: `cast(b as date) - cast(a as date)`",
    ),
    (
        &[
            "dateadd",
            "date_add",
            "timestamp_add",
            "timestampadd",
            "datetime_add",
            "adddate",
        ],
        "add an interval: `day + interval '7 days'`, or write `{{ dbt.dateadd('day', 7, 'day') }}`",
    ),
    (
        &["date_sub", "timestamp_sub", "datetime_sub", "subdate"],
        "subtract an interval: `day - interval '7 days'`",
    ),
    (
        &["add_months", "months_add"],
        "add an interval: `day + interval '3 months'`",
    ),
    (
        &["safe_divide", "div0", "div0null", "divide"],
        "write `a / nullif(b, 0)`",
    ),
    (
        &["countif", "count_if", "countifs"],
        "write `count(*) filter (where …)`",
    ),
    (&["sumif", "sum_if"], "write `sum(…) filter (where …)`"),
    (&["avgif", "avg_if"], "write `avg(…) filter (where …)`"),
    (
        &[
            "safe_cast",
            "try_to_number",
            "try_to_decimal",
            "try_to_date",
            "try_to_timestamp",
            "try_to_double",
            "try_to_boolean",
        ],
        "write `try_cast(… as type)`: NULL where it cannot be",
    ),
    (
        &[
            "to_number",
            "to_numeric",
            "to_decimal",
            "to_double",
            "to_varchar",
            "to_boolean",
            "convert",
        ],
        "write `cast(… as type)`",
    ),
    (&["zeroifnull"], "write `coalesce(…, 0)`"),
    (&["nullifzero"], "write `nullif(…, 0)`"),
    (
        &["isnull"],
        "write `… is null`, or `coalesce(…, …)` for a value in its place",
    ),
    (&["equal_null"], "write `a is not distinct from b`"),
    (
        &[
            "getdate",
            "sysdate",
            "systimestamp",
            "sysdatetime",
            "getutcdate",
            "current_datetime",
        ],
        "write `{{ as_of() }}`, the instant of the run; `now()` reads the clock",
    ),
    (
        &["listagg", "group_concat", "wm_concat"],
        "write `string_agg(…, ', ' order by …)`",
    ),
    (&["len"], "write `length(…)`"),
    (&["charindex", "locate"], "write `strpos(text, part)`"),
    (
        &[
            "year",
            "month",
            "day",
            "hour",
            "minute",
            "second",
            "quarter",
            "week",
            "dayofweek",
            "dayofyear",
            "dayofmonth",
            "weekofyear",
        ],
        "write `extract(year from …)`, with the part that is meant",
    ),
    (
        &["timestamp_trunc", "datetime_trunc", "trunc_date"],
        "write `date_trunc('day', …)`: the part comes first",
    ),
    (
        &["format_date", "format_timestamp", "strftime"],
        "write `to_char(…, '%Y-%m-%d')`",
    ),
    (
        &["parse_date", "str_to_date", "strptime"],
        "write `to_date(…, '%Y-%m-%d')`",
    ),
    (
        &["parse_timestamp", "parse_datetime"],
        "write `to_timestamp(…, '%Y-%m-%d %H:%M:%S')`",
    ),
    (
        &["unix_timestamp", "unix_seconds"],
        "write `to_unixtime(…)`",
    ),
    (&["timestamp_seconds"], "write `to_timestamp_seconds(…)`"),
    (&["timestamp_millis"], "write `to_timestamp_millis(…)`"),
    (
        &["regexp_contains", "regexp", "rlike", "regexp_matches"],
        "write `regexp_like(text, 'pattern')`",
    ),
    (
        &["regexp_extract", "regexp_substr"],
        "write `regexp_match(text, 'pattern')[1]`",
    ),
    (&["startswith"], "write `starts_with(text, part)`"),
    (&["endswith"], "write `ends_with(text, part)`"),
    (
        &["approx_count_distinct", "hll"],
        "write `approx_distinct(…)`",
    ),
    (
        &["boolor_agg", "logical_or", "bool_or_agg"],
        "write `bool_or(…)`",
    ),
    (&["booland_agg", "logical_and"], "write `bool_and(…)`"),
    (
        &["generate_uuid", "uuid_string", "newid", "gen_random_uuid"],
        "write `uuid()`; for a key, `md5(…)` of columns gives the same at each run",
    ),
    (
        &["hash", "farm_fingerprint", "xxhash64", "murmur_hash"],
        "write `md5(…)` or `sha256(…)`",
    ),
    (&["ceiling"], "write `ceil(…)`"),
    (&["truncate"], "write `trunc(…)`"),
    (&["explode"], "write `unnest(…)`"),
    (
        &["object_construct", "json_object", "to_json_string"],
        "write `named_struct('name', value, …)`",
    ),
    (
        &[
            "parse_json",
            "json_extract",
            "json_value",
            "json_extract_scalar",
            "get_json_object",
            "get_path",
        ],
        "JSON in a text is not taken apart: declare the source as `format: json`, and read `column['name']`",
    ),
    (
        &["array_size", "size", "cardinality_of"],
        "write `array_length(…)`",
    ),
    (&["ratio_to_report"], "write `x / sum(x) over ()`"),
    (
        &["percentile", "approx_quantiles"],
        "write `approx_percentile_cont(0.5) within group (order by …)`",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Engine, Settings};

    #[test]
    fn no_function_of_the_engine_is_called_another_warehouses() {
        let engine = Engine::new(&Settings::default()).expect("an engine");
        let state = engine.session().state();
        let known = |name: &&str| {
            state.scalar_functions().contains_key(*name)
                || state.aggregate_functions().contains_key(*name)
                || state.window_functions().contains_key(*name)
        };
        let both: Vec<&str> = TABLE
            .iter()
            .flat_map(|(names, _)| names.iter().copied())
            .filter(|name| known(name))
            .collect();
        assert_eq!(both, [""; 0]);
        assert_eq!(help("SAFE_DIVIDE"), Some("write `a / nullif(b, 0)`"));
    }
}
