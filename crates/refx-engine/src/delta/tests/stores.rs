//! Writes through an object store that fails, stalls, cuts off and loses its answers.
//!
//! `REFX_FAULTS=full` makes 2000 of them, a number that many; `REFX_SEED` draws other faults.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::merging::rules;
use super::*;
use faulty::{Call, Fault, Faulty, next};
use refx_core::project::config::{ColumnRule, OnMissing};

mod faulty;

/// The rows of a table of `id` and `v`.
type Rows = BTreeMap<i64, i64>;

/// One write, and what it makes of the rows.
struct Op {
    kind: &'static str,
    sql: String,
    action: Action,
    after: Rows,
}

#[derive(Default)]
struct Told {
    tried: u64,
    failed: u64,
    lost: u64,
    retried: u64,
    violations: Vec<String>,
}

impl Place {
    fn through(&self, store: &Arc<Faulty>) -> Location {
        self.location().over(Arc::<Faulty>::clone(store))
    }

    /// The rows as a healthy store gives them; `None` where there is no table.
    async fn kept(&self) -> Result<Option<Rows>, String> {
        let there = inspect(&self.location()).await;
        if there.map_err(|error| error.to_string())?.is_none() {
            return Ok(None);
        }
        // What a faulty store told an engine is not to be told again by its caches.
        let session = Engine::new(&Settings::default()).unwrap().session();
        let table = provider(&session, &self.location(), None).await;
        let table = table.map_err(|error| error.to_string())?;
        session.register_table(&Name::bare("t"), table).unwrap();
        let read = session.rows_as_json("select id, v from t", 100_000).await;
        let mut rows = Rows::new();
        for row in read.map_err(|error| error.to_string())?.rows {
            let (id, v) = (row[0].as_i64().unwrap(), row[1].as_i64().unwrap());
            if rows.insert(id, v).is_some() {
                return Err(format!("the key {id} is there twice"));
            }
        }
        Ok(Some(rows))
    }

    async fn put(&self, location: Location, op: &Op, number: u64) -> Result<Commit, Error> {
        let session = Engine::new(&Settings::default()).unwrap().session();
        let plan = session.plan(&op.sql).await.unwrap();
        let once = matches!(op.kind, "append" | "sum");
        let properties = [
            ("delta.enableChangeDataFeed", "true"),
            ("delta.checkpointInterval", "4"),
        ];
        let properties = properties.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let write = Write {
            origin: Some(Origin {
                as_of: DateTime::UNIX_EPOCH + TimeDelta::days(i64::try_from(number).unwrap() + 1),
                ..origin("2024-09-01", once)
            }),
            configuration: properties.into(),
            ..Write::new(location, op.action.clone())
        };
        super::super::write(&session, &plan, &write, &NoAudit).await
    }
}

/// A write of some rows. The first of a table makes it.
fn op(before: Option<&Rows>, state: &mut u64) -> Op {
    let mut draw = |below: u64| i64::try_from(next(state) % below).unwrap();
    let mut new: Rows = (0..1 + draw(6)).map(|_| (draw(12), draw(100))).collect();
    let old = before.cloned().unwrap_or_default();
    let kinds = ["merge", "merge", "append", "overwrite", "sum", "missing"];
    let kind = match before {
        None => "create",
        Some(_) => kinds[usize::try_from(draw(6)).unwrap()],
    };
    let key = key(&["id"]);
    let mut after = old.clone();
    let action = match kind {
        "append" => {
            let last = old.keys().next_back().copied().unwrap_or_default();
            new = new.into_iter().map(|(id, v)| (last + 1 + id, v)).collect();
            after.extend(&new);
            Action::Append { key: Some(key) }
        }
        "overwrite" => {
            after = new.clone();
            Action::Overwrite { key: Some(key) }
        }
        "sum" => {
            for (id, v) in &new {
                *after.entry(*id).or_default() += v;
            }
            Action::Merge(Merge {
                on_match: rules(&[("v", ColumnRule::Sum)]),
                ..Merge::on(key)
            })
        }
        "missing" => {
            after = new.clone();
            Action::Merge(Merge {
                on_missing: OnMissing::Delete,
                max_delete_ratio: 1.0,
                ..Merge::on(key)
            })
        }
        _ => {
            after.extend(&new);
            Action::Merge(Merge::on(key))
        }
    };
    let rows: Vec<String> = new.iter().map(|(id, v)| format!("({id}, {v})")).collect();
    let sql = pairs(&rows.join(", "));
    Op {
        kind,
        sql,
        action,
        after,
    }
}

/// Why an error is none that a person can use.
fn unclear(error: &Error, location: &Location) -> Option<String> {
    let text = error.to_string();
    let words = ["panicked", "JoinError", "unwrap", "poisoned", "a defect"];
    if let Some(word) = words.iter().find(|word| text.contains(*word)) {
        return Some(format!("the error speaks of {word}: {text}"));
    }
    if matches!(error, Error::Corrupt { .. }) {
        return Some(format!("a table that is whole is called broken: {text}"));
    }
    let names = text.contains(&location.shown()) || text.contains("the connection broke off");
    (!names).then(|| format!("the error names nothing: {text}"))
}

/// One write through a store that fails, and another through a healthy one where it did not succeed.
async fn try_one(place: &Place, store: &Arc<Faulty>, op: &Op, number: u64, told: &mut Told) {
    told.tried += 1;
    let before = match place.kept().await {
        Ok(before) => before,
        Err(error) => return told.violations.push(format!("before: {error}")),
    };
    let lost_before = store.lost.load(Ordering::Relaxed);
    let done = place.put(place.through(store), op, number).await;
    let lost = store.lost.load(Ordering::Relaxed) > lost_before;
    let mut wrong = |what: String| {
        let line = format!("write {number} ({}): {what}", op.kind);
        told.violations.push(line);
    };
    let kept = match place.kept().await {
        Ok(kept) => kept,
        Err(error) => return wrong(format!("the table after {done:?}: {error}")),
    };
    let after = Some(&op.after);
    let Err(error) = done else {
        if kept.as_ref() != after {
            wrong(format!("done, and the rows are {kept:?}, not {after:?}"));
        }
        return;
    };
    if let Some(why) = unclear(&error, &place.location()) {
        wrong(why);
    }
    let landed = kept.as_ref() == after && kept != before;
    if kept != before && !(landed && lost) {
        wrong(format!(
            "{error}, and the rows are {kept:?}, before {before:?}"
        ));
    }
    let again = place.put(place.location(), op, number).await;
    match again {
        Err(error) => wrong(format!("a healthy store fails: {error}")),
        Ok(commit) if landed && commit.version.is_some() => {
            wrong(format!("committed twice: {commit:?}"));
        }
        Ok(_) => match place.kept().await {
            Ok(kept) if kept.as_ref() == after => {}
            other => wrong(format!(
                "after a rerun the rows are {other:?}, not {after:?}"
            )),
        },
    }
    told.failed += 1;
    told.lost += u64::from(landed);
    told.retried += 1;
}

/// Writes a table after the other, each of a dozen writes.
async fn writes(rate: f64, of: &'static [Call], number: u64) -> Told {
    const OF_A_TABLE: u64 = 12;
    let seed = seed();
    let store = Faulty::random(rate, of, seed);
    let mut state = seed ^ 0xfa17;
    let mut told = Told::default();
    let mut place = Place::new();
    for at in 0..number {
        if at % OF_A_TABLE == 0 {
            place = Place::new();
        }
        let before = place.kept().await.unwrap_or_default();
        let op = op(before.as_ref(), &mut state);
        try_one(&place, &store, &op, at, &mut told).await;
    }
    let count = |number: &std::sync::atomic::AtomicU64| number.load(Ordering::Relaxed);
    tell(&format!(
        "faults store: tried={} violations={} failed={} lost answers={} retried={} calls={} faults={} lost log entries={} rate={rate} of={} seed={seed}",
        told.tried,
        told.violations.len(),
        told.failed,
        told.lost,
        told.retried,
        count(&store.calls),
        count(&store.faults),
        count(&store.lost),
        if of == Call::ALL { "calls" } else { "puts" },
    ));
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_one_call_in_twenty() {
    let told = writes(0.05, Call::ALL, tried(30, 1200)).await;
    assert!(told.violations.is_empty(), "{:#?}", told.violations);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_one_call_in_three() {
    let told = writes(0.3, Call::ALL, tried(20, 400)).await;
    assert!(told.violations.is_empty(), "{:#?}", told.violations);
}

/// Where nothing is read in vain, a write comes as far as its commit.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_fails_one_put_in_three() {
    let told = writes(0.3, &[Call::Put], tried(20, 400)).await;
    assert!(told.violations.is_empty(), "{:#?}", told.violations);
}

/// A file so large that it is put in parts.
#[tokio::test(flavor = "multi_thread")]
async fn parts_that_do_not_arrive_leave_nothing() {
    use Fault::{Fails, LosesAnswer, Stalls};
    const PART: &str = "part-";
    let faults: [&[(Call, &str, Fault)]; 4] = [
        &[(Call::Part, PART, Fails)],
        &[(Call::Part, PART, Stalls), (Call::Part, PART, Fails)],
        &[
            (Call::Part, PART, Stalls),
            (Call::Part, PART, Stalls),
            (Call::Part, PART, Fails),
        ],
        &[(Call::Put, PART, LosesAnswer)],
    ];
    for faults in faults {
        let place = Place::new();
        let session = Engine::new(&Settings::default()).unwrap().session();
        session
            .register_table(&Name::bare("noise"), noise())
            .unwrap();
        let plan = session.plan("select * from noise").await.unwrap();
        let write = |location| Write::new(location, merge_on(&["id"]));
        let store = Faulty::listed(faults);
        let faulty = write(place.through(&store));
        let error = super::super::write(&session, &plan, &faulty, &NoAudit).await;
        let error = error.unwrap_err();
        assert_eq!(unclear(&error, &place.location()), None, "{faults:?}");
        assert!(inspect(&place.location()).await.unwrap().is_none());
        let files = walkdir::WalkDir::new(&place.root).into_iter().flatten();
        let files: Vec<_> = files.filter(|entry| entry.file_type().is_file()).collect();
        assert!(files.is_empty(), "{faults:?}: {files:?}");
        let healthy = write(place.location());
        let session = Engine::new(&Settings::default()).unwrap().session();
        session
            .register_table(&Name::bare("noise"), noise())
            .unwrap();
        let plan = session.plan("select * from noise").await.unwrap();
        let commit = super::super::write(&session, &plan, &healthy, &NoAudit).await;
        assert_eq!(commit.unwrap().rows.inserted, 200);
    }
}

/// Rows of bytes that no codec makes smaller: more than two parts of 5 MiB.
fn noise() -> Arc<dyn datafusion::catalog::TableProvider> {
    use datafusion::arrow::array::{ArrayRef, BinaryArray, Int64Array, RecordBatch};
    let mut state = 1;
    let bytes: Vec<Vec<u8>> = (0..200)
        .map(|_| {
            (0..8 << 10)
                .flat_map(|_| next(&mut state).to_le_bytes())
                .collect()
        })
        .collect();
    let bytes: ArrayRef = Arc::new(BinaryArray::from_iter_values(bytes));
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..200));
    let batch = RecordBatch::try_from_iter([("id", ids), ("noise", bytes)]).unwrap();
    let rows = vec![vec![batch.clone()]];
    Arc::new(datafusion::datasource::MemTable::try_new(batch.schema(), rows).unwrap())
}

fn three() -> Op {
    Op {
        kind: "append",
        sql: pairs("(1, 10), (2, 20), (3, 30)"),
        action: Action::Append {
            key: Some(key(&["id"])),
        },
        after: Rows::from([(1, 10), (2, 20), (3, 30)]),
    }
}

const FIRST: &str = "_delta_log/00000000000000000000.json";

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_found_in_the_log() {
    let place = Place::new();
    // Even if the log cannot be read at once.
    let faults = [
        (Call::Put, FIRST, Fault::LosesAnswer),
        (Call::Get, FIRST, Fault::Fails),
    ];
    let store = Faulty::listed(&faults);
    let commit = place.put(place.through(&store), &three(), 1).await.unwrap();
    assert_eq!(commit.version, Some(0));
    assert_eq!(place.kept().await, Ok(Some(three().after)));
    assert_eq!(store.faults.load(Ordering::Relaxed), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_may_have_landed_keeps_its_files() {
    let place = Place::new();
    let mut faults = vec![(Call::Put, FIRST, Fault::LosesAnswer)];
    faults.extend([(Call::Get, FIRST, Fault::Fails); 20]);
    let store = Faulty::listed(&faults);
    let error = place
        .put(place.through(&store), &three(), 1)
        .await
        .unwrap_err();
    let text = error.to_string();
    assert!(
        text.contains("whether version 0 was committed is not known"),
        "{text}"
    );
    assert_eq!(place.kept().await, Ok(Some(three().after)));
    // The same write again finds that it is done.
    let again = place.put(place.location(), &three(), 1).await.unwrap();
    assert_eq!((again.version, again.repeats), (None, Some(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_store_is_told_and_shows_nothing() {
    for loaded in [false, true] {
        let mut refused = 0;
        for bytes in [0, 500, 1_000, 1_500, 2_000, 2_500, 3_000, 4_000, 20_000] {
            let place = Place::new();
            let mut state = 7;
            if loaded {
                place
                    .put(place.location(), &op(None, &mut state), 0)
                    .await
                    .unwrap();
            }
            let (before, files) = (place.kept().await.unwrap(), place.data_files());
            let store = Faulty::full_after(bytes);
            let op = op(before.as_ref(), &mut state);
            match place.put(place.through(&store), &op, 1).await {
                Ok(_) => assert_eq!(place.kept().await, Ok(Some(op.after.clone()))),
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    assert!(
                        text.contains("no space left on the disk"),
                        "{bytes}: {text}"
                    );
                    assert_eq!(place.kept().await, Ok(before));
                    assert_eq!(place.data_files(), files, "{bytes}: files are left over");
                    place.put(place.location(), &op, 1).await.unwrap();
                    assert_eq!(place.kept().await, Ok(Some(op.after.clone())));
                }
            }
        }
        assert!((4..9).contains(&refused), "{refused} of 9 were refused");
    }
}
