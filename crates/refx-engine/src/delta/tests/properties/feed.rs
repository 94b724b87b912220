//! The change feed of a version, against the rows before and after it.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use datafusion::prelude::SessionContext;
use deltalake::delta_datafusion::DeltaCdfTableProvider;

use super::super::Place;
use super::model::{self, Cell, Row, Table};

/// The changes that a version tells of: what each is called, and its row.
pub async fn read(place: &Place, version: i64) -> Vec<(String, Row)> {
    alias_folders(&place.root);
    let version = u64::try_from(version).unwrap();
    let mut table = place.location().handle().unwrap();
    table.load_version(version).await.unwrap();
    let changes = table
        .scan_cdf()
        .with_starting_version(version)
        .with_ending_version(version);
    let provider = DeltaCdfTableProvider::try_new(changes).unwrap();
    let frame = SessionContext::new()
        .read_table(Arc::new(provider))
        .unwrap();
    let batches = frame.collect().await.unwrap();
    let mut found = Vec::new();
    for mut row in batches.iter().flat_map(model::rows) {
        let Some(Cell::Text(kind)) = row.remove("_change_type") else {
            panic!("{row:?} does not say what it is");
        };
        row.retain(|column, _| !column.starts_with("_commit_"));
        found.push((kind, row));
    }
    found
}

/// deltalake's reader of feeds encodes names once more that the log has encoded already, and looks
/// for `p=a%2520b` where `p=a%20b` is: what it looks for leads to what is there.
fn alias_folders(root: &Path) {
    let folders: Vec<_> = walkdir::WalkDir::new(root).into_iter().flatten().collect();
    for folder in folders.iter().filter(|entry| entry.file_type().is_dir()) {
        let name = folder.file_name().to_str().unwrap();
        let wanted = folder.path().with_file_name(name.replace('%', "%25"));
        if !wanted.exists() {
            std::os::unix::fs::symlink(folder.path(), wanted).unwrap();
        }
    }
}

/// Makes the changes to the rows before, which has to give the rows after.
pub fn replay(
    key: &[String],
    before: &Table,
    after: &Table,
    changes: &[(String, Row)],
) -> Result<(), String> {
    let key_of = |row: &Row| -> Vec<Cell> { key.iter().map(|name| row[name].clone()).collect() };
    let mut rows: BTreeMap<Vec<Cell>, Row> = before.rows.clone();
    for row in rows.values_mut() {
        for column in &after.columns {
            row.entry(column.clone()).or_insert(Cell::Null);
        }
    }
    let mut told: BTreeMap<Vec<Cell>, Vec<&str>> = BTreeMap::new();
    // What goes before what comes.
    for (kind, row) in changes.iter().filter(|(kind, _)| goes(kind)) {
        let key = key_of(row);
        told.entry(key.clone()).or_default().push(kind);
        match rows.remove(&key) {
            Some(old) if old == *row => {}
            Some(old) => return Err(format!("the feed's {kind} is {row:?}, the row was {old:?}")),
            None => return Err(format!("the feed's {kind} is of no row: {row:?}")),
        }
    }
    for (kind, row) in changes.iter().filter(|(kind, _)| !goes(kind)) {
        let key = key_of(row);
        told.entry(key.clone()).or_default().push(kind);
        if before
            .rows
            .get(&key)
            .is_some_and(|old| padded(old, after) == *row)
        {
            return Err(format!(
                "the feed tells of a row that did not change: {row:?}"
            ));
        }
        if rows.insert(key, row.clone()).is_some() {
            return Err(format!(
                "the feed's {kind} is of a row that is there: {row:?}"
            ));
        }
    }
    for (key, kinds) in told {
        let known: [&[&str]; 3] = [
            &["insert"],
            &["delete"],
            &["update_preimage", "update_postimage"],
        ];
        if !known.contains(&kinds.as_slice()) {
            return Err(format!("the feed tells of {key:?}: {kinds:?}"));
        }
    }
    match rows == after.rows {
        true => Ok(()),
        false => Err(format!(
            "the feed gives {rows:?}, the table is {:?}",
            after.rows
        )),
    }
}

fn goes(kind: &str) -> bool {
    kind == "delete" || kind == "update_preimage"
}

fn padded(row: &Row, like: &Table) -> Row {
    let mut row = row.clone();
    for column in &like.columns {
        row.entry(column.clone()).or_insert(Cell::Null);
    }
    row
}

#[test]
fn a_feed_that_is_wrong_is_found() {
    let row = |id: i64, n: i64| -> Row {
        let cells = [("id", id), ("n", n)].into_iter();
        cells
            .map(|(name, n)| (name.to_owned(), Cell::Int(n)))
            .collect()
    };
    let table = |rows: &[(i64, i64)]| Table {
        columns: vec!["id".to_owned(), "n".to_owned()],
        rows: rows
            .iter()
            .map(|(id, n)| (vec![Cell::Int(*id)], row(*id, *n)))
            .collect(),
    };
    let (before, after) = (
        table(&[(1, 1), (2, 2), (3, 3)]),
        table(&[(1, 1), (2, 20), (4, 4)]),
    );
    let told = |changes: &[(&str, i64, i64)]| {
        let changes = changes
            .iter()
            .map(|(kind, id, n)| ((*kind).to_owned(), row(*id, *n)));
        replay(
            &["id".to_owned()],
            &before,
            &after,
            &changes.collect::<Vec<_>>(),
        )
    };
    let right = [
        ("update_preimage", 2, 2),
        ("update_postimage", 2, 20),
        ("delete", 3, 3),
        ("insert", 4, 4),
    ];
    told(&right).unwrap();
    for index in 0..right.len() {
        let mut wrong = right.to_vec();
        wrong.remove(index);
        told(&wrong).unwrap_err();
        let mut wrong = right.to_vec();
        wrong[index].2 += 1;
        told(&wrong).unwrap_err();
    }
    for unchanged in [
        [("update_preimage", 1, 1), ("update_postimage", 1, 1)],
        [("delete", 1, 1), ("insert", 1, 1)],
    ] {
        told(&[&right[..], &unchanged].concat()).unwrap_err();
    }
    let replaced = [("delete", 2, 2), ("insert", 2, 20), right[2], right[3]];
    told(&replaced).unwrap_err();
}
