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
        for part in &parts {
            // A Delta table takes the empty text in a partition column for NULL, so refx refuses it.
            let part = match by.contains(&"pt") {
                true => format!("select * replace (nullif(pt, '') as pt) from ({part})"),
                false => part.clone(),
            };
            append(place, session, name, by, &part).await;
        }
        names.push(name.to_owned());
    }
    with_deleted_rows(place, session, "with_deleted_rows", &parts).await;
    names.push("with_deleted_rows".to_owned());
    for (name, by) in [
        ("renamed", &[][..]),
        ("renamed_by_day", &["in_file_pd"][..]),
    ] {
        renamed(place, session, name, by, &parts).await;
        names.push(name.to_owned());
    }
    for name in &names {
        let table = provider(session, &at(place, name), None).await.unwrap();
        session.register_table(&Name::bare(name), table).unwrap();
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

fn at(place: &Place, name: &str) -> Location {
    Location::new(
        &place.root.join(name).display().to_string(),
        BTreeMap::new(),
    )
    .unwrap()
}

async fn append(place: &Place, session: &Session, name: &str, by: &[&str], rows: &str) {
    let mut write = Write::new(at(place, name), Action::Append { key: None });
    write.partition_by = by.iter().map(|column| (*column).to_owned()).collect();
    let plan = session.plan(rows).await.unwrap();
    super::write(session, &plan, &write, &NoAudit)
        .await
        .unwrap();
}

/// The first entry of a table's log, by the kind of its lines.
fn first_entry(table: &Path) -> BTreeMap<String, Value> {
    let log = std::fs::read_to_string(table.join("_delta_log/00000000000000000000.json")).unwrap();
    let lines = log.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .flat_map(|line: BTreeMap<String, Value>| line)
        .collect()
}

/// A table of one file, of which another tool deleted six rows in place.
async fn with_deleted_rows(place: &Place, session: &Session, name: &str, parts: &[String]) {
    let rows = parts.iter().map(|part| format!("({part})"));
    let rows = rows.collect::<Vec<_>>().join(" union all ");
    let rows = format!("select * from ({rows}) order by id");
    append(place, session, name, &[], &rows).await;
    let table = place.root.join(name);
    let mut file = first_entry(&table)["add"].clone();
    let removal = removal_of(&file);
    file["deletionVector"] = six_rows_deleted();
    // Bounds of a file are no longer tight.
    let stats = file["stats"].as_str().unwrap();
    let mut stats: Value = serde_json::from_str(stats).unwrap();
    stats["tightBounds"] = json!(false);
    file["stats"] = json!(stats.to_string());
    let features = json!(["deletionVectors", "timestampNtz"]);
    let protocol = json!({
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": features, "writerFeatures": features,
    });
    let lines = [json!({"protocol": protocol}), removal, json!({"add": file})];
    commit_as_another_tool(&table, 1, &lines);
}

/// A table whose columns another tool renamed: its files call them otherwise.
async fn renamed(place: &Place, session: &Session, name: &str, by: &[&str], parts: &[String]) {
    let columns = conditions::COLUMNS.iter().map(|(name, _)| *name);
    let columns: Vec<String> = columns
        .chain([conditions::PARTITION_DECIMAL])
        .map(|name| format!("{name} as in_file_{name}"))
        .collect();
    for part in parts {
        let rows = format!("select {} from ({part})", columns.join(", "));
        append(place, session, name, by, &rows).await;
    }
    let table = place.root.join(name);
    let mut metadata = first_entry(&table)["metaData"].clone();
    let schema = metadata["schemaString"].as_str().unwrap();
    let mut schema: Value = serde_json::from_str(schema).unwrap();
    let logical = |name: &Value| {
        let name = name.as_str().unwrap();
        json!(name.strip_prefix("in_file_").unwrap())
    };
    let fields = schema["fields"].as_array_mut().unwrap();
    let count = fields.len();
    for (index, field) in fields.iter_mut().enumerate() {
        field["metadata"] = json!({
            "delta.columnMapping.id": index + 1,
            "delta.columnMapping.physicalName": field["name"],
        });
        field["name"] = logical(&field["name"]);
    }
    metadata["schemaString"] = json!(schema.to_string());
    for column in metadata["partitionColumns"].as_array_mut().unwrap() {
        *column = logical(column);
    }
    metadata["configuration"] = json!({
        "delta.columnMapping.mode": "name", "delta.columnMapping.maxColumnId": count.to_string(),
    });
    let features = json!(["columnMapping", "timestampNtz"]);
    let protocol = json!({
        "minReaderVersion": 3, "minWriterVersion": 7,
        "readerFeatures": features, "writerFeatures": features,
    });
    let version = i64::try_from(parts.len()).unwrap();
    let lines = [json!({"protocol": protocol}), json!({"metaData": metadata})];
    commit_as_another_tool(&table, version, &lines);
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
