//! Random batches into keyed tables: after each, the table, its counts and its change feed are what
//! a plain model of `docs/merging.md` says.
//!
//! `REFX_FAULTS=full` tries 500 sequences, a number that many; `REFX_SEED` draws others. What fails
//! is shrunk, and printed with the seed that gives it again.

use std::sync::atomic::{AtomicUsize, Ordering};

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use self::case::{Batch, Case, Step};
use self::model::{Expected, Table};
use super::*;

mod case;
mod feed;
mod model;

/// What was tried, for the summary.
#[derive(Default)]
struct Tried {
    batches: AtomicUsize,
    refused: AtomicUsize,
    unchanged: AtomicUsize,
    feeds: AtomicUsize,
}

#[test]
fn batches_give_what_the_model_says() {
    let cases = super::tried(16, 500);
    let seed = super::seed();
    let config = Config {
        cases: u32::try_from(cases).unwrap(),
        failure_persistence: None,
        // A step of shrinking writes a table anew.
        max_shrink_iters: 200,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(config, rng);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let tried = Tried::default();
    // So few rows are not worth to be divided.
    let settings = Settings {
        threads: Some(1),
        ..Settings::default()
    };
    let engine = Engine::new(&settings).unwrap();
    let result = runner.run(&case::strategy(), |case| {
        runtime
            .block_on(holds(&engine, &case, &tried))
            .map_err(TestCaseError::fail)
    });
    let count = |number: &AtomicUsize| number.load(Ordering::Relaxed);
    super::tell(&format!(
        "faults properties: tried={cases} violations={} batches={} refused={} without a version={} change feeds={} seed={seed}",
        u8::from(result.is_err()),
        count(&tried.batches),
        count(&tried.refused),
        count(&tried.unchanged),
        count(&tried.feeds),
    ));
    if let Err(TestError::Fail(reason, case)) = &result {
        panic!("{reason}\nREFX_SEED={seed}, shrunk to {case:?}");
    }
    result.unwrap();
}

/// Writes the batches one after the other, and looks at the table after each.
async fn holds(engine: &Engine, case: &Case, tried: &Tried) -> Result<(), String> {
    let place = Place {
        engine: engine.clone(),
        root: std::env::temp_dir().join(format!("refx-properties-{}", uuid::Uuid::new_v4())),
    };
    let mut table: Option<Table> = None;
    let mut version = None;
    for (number, batch) in case.batches.iter().enumerate() {
        tried.batches.fetch_add(1, Ordering::Relaxed);
        let told = |what: String| format!("batch {number} ({:?}): {what}", case.step(batch));
        let expected = model::apply(case, table.as_ref(), batch, number);
        let written = write(&place, case, batch, number).await;
        let after = match (expected, written) {
            (Expected::Refused(why), Err(error)) if why.is(&error) => {
                tried.refused.fetch_add(1, Ordering::Relaxed);
                table.clone()
            }
            (Expected::Refused(why), other) => {
                return Err(told(format!("{why:?} was expected, and {other:?} came")));
            }
            (Expected::Done { .. }, Err(error)) => return Err(told(format!("{error:?}"))),
            (Expected::Done { after, rows, grown }, Ok(commit)) => {
                if commit.rows != rows {
                    return Err(told(format!("counts {:?}, and not {rows:?}", commit.rows)));
                }
                let changes = rows.inserted + rows.updated + rows.deleted > 0;
                let next = Some(version.map_or(0, |version: i64| version + 1));
                let due = if changes || grown || version.is_none() {
                    next
                } else {
                    None
                };
                if commit.version != due {
                    return Err(told(format!(
                        "version {:?}, and not {due:?}",
                        commit.version
                    )));
                }
                if commit.version.is_none() {
                    tried.unchanged.fetch_add(1, Ordering::Relaxed);
                }
                version = commit.version.or(version);
                Some(after)
            }
        };
        let found = read(&place, &case.key).await;
        // Two columns that come at once get into the table in any order.
        let after = after.map(|after| after.in_order_of(found.as_ref()));
        if found != after {
            return Err(told(difference(found.as_ref(), after.as_ref())));
        }
        let last = inspect(&place.location()).await.unwrap();
        let last = last.map(|facts| facts.version);
        if last != version {
            return Err(told(format!(
                "the last version is {last:?}, and not {version:?}"
            )));
        }
        if let (Some(before), Some(after), Some(version)) = (&table, &after, version)
            && before != after
            && (before.columns == after.columns || case.step(batch) != Step::Overwrite)
        {
            tried.feeds.fetch_add(1, Ordering::Relaxed);
            let changes = feed::read(&place, version).await;
            feed::replay(&case.key, before, after, &changes).map_err(told)?;
        }
        table = after;
    }
    Ok(())
}

/// The rows that are others than they should be.
fn difference(found: Option<&Table>, wanted: Option<&Table>) -> String {
    let (Some(found), Some(wanted)) = (found, wanted) else {
        return format!("the table is {found:?}, and not {wanted:?}");
    };
    let mut text = format!("the columns are {:?}", found.columns);
    if found.columns != wanted.columns {
        text += &format!(", and not {:?}", wanted.columns);
    }
    let keys = found.rows.keys().chain(wanted.rows.keys());
    for key in keys.collect::<std::collections::BTreeSet<_>>() {
        let (found, wanted) = (found.rows.get(key), wanted.rows.get(key));
        if found != wanted {
            text += &format!("\n{key:?} is {found:?}, and not {wanted:?}");
        }
    }
    text
}

async fn write(place: &Place, case: &Case, batch: &Batch, number: usize) -> Result<Commit, Error> {
    let session = place.engine.session();
    let plan = session.plan(&case.sql(batch)).await.unwrap();
    let write = case.write(place.location(), batch, number);
    super::super::write(&session, &plan, &write, &NoAudit).await
}

/// The table as an engine of its own reads it; `None` where there is none.
async fn read(place: &Place, key: &[String]) -> Option<Table> {
    inspect(&place.location()).await.unwrap()?;
    let session = place.session().await;
    let batches = session.statement("select * from t").await.unwrap();
    let columns = place.facts().await.columns;
    let mut table = Table {
        columns: columns.into_iter().map(|column| column.name).collect(),
        rows: BTreeMap::new(),
    };
    for row in batches.iter().flat_map(model::rows) {
        let key = key.iter().map(|column| row[column].clone()).collect();
        let twice = table.rows.insert(key, row);
        assert!(twice.is_none(), "{twice:?} has the key of another row");
    }
    Some(table)
}
