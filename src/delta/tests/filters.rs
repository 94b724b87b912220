//! Random conditions over every kind of table that refx reads. A scan with a condition gives the rows
//! for which the condition holds when it is computed over all rows in memory.
//!
//! `REFX_FAULTS=full` tries 2,000 conditions, a number that many; `REFX_SEED` draws others.

use std::path::Path;
use std::sync::Arc;

use datafusion::arrow::array::RecordBatch;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;

use super::*;
use crate::engine::SourceTable;

mod conditions;

use conditions::Dice;

/// Queries that are run with each condition over each table.
const QUERIES: [&str; 2] = [
    "select id from {t} where {p}",
    "select count(*), count(f), min(f), max(f), min(k), max(k), min(s), max(s), min(pf), max(pf), \
     min(ts), max(pt) from {t} where {p}",
];

/// The Delta tables, by their partition columns.
const PARTITIONS: [(&str, &[&str]); 6] = [
    ("plain", &[]),
    ("by_text", &["pt"]),
    ("by_number_and_day", &["pi", "pd"]),
    ("by_float", &["pf"]),
    ("by_truth_and_decimal", &["pb", "pm"]),
    ("by_instant", &["ts"]),
];

#[tokio::test(flavor = "multi_thread")]
async fn a_scan_gives_the_rows_for_which_its_condition_holds() {
    let (cases, seed) = (tried(40, 2000), seed());
    let mut dice = Dice::new(seed);
    let place = Place::new();
    let session = place.engine.session();
    let names = tables(&place, &session, &mut dice).await;
    let mut compared = 0;
    let mut wrong = Vec::new();
    for case in 0..cases {
        // The first has no condition: counts and bounds come from statistics then.
        let condition = match case {
            0 => "true".to_owned(),
            _ => dice.condition(3),
        };
        for name in &names {
            // What is computed of all rows, and then kept, is filtered by no scan.
            let kept = format!("(select *, ({condition}) is true as holds from in_memory_{name})");
            for query in QUERIES {
                let scanned = query.replace("{t}", name).replace("{p}", &condition);
                let plain = query.replace("{t}", &kept).replace("{p}", "holds");
                compared += 1;
                let (scanned_rows, plain_rows) =
                    (rows(&session, &scanned).await, rows(&session, &plain).await);
                if scanned_rows != plain_rows {
                    wrong.push(format!("{scanned}\n  {scanned_rows:?}\n  {plain_rows:?}"));
                }
            }
        }
    }
    tell(&format!(
        "faults filters: tried={cases} compared={compared} violations={} tables={} seed={seed}",
        wrong.len(),
        names.len()
    ));
    wrong.truncate(20);
    assert!(wrong.is_empty(), "REFX_SEED={seed}\n{}", wrong.join("\n"));
}

/// The rows as text, in an order of their own.
async fn rows(session: &Session, sql: &str) -> Result<Vec<String>, String> {
    let batches = collected(session, sql).await?;
    let mut rows: Vec<String> = batches
        .iter()
        .flat_map(|batch| {
            (0..batch.num_rows()).map(|row| {
                let values = batch.columns().iter();
                let values = values.map(|array| {
                    let value = ScalarValue::try_from_array(array, row);
                    value.map_or_else(|error| error.to_string(), |value| value.to_string())
                });
                values.collect::<Vec<_>>().join("|")
            })
        })
        .collect();
    rows.sort();
    Ok(rows)
}

async fn collected(session: &Session, sql: &str) -> Result<Vec<RecordBatch>, String> {
    let plan = session.plan(sql).await.map_err(|error| error.to_string())?;
    plan.collect(None).await.map_err(|error| error.to_string())
}

/// The same random rows in every kind of table, and beside each what a scan of all of it gives, held
/// in memory. The names of the tables.
async fn tables(place: &Place, session: &Session, dice: &mut Dice) -> Vec<String> {
    std::fs::create_dir_all(&place.root).unwrap();
    let parts: Vec<String> = (0..3).map(|part| dice.rows(part * 10, 10)).collect();
    let mut names = Vec::new();
    for (name, by) in PARTITIONS {
        let root = place.root.join(name).display().to_string();
        let location = Location::new(&root, BTreeMap::new()).unwrap();
        for part in &parts {
            let mut write = Write::new(location.clone(), Action::Append { key: None });
            write.partition_by = by.iter().map(|column| (*column).to_owned()).collect();
            // A Delta table takes the empty text in a partition column for NULL, so refx refuses it.
            let part = match by.contains(&"pt") {
                true => format!("select * replace (nullif(pt, '') as pt) from ({part})"),
                false => part.clone(),
            };
            let plan = session.plan(&part).await.unwrap();
            super::write(session, &plan, &write, &NoAudit)
                .await
                .unwrap();
        }
        let table = provider(session, &location, None).await.unwrap();
        session.register_table(&Name::bare(name), table).unwrap();
        names.push(name.to_owned());
    }
    for (name, format, folders) in [
        ("parquet_files", "parquet", ""),
        ("parquet_folders", "parquet", " partitioned by (pt, pi)"),
        ("csv_files", "csv", ""),
        ("json_files", "json", ""),
    ] {
        let root = place.root.join(name);
        for (number, part) in parts.iter().enumerate() {
            copy(session, part, &root, number, format, folders).await;
        }
        let mut source = SourceTable::at(root.display().to_string());
        source.options.columns_if_there = declared();
        session
            .register_source(&Name::bare(name), &source)
            .await
            .unwrap();
        names.push(name.to_owned());
    }
    for name in &names {
        let all = collected(session, &format!("select * from {name}"))
            .await
            .unwrap();
        let schema = all[0].schema();
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, vec![all]).unwrap());
        let name = Name::bare(format!("in_memory_{name}"));
        session.register_table(&name, table).unwrap();
    }
    names
}

async fn copy(
    session: &Session,
    part: &str,
    root: &Path,
    number: usize,
    format: &str,
    folders: &str,
) {
    // Neither CSV nor JSON has NaN and infinity, nor tells the empty text from none.
    let part = match format {
        "parquet" => part.to_owned(),
        _ => format!(
            "select * replace (case when abs(f) < 100 then f end as f, \
             case when abs(pf) < 100 then pf end as pf, nullif(s, '') as s, nullif(pt, '') as pt) \
             from ({part})"
        ),
    };
    let to = match folders {
        "" => root.join(format!("{number}.{format}")),
        _ => root.to_path_buf(),
    };
    let to = to.display();
    let sql = format!("copy ({part}) to '{to}' stored as {format}{folders}");
    session.statement(&sql).await.unwrap();
}

fn declared() -> Vec<(String, String)> {
    let columns = conditions::COLUMNS.iter();
    columns
        .map(|(name, kind)| ((*name).to_owned(), kind.sql().to_owned()))
        .collect()
}
