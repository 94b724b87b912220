use std::sync::Arc;

use datafusion::arrow::array::{ArrayRef, Float64Array, Int64Array, RecordBatch};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::datasource::MemTable;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::prelude::{SessionConfig, SessionContext};
use datafusion::sql::parser::{DFParser, Statement};

use super::{prepare, state};

/// A context with refx's functions over a table `t(k, x, y)`, whose rows are in so many partitions.
fn context(rows: &[(i64, f64, f64)], partitions: usize) -> SessionContext {
    let mut config = SessionConfig::new()
        .with_target_partitions(partitions)
        .with_batch_size(1_000);
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options
        .execution
        .skip_partial_aggregation_probe_rows_threshold = 1_000;
    let builder = SessionStateBuilder::new()
        .with_config(config)
        .with_default_features();
    let context = SessionContext::new_with_state(state(builder).expect("refx's functions fit"));
    let batches = rows.chunks(rows.len().div_ceil(partitions)).map(|part| {
        let columns: [(&str, ArrayRef); 3] = [
            (
                "k",
                Arc::new(Int64Array::from_iter_values(part.iter().map(|row| row.0))),
            ),
            (
                "x",
                Arc::new(Float64Array::from_iter_values(part.iter().map(|row| row.1))),
            ),
            (
                "y",
                Arc::new(Float64Array::from_iter_values(part.iter().map(|row| row.2))),
            ),
        ];
        vec![RecordBatch::try_from_iter(columns).expect("the columns are of one length")]
    });
    let batches: Vec<Vec<RecordBatch>> = batches.collect();
    let table = MemTable::try_new(batches[0][0].schema(), batches).expect("a table");
    context
        .register_table("t", Arc::new(table))
        .expect("the name is free");
    context
}

async fn run(context: &SessionContext, sql: &str) -> Result<String, String> {
    let mut statement = DFParser::parse_sql(sql).expect("it parses")[0].clone();
    if let Statement::Statement(statement) = &mut statement {
        prepare(statement.as_mut());
    }
    let planned = context.state().statement_to_plan(statement).await;
    let frame = match planned {
        Ok(plan) => context.execute_logical_plan(plan).await,
        Err(error) => Err(error),
    };
    let rows = match frame {
        Ok(frame) => frame.collect().await,
        Err(error) => Err(error),
    };
    let rows = rows.map_err(|error| error.to_string())?;
    let shown = pretty_format_batches(&rows).map_err(|error| error.to_string())?;
    Ok(shown.to_string())
}

/// Rows of many sizes, from a generator with a fixed start.
fn rows(count: usize, keys: i64) -> Vec<(i64, f64, f64)> {
    let mut state = 0x2545_F491_4F6C_DD1D_u64;
    let mut next = move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let mut unit = move || (next() >> 11) as f64 / (1_u64 << 53) as f64;
    let row = |_| {
        let size = 10_f64.powi((unit() * 16.0) as i32 - 8);
        ((unit() * keys as f64) as i64, unit() * size, unit() - 0.5)
    };
    (0..count).map(row).collect()
}

const STATISTICS: &str = "sum(x) a, avg(x) b, sum(x * y) c, var_samp(x) d, var_pop(y) e, stddev(x) f, \
    stddev_pop(y) g, covar_samp(x, y) h, covar_pop(x, y) i, corr(x, y) j, regr_slope(x, y) k1, \
    regr_intercept(x, y) l, regr_r2(x, y) m, regr_sxx(x, y) n, regr_syy(x, y) o, regr_sxy(x, y) p, \
    regr_avgx(x, y) q, regr_avgy(x, y) r, regr_count(x, y) s, sum(distinct x) u, \
    avg(x) filter (where y > 0) v";

#[tokio::test]
async fn statistics_do_not_depend_on_order_or_partitions() {
    let mut rows = rows(6_000, 7);
    let sql = [
        format!("select {STATISTICS} from t"),
        format!("select k, {STATISTICS} from t group by k order by k"),
        "select k, x, sum(x) over w a, avg(y) over w b, stddev(x) over w c, corr(x, y) over w d from t \
         window w as (partition by k order by x, y rows between 5 preceding and 2 following) \
         order by k, x, y limit 500"
            .to_owned(),
    ];
    let mut first = Vec::new();
    for partitions in [1, 2, 5] {
        for _ in 0..2 {
            let context = context(&rows, partitions);
            let mut shown = Vec::new();
            for sql in &sql {
                shown.push(run(&context, sql).await.expect("it runs"));
            }
            if first.is_empty() {
                first = shown.clone();
            }
            assert_eq!(shown, first, "{partitions} partitions");
            rows.reverse();
            rows.rotate_left(1_234);
        }
    }
}

/// With so many groups the first phase passes its rows on without adding them up.
#[tokio::test]
async fn many_groups_are_the_same_in_one_phase_and_two() {
    let rows = rows(20_000, 16_000);
    let sql = "select count(*) n, sum(s) s, sum(v) v, sum(w) w from \
        (select k, sum(x) s, var_pop(x) v, sum(k) w from t group by k) g";
    let one = run(&context(&rows, 1), sql).await.expect("it runs");
    assert_eq!(run(&context(&rows, 4), sql).await.expect("it runs"), one);
}

#[tokio::test]
async fn statistics_are_right_to_the_last_digit() {
    let rows = [
        (1, 1e9 + 0.25, 3.0),
        (1, 1e9 + 0.5, 5.0),
        (1, 1e9 + 0.75, 7.0),
    ];
    let context = context(&rows, 1);
    let shown = |sql: &'static str| {
        let context = context.clone();
        async move { run(&context, sql).await.expect("it runs") }
    };
    let sql = "select var_samp(x) v, corr(y, x) c, regr_slope(y, x) s, regr_r2(y, x) r, \
        regr_intercept(y, x) i from t";
    assert_eq!(
        numbers(&shown(sql).await),
        ["0.0625", "1.0", "8.0", "1.0", "-7999999999.0"]
    );
    let of_big = shown(
        "select avg(n) a, avg(-n) b from (values (9007199254740993), (9007199254740993), \
         (9007199254740993)) v(n)",
    );
    assert_eq!(
        numbers(&of_big.await),
        ["9007199254740992.0", "-9007199254740992.0"]
    );
    let constant = shown("select var_pop(0.1) v, stddev(0.1) s from t").await;
    assert_eq!(numbers(&constant), ["0.0", "0.0"]);
}

/// The values of the only row.
fn numbers(shown: &str) -> Vec<String> {
    let row = shown.lines().nth(3).expect("a row of values");
    let cells = row.split('|').map(|cell| cell.trim().to_owned());
    cells.filter(|cell| !cell.is_empty()).collect()
}

#[tokio::test]
async fn what_does_not_fit_fails_where_it_is() {
    let context = context(&[(i64::MAX, 1.0, 1.0), (2, 1.0, 1.0)], 1);
    for (sql, wanted) in [
        ("select k + 1 from t", "`k + 1` does not fit bigint"),
        (
            "select -(-k - 1) - 1 from t",
            "`-(-k - 1)` does not fit bigint",
        ),
        ("select sum(k) from t", "`sum(k)` does not fit bigint"),
        (
            "select sum(distinct k) from t",
            "`sum(distinct k)` does not fit bigint",
        ),
        (
            "select sum(k) over (order by k) from t",
            "`sum(k) over (…)` does not fit bigint",
        ),
        (
            "select x from t where k * 2 > 0",
            "`k * 2` does not fit bigint",
        ),
        (
            "select k from t order by k * 2",
            "`k * 2` does not fit bigint",
        ),
        (
            "select count(*) from t group by k * 2",
            "`k * 2` does not fit bigint",
        ),
        (
            "select count(*) from t a join t b on a.k + 1 = b.k",
            "`k + 1` does not fit bigint",
        ),
        (
            "select (select max(k * 2) from t)",
            "`k * 2` does not fit bigint",
        ),
        (
            "select 9223372036854775807 + 1",
            "`9223372036854775807 + 1` does not fit bigint",
        ),
        (
            "select case when k > 5 then k * 2 else 0 end from t",
            "`k * 2` does not fit bigint",
        ),
    ] {
        let error = run(&context, sql).await.expect_err(sql);
        assert!(error.contains(wanted), "{sql}: {error}");
    }
    for sql in [
        "select case when k < 5 then k * 2 else 0 end from t",
        "select sum(k - 5) from t",
        "select avg(k) from t",
        "select k + 0, k - 1, k / 3, k % 5 from t",
    ] {
        run(&context, sql).await.expect(sql);
    }
}

#[tokio::test]
async fn a_long_expression_is_cut_in_its_error() {
    let context = context(&[(i64::MAX, 1.0, 1.0)], 1);
    let zeros = "0 + ".repeat(30);
    for (sql, begins) in [
        (format!("select {zeros} k + 1 from t"), zeros.clone()),
        (
            format!("select ({zeros} 1) * k * 2 from t"),
            format!("({zeros}"),
        ),
    ] {
        let error = run(&context, &sql).await.expect_err(&sql);
        let wanted = format!("`{}…` does not fit bigint", &begins[..80]);
        assert!(error.contains(&wanted), "{sql}: {error}");
    }
}

#[tokio::test]
async fn calendars_are_the_same_in_400_years() {
    let context = context(&[(1, 1.0, 1.0)], 1);
    for unit in ["second", "hour", "day", "week", "month", "quarter", "year"] {
        let sql = format!(
            "select date_trunc('{unit}', timestamp '2024-05-17 13:14:15.678') + interval '7600 years' \
             = date_trunc('{unit}', timestamp '9624-05-17 13:14:15.678')"
        );
        let shown = run(&context, &sql).await.expect("it runs");
        assert!(shown.contains("| true"), "{unit}: {shown}");
    }
    for stride in ["15 minutes", "7 days", "1 month", "5 months"] {
        let sql = format!(
            "select date_bin(interval '{stride}', timestamp '2024-05-17 13:14:15', timestamp '2001-01-31') \
             = date_bin(interval '{stride}', cast(timestamp '2024-05-17 13:14:15' as timestamp(9)), \
             cast(timestamp '2001-01-31' as timestamp(9)))"
        );
        let shown = run(&context, &sql).await.expect("it runs");
        assert!(shown.contains("| true"), "{stride}: {shown}");
    }
}
