use datafusion::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::DataType;
use datafusion::datasource::MemTable;
use datafusion::logical_expr::{ColumnarValue, Volatility, create_udf};

use self::table::{After, Seen, Watched, batch, orders, watched};
use super::*;
use crate::engine::{Engine, Position, Settings};

mod table;

fn engine() -> Engine {
    Engine::new(&Settings {
        threads: Some(3),
        ..Settings::default()
    })
    .unwrap()
}

/// A session with tables that are not shared: `customers(customer)` 0 to 4, and `empty(customer)`.
fn session(engine: &Engine) -> Session {
    let session = engine.session();
    for (name, customers) in [("customers", 0..5), ("empty", 0..0)] {
        let column: ArrayRef = Arc::new(Int64Array::from_iter_values(customers));
        let rows = RecordBatch::try_from_iter([("customer", column)]).unwrap();
        let table = MemTable::try_new(rows.schema(), vec![vec![rows]]).unwrap();
        session
            .register_table(&Name::bare(name), Arc::new(table))
            .unwrap();
    }
    session
}

async fn run_all(table: Arc<dyn TableProvider>, sql: &[&str]) -> Vec<Result<Answer, Error>> {
    let engine = engine();
    let queries = sql.iter().map(|sql| Query {
        session: session(&engine),
        sql: (*sql).to_owned(),
    });
    together(&Name::bare("orders"), table, queries.collect(), 10_000).await
}

/// The rows in an order of their own.
fn sorted(answer: &Answer) -> Vec<String> {
    let rows = answer.rows.iter();
    let mut rows: Vec<String> = rows
        .map(|row| serde_json::to_string(row).unwrap())
        .collect();
    rows.sort();
    rows
}

/// Queries with one scan of `orders` each.
const SHARING: [&str; 24] = [
    "select * from orders where status is null",
    "select id from orders where id is not null group by id having count(*) > 1",
    "select status, count(*) as n from orders group by status having status not in ('new', 'paid')",
    "select o.customer from orders o left join customers c on o.customer = c.customer
     where o.customer is not null and c.customer is null",
    "select c.customer, o.id from customers c join orders o on o.customer = c.customer",
    "select c.customer from customers c left join orders o on o.customer = c.customer where o.id is null",
    "select o.id from orders o full join customers c on o.customer = c.customer and o.amount > 50",
    "select o.id from orders o join empty e on o.customer = e.customer",
    "select o.id, c.customer from orders o cross join customers c",
    "select o.id from orders o join customers c on o.id < c.customer",
    "select id, amount from orders order by amount desc, id limit 3",
    "select id from orders order by status, id",
    "select id, row_number() over (partition by customer order by id desc) as r from orders",
    "select id, sum(amount) over (order by id rows between 1 preceding and current row) as s from orders",
    "select id from orders qualify row_number() over (partition by status order by amount, id) = 1",
    "select id from orders union all select customer from customers",
    "select customer from empty union all select id from orders",
    "select customer from customers intersect select customer from orders",
    "select id from orders where customer in (select customer from customers)",
    "select id from orders where customer not in (select customer from customers)",
    "select customer from customers c where exists (select 1 from orders o where o.customer = c.customer)",
    "select id from orders where amount > (select max(customer) from customers)",
    "select customer, (select count(*) from orders) as n from customers",
    "select count(*) as n from orders",
];

#[tokio::test(flavor = "multi_thread")]
async fn twenty_queries_read_the_table_once() {
    let (table, seen) = orders(3, 5, After::End);
    let sql: Vec<&str> = (0..20)
        .map(|index| match index % 3 {
            0 => "select count(amount) as n from orders",
            1 => "select count(*) as n from orders where customer is null",
            _ => "select count(*) as n from orders where amount < 0",
        })
        .collect();
    let answers = run_all(table, &sql).await;
    for (index, answer) in answers.into_iter().enumerate() {
        let expected = [240, 30, 0][index % 3];
        assert_eq!(answer.unwrap().rows, [[serde_json::json!(expected)]]);
    }
    // The first was planned for the statistics, and not run.
    assert_eq!(seen.scans(), [vec![0, 1, 2, 3], vec![1, 3]]);
    assert_eq!(seen.reads(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_those_of_one_by_one() {
    for (partitions, batches) in [(1, 1), (1, 40), (4, 12), (2, 0)] {
        let (table, seen) = orders(partitions, batches, After::End);
        let answers = run_all(table.clone(), &SHARING).await;
        assert_eq!(seen.reads(), partitions);
        for (sql, answer) in SHARING.iter().zip(answers) {
            let plain = session(&engine());
            plain
                .register_table(&Name::bare("orders"), table.clone())
                .unwrap();
            let expected = plain.rows_as_json(sql, 10_000).await.unwrap();
            let answer = answer.unwrap();
            assert_eq!(answer.columns, expected.columns, "{sql}");
            if sql.contains(" order by status") || sql.contains(" limit ") {
                assert_eq!(answer.rows, expected.rows, "{sql}");
            }
            assert_eq!(sorted(&answer), sorted(&expected), "{sql}");
        }
    }
}

#[tokio::test]
async fn one_thread_is_enough() {
    let (table, seen) = orders(4, 12, After::End);
    let answers = run_all(table, &SHARING).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(seen.reads(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_has_seen_enough_does_not_stop_the_others() {
    let (table, seen) = orders(2, 50, After::End);
    let sql = [
        "select id from orders limit 1",
        "select count(*) as n from orders where id >= 0",
        "select id from orders limit 0",
    ];
    let answers = run_all(table, &sql).await;
    let rows = |index: usize| answers[index].as_ref().unwrap().rows.len();
    assert_eq!([rows(0), rows(1), rows(2)], [1, 1, 0]);
    assert_eq!(
        answers[1].as_ref().unwrap().rows[0][0],
        serde_json::json!(1600)
    );
    assert_eq!(seen.reads(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_of_several_scans_runs_by_itself() {
    let (table, seen) = orders(2, 10, After::End);
    let sql = [
        "select a.id from orders a join orders b on a.id = b.amount",
        "select 1 as one",
        "select id from orders where amount = (select max(amount) from orders)",
        "select count(id) as n from orders",
        "select max(id) as n from orders",
        "with recursive chain(id) as (select 0 as id
         union all select o.id from orders o join chain c on o.id = c.id + 1 where o.id < 5)
         select id from chain",
    ];
    let answers = run_all(table, &sql).await;
    let rows: Vec<usize> = answers
        .iter()
        .map(|a| a.as_ref().unwrap().rows.len())
        .collect();
    assert_eq!(rows, [320, 1, 3, 1, 1, 5]);
    // The scan for the last three, behind the one for the statistics.
    assert_eq!(seen.scans()[1], [0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_single_query_gets_its_filters_to_the_table() {
    let (table, seen) = orders(2, 10, After::End);
    let answers = run_all(
        table,
        &["select count(id) as n from orders", "select 1 as one"],
    )
    .await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!((seen.scans(), seen.reads()), (vec![vec![0]], 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_the_statistics_answer_spares_the_scan() {
    let folder = std::env::temp_dir().join(format!("refx-together-{}", uuid::Uuid::new_v4()));
    let path = folder.join("orders.parquet").display().to_string();
    let engine = engine();
    let writer = session(&engine);
    let rows = MemTable::try_new(batch(0, 1).schema(), vec![vec![batch(0, 100)]]).unwrap();
    writer
        .register_table(&Name::bare("rows"), Arc::new(rows))
        .unwrap();
    let copy = format!("copy (select * from rows) to '{path}' stored as parquet");
    writer.statement(&copy).await.unwrap();
    let source = crate::engine::SourceTable::at(path);
    let name = Name::bare("orders");
    writer.register_source(&name, &source).await.unwrap();
    let table = writer.context.table_provider("orders").await.unwrap();
    let seen = Arc::new(Seen::new());
    let table = Arc::new(Watched {
        schema: table.schema(),
        inner: table,
        seen: Arc::clone(&seen),
    });
    let sql = [
        "select count(*) as n from orders where id is null",
        "select count(*) as n from orders where customer is null",
        "select id from orders where amount > 1000 and status = 'new'",
        "select max(length(status)) as n from orders",
        "select count(*) as n from orders",
    ];
    let queries = sql.map(|sql| Query {
        session: session(&engine),
        sql: sql.to_owned(),
    });
    let answers = together(&name, table, queries.to_vec(), 10).await;
    let _ = std::fs::remove_dir_all(folder);
    let rows: Vec<_> = answers.into_iter().map(|a| a.unwrap().rows).collect();
    let number = |n: i64| vec![vec![serde_json::json!(n)]];
    assert_eq!(
        rows,
        [number(0), number(12), vec![], number(4), number(100)]
    );
    // For the statistics; shared; then the two that no row can pass, by themselves.
    let scans: [&[usize]; 4] = [&[0, 1, 2, 3], &[1, 2], &[0], &[0, 2, 3]];
    assert_eq!(seen.scans(), scans);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_scan_reaches_every_query() {
    for (after, said) in [
        (After::Error, "the disk is gone"),
        (After::Panic, "the file is broken"),
    ] {
        let (table, seen) = orders(3, 5, after);
        // Whoever needs no row to be sure would be right to answer.
        let needing = SHARING.iter().filter(|sql| !sql.contains("empty e"));
        let sql: Vec<&str> = needing.copied().collect();
        for (sql, answer) in sql.iter().zip(run_all(table, &sql).await) {
            let error = answer.expect_err(sql);
            assert_eq!(error.kind, Kind::Execution);
            assert!(error.message.contains(said), "{sql}: {}", error.message);
        }
        assert_eq!(seen.reads(), 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_one_query_is_not_the_others() {
    let engine = engine();
    let breaks = create_udf(
        "breaks",
        vec![DataType::Int64],
        DataType::Int64,
        Volatility::Volatile,
        Arc::new(|_: &[ColumnarValue]| panic!("a bug")),
    );
    let sql = [
        "select count(id) as n from orders",
        "select sum(id / (amount - 7)) as x from orders",
        "select idd\nfrom orders",
        "select",
        "select max(cast(status as bigint)) as x from orders",
        "select max(breaks(id)) as x from orders",
        "select sum(id) as n from orders",
    ];
    let queries = sql.map(|sql| {
        let session = session(&engine);
        session.context.register_udf(breaks.clone());
        Query {
            session,
            sql: sql.to_owned(),
        }
    });
    let (table, seen) = orders(3, 20, After::End);
    let answers = together(&Name::bare("orders"), table, queries.to_vec(), 10).await;
    let number = |index: usize| answers[index].as_ref().unwrap().rows[0][0].clone();
    assert_eq!((number(0), number(6)), (960.into(), 460_320.into()));
    let error = |index: usize| answers[index].as_ref().unwrap_err();
    assert_eq!(error(1).message, "division by zero");
    let unknown = error(2);
    let place = Position { line: 1, column: 8 };
    assert_eq!(
        (unknown.kind, unknown.position),
        (Kind::UnknownColumn, Some(place))
    );
    assert!(unknown.candidates.contains(&"id".to_owned()));
    assert_eq!(error(3).kind, Kind::Syntax);
    let statuses = ["`new`", "`paid`", "`sent`"];
    let message = &error(4).message;
    assert!(statuses.iter().any(|s| message.contains(s)), "{message}");
    assert!(error(5).message.contains("a bug"), "{}", error(5).message);
    assert_eq!(seen.reads(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_table_itself_is_registered_afterwards() {
    let session = session(&engine());
    let (table, _) = orders(2, 3, After::End);
    let name = Name::qualified("shop", "orders");
    let sql = [
        "select count(id) as n from shop.orders",
        "select count(*) as n from shop.orders where status = 'new'",
        "select nothing from shop.orders",
    ];
    // All in one session: the stand-ins may not get mixed up.
    let queries = sql.map(|sql| Query {
        session: session.clone(),
        sql: sql.to_owned(),
    });
    let answers = together(&name, table.clone(), queries.to_vec(), 10).await;
    let number = |index: usize| answers[index].as_ref().unwrap().rows[0][0].clone();
    assert_eq!((number(0), number(1)), (96.into(), 32.into()));
    assert_eq!(answers[2].as_ref().unwrap_err().kind, Kind::UnknownColumn);
    let registered = session.context.table_provider("shop.orders").await.unwrap();
    assert!(std::ptr::addr_eq(
        Arc::as_ptr(&registered),
        Arc::as_ptr(&table)
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_found_no_memory_runs_again_alone() {
    let engine = Engine::new(&Settings {
        memory_limit: Some(64 << 20),
        threads: Some(2),
        ..Settings::default()
    })
    .unwrap();
    // 44 MB, which the join keeps: what it builds cannot go to disk.
    let text: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(1 << 10); 500]));
    let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..500));
    let rows = RecordBatch::try_from_iter([("id", numbers), ("text", text)]).unwrap();
    let (table, seen) = watched(vec![vec![rows; 88]], After::End);
    let sql = "select count(o.text) as n from orders o join numbers n on o.id = n.id";
    let mut queries = Vec::new();
    for _ in 0..4 {
        let session = session(&engine);
        let numbers = "select value as id from generate_series(0, 4)";
        let name = Name::bare("numbers");
        session.register_view(&name, numbers).await.unwrap();
        queries.push(Query {
            session,
            sql: sql.to_owned(),
        });
    }
    let answers = together(&Name::bare("orders"), table, queries, 10).await;
    for answer in answers {
        assert_eq!(answer.unwrap().rows, [[serde_json::json!(440)]]);
    }
    // Two scans for two queries each, and one for each that ran again.
    assert!(seen.reads() > 2, "{}", seen.reads());
}

#[tokio::test(flavor = "multi_thread")]
async fn dropping_the_future_stops_reading() {
    let (table, seen) = orders(3, 2, After::Again);
    let sql = [
        "select count(id) as n from orders",
        "select sum(id) as n from orders",
    ];
    tokio::select! {
        _ = run_all(table, &sql) => panic!("the table has no end"),
        enough = seen.batches.acquire_many(1000) => enough.unwrap().forget(),
    }
    // The table's partitions are held by those who read them.
    while Arc::strong_count(&seen) > 1 {
        tokio::task::yield_now().await;
    }
}
