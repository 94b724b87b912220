//! Several queries over one table, which is read once for all of them.
//!
//! The data tests of a model all read the same table. Each is planned in a session of its own, with
//! a stand-in for the table; what the plans need of it is read by one scan, and every batch goes to
//! all queries, which run side by side:
//!
//! ```text
//! the table's partitions ──▶ feed ─┬─▶ channel ─▶ tap of query 1 ─▶ its filters, groups, joins
//!                                  └─▶ channel ─▶ tap of query 2 ─▶ …
//! ```
//!
//! Channels are bounded, so the slowest query sets the pace, and memory holds a few batches.
//!
//! **Nobody waits in a circle.** A reader of the table waits only for a query whose channel is full.
//! Such a query never waits for the scan in return, because all partitions of the table reach it
//! through one channel, and there are rows in that. Whatever it does first (build the other side of
//! a join, read the other half of a UNION, merge sorted rows) reads tables of its own, for a query
//! that reads the shared table in two places does not take part. So it comes to poll its channel, or
//! ends and drops it, and the reader goes on. Were there a channel for each partition, two
//! queries that read partitions in different orders could block each other; DataFusion spreads the
//! rows of the one channel over partitions itself, in an operator that buffers without bound (and
//! spills) rather than let one partition wait for another. Memory is no circle either: a pool that has
//! nothing left refuses, it does not wait.

mod feed;
mod tap;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use datafusion::catalog::TableProvider;
use datafusion::common::DataFusionError;
use datafusion::common::runtime::SpawnedTask;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::datasource::provider_as_source;
use datafusion::execution::memory_pool::MemoryLimit;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};
use datafusion::physical_plan::{ExecutionPlan, collect};

use self::feed::Feed;
use self::tap::{StandIn, Tap};
use super::{Answer, ColumnFact, Error, Kind, Name, Session};

/// What each query that shares a scan gets of the run's memory at least, as long as all others use
/// theirs: with less, groups and sorts would go to disk for want of memory that a second scan gives.
const MEMORY_EACH: usize = 32 << 20;

/// One query of several over the same table. In `session` is registered what it reads besides.
#[derive(Clone)]
pub struct Query {
    pub session: Session,
    pub sql: String,
}

/// Runs the queries side by side, reading `table`, which they call `name`, once for all of them.
///
/// The answers, of up to `limit` rows each, are in the order of the queries, and so are the errors:
/// one query's error is not another's. Afterwards `table` is registered under `name` in every
/// session. Dropping the future stops the queries.
///
/// A query that reads the table in several places, or not at all, runs by itself, after the others.
pub async fn together(
    name: &Name,
    table: Arc<dyn TableProvider>,
    queries: Vec<Query>,
    limit: usize,
) -> Vec<Result<Answer, Error>> {
    let drafts = draft_all(name, &table, &queries, limit).await;
    let mut answers: Vec<Option<Result<Answer, Error>>> = Vec::with_capacity(queries.len());
    let mut sharing = Vec::new();
    for (index, draft) in drafts.into_iter().enumerate() {
        answers.push(match draft {
            Ok(Some(draft)) => {
                sharing.push((index, draft));
                None
            }
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        });
    }
    let mut sharing = in_need(name, &table, sharing).await;
    while !sharing.is_empty() {
        let most = at_once(&sharing);
        // Equal parts, so that the last scan is not for a single query.
        let size = sharing.len().div_ceil(sharing.len().div_ceil(most));
        let rest = sharing.split_off(size);
        for (index, answer) in share(name, &table, sharing).await {
            answers[index] = answer;
        }
        sharing = rest;
    }
    let mut all = Vec::with_capacity(queries.len());
    for (answer, query) in answers.into_iter().zip(queries) {
        all.push(match answer {
            Some(answer) => answer,
            None => alone(query, limit).await,
        });
    }
    all
}

/// A query that reads the table in one place.
struct Draft {
    query: Query,
    state: SessionState,
    stand_in: Arc<StandIn>,
    optimized: LogicalPlan,
    /// What it selects.
    columns: Vec<ColumnFact>,
    /// The columns of the table that it needs.
    projection: Vec<usize>,
    /// What every row that it needs fulfils.
    filters: Vec<Expr>,
}

/// The queries planned; `None` for those that cannot share a scan.
async fn draft_all(
    name: &Name,
    table: &Arc<dyn TableProvider>,
    queries: &[Query],
    limit: usize,
) -> Vec<Result<Option<Draft>, Error>> {
    let register = |table: &dyn Fn() -> Arc<dyn TableProvider>| -> Vec<Result<(), Error>> {
        let registered = queries.iter();
        registered
            .map(|query| query.session.register_table(name, table()))
            .collect()
    };
    // One for all: the queries may be of one session.
    let stand_in = Arc::new(StandIn::new(Arc::clone(table)));
    let stood_in = register(&|| Arc::clone(&stand_in) as Arc<dyn TableProvider>);
    let planning = queries.iter().map(|query| {
        let (query, stand_in) = (query.clone(), Arc::clone(&stand_in));
        async move { draft(query, &stand_in, limit).await }
    });
    let drafts = flat(side_by_side(planning).await);
    let put_back = register(&|| Arc::clone(table));
    let registered = stood_in.into_iter().zip(put_back);
    drafts
        .into_iter()
        .zip(registered)
        .map(|(draft, (stood_in, put_back))| stood_in.and(put_back).and(draft))
        .collect()
}

async fn draft(
    query: Query,
    stand_in: &Arc<StandIn>,
    limit: usize,
) -> Result<Option<Draft>, Error> {
    let plan = query.session.plan(&query.sql).await?;
    let optimized = plan
        .limited(limit)
        .and_then(|limited| Ok(plan.state.optimize(&limited)?))
        .map_err(|error| query.session.told(&query.sql, error))?;
    let scans = scans(&optimized, stand_in)?;
    let Ok([scan]) = <[_; 1]>::try_from(scans) else {
        return Ok(None);
    };
    let every = || (0..stand_in.schema().fields().len()).collect();
    Ok(Some(Draft {
        columns: plan.columns(),
        projection: scan.projection.unwrap_or_else(every),
        filters: scan.filters,
        state: plan.state,
        stand_in: Arc::clone(stand_in),
        optimized,
        query,
    }))
}

/// The places where the plan reads the table.
fn scans(plan: &LogicalPlan, stand_in: &Arc<StandIn>) -> Result<Vec<TableScan>, Error> {
    let mut found = Vec::new();
    plan.apply_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node
            && stand_in.is_source(&scan.source)
        {
            found.push(scan.clone());
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// Leaves out those whose filters no row passes, by the statistics of the table: tests that pass are
/// often such. By themselves, with their filters, they read next to nothing.
async fn in_need(
    name: &Name,
    table: &Arc<dyn TableProvider>,
    mut drafts: Vec<(usize, Draft)>,
) -> Vec<(usize, Draft)> {
    let filtering = drafts.iter().find(|(_, draft)| !draft.filters.is_empty());
    let Some((_, Draft { state, .. })) = filtering else {
        return drafts;
    };
    let all = (0..table.schema().fields().len()).collect();
    // What is wrong with the table is told by the scan.
    if let Ok(whole) = Feed::new(name, table, all, state).await {
        drafts.retain(|(_, draft)| !whole.passes_none(&draft.filters, &draft.state));
    }
    drafts
}

/// How many queries share one scan.
fn at_once(sharing: &[(usize, Draft)]) -> usize {
    let pool = |state: &SessionState| state.runtime_env().memory_pool.memory_limit();
    match sharing.first().map(|(_, draft)| pool(&draft.state)) {
        Some(MemoryLimit::Finite(bytes)) => (bytes / MEMORY_EACH).max(2),
        _ => usize::MAX,
    }
}

/// Answers by one scan; `None` for a query that has to run by itself.
async fn share(
    name: &Name,
    table: &Arc<dyn TableProvider>,
    drafts: Vec<(usize, Draft)>,
) -> Vec<(usize, Option<Result<Answer, Error>>)> {
    let indices: Vec<usize> = drafts.iter().map(|(index, _)| *index).collect();
    let answers = match drafts.first() {
        Some((_, first)) if drafts.len() > 1 => {
            let needed: BTreeSet<usize> = drafts
                .iter()
                .flat_map(|(_, draft)| draft.projection.iter().copied())
                .collect();
            match Feed::new(name, table, needed.into_iter().collect(), &first.state).await {
                Ok(feed) => run(feed, drafts).await,
                Err(error) => drafts
                    .into_iter()
                    .map(|(_, Draft { query, .. })| {
                        Some(Err(query.session.told(&query.sql, error.clone())))
                    })
                    .collect(),
            }
        }
        // Its filters may spare it much of the table.
        _ => drafts.iter().map(|_| None).collect(),
    };
    indices.into_iter().zip(answers).collect()
}

/// A query about to run.
struct Ready {
    query: Query,
    columns: Vec<ColumnFact>,
    state: SessionState,
    physical: Arc<dyn ExecutionPlan>,
    /// Whether it wanted to read the table a second time.
    restarted: Arc<AtomicBool>,
}

async fn run(mut feed: Feed, drafts: Vec<(usize, Draft)>) -> Vec<Option<Result<Answer, Error>>> {
    // Every tap is made before the first plan is: a plan that does without its tap drops it.
    let taps: Vec<_> = drafts
        .iter()
        .map(|(_, draft)| feed.tap(&draft.projection))
        .collect();
    let planning = drafts
        .into_iter()
        .zip(taps)
        .map(|((_, draft), tap)| async move { prepare(draft, tap?).await });
    let ready = flat(side_by_side(planning).await);
    if feed.readers() < 2 {
        // The others are answered from statistics.
        return ready
            .into_iter()
            .map(|ready| ready.err().map(Err))
            .collect();
    }
    let feeding = SpawnedTask::spawn(feed.run());
    let running = ready.into_iter().map(|ready| async {
        match ready {
            Ok(ready) => answer(ready).await,
            Err(error) => Some(Err(error)),
        }
    });
    let answers = side_by_side(running).await;
    drop(feeding);
    answers
        .into_iter()
        .map(|answer| answer.unwrap_or_else(|broken| Some(Err(broken))))
        .collect()
}

/// Puts the tap where the stand-in is, and plans how the query is executed.
async fn prepare(draft: Draft, tap: Arc<Tap>) -> Result<Ready, Error> {
    let restarted = tap.restarted();
    let source = provider_as_source(Arc::new(draft.stand_in.tapped(tap)));
    let planned = async {
        let tapped = draft.optimized.transform_down_with_subqueries(|node| {
            Ok(match node {
                LogicalPlan::TableScan(mut scan) if draft.stand_in.is_source(&scan.source) => {
                    scan.source = Arc::clone(&source);
                    Transformed::yes(LogicalPlan::TableScan(scan))
                }
                other => Transformed::no(other),
            })
        })?;
        let planner = draft.state.query_planner();
        planner
            .create_physical_plan(&tapped.data, &draft.state)
            .await
    };
    match planned.await {
        Ok(physical) => Ok(Ready {
            query: draft.query,
            columns: draft.columns,
            state: draft.state,
            physical,
            restarted,
        }),
        Err(error) => Err(draft.query.session.told(&draft.query.sql, error.into())),
    }
}

/// The answer, or `None` if the query has to run by itself.
async fn answer(ready: Ready) -> Option<Result<Answer, Error>> {
    let context = ready.state.task_ctx();
    let answer = collect(ready.physical, context)
        .await
        .map_err(Error::from)
        .and_then(|batches| Answer::new(ready.columns, &batches));
    match answer {
        // A recursive query reads its tables once for each step, and the scan passes only once.
        Err(_) if ready.restarted.load(Ordering::Acquire) => None,
        // What it lacked, the queries beside it had. They are at their end by the time it runs again,
        // and then it has what any query of a step has. It gives the same rows: the table is the same.
        Err(error) if error.kind == Kind::Resources => None,
        Err(error) => Some(Err(ready.query.session.told(&ready.query.sql, error))),
        Ok(answer) => Some(Ok(answer)),
    }
}

/// Runs the query on the table itself.
async fn alone(query: Query, limit: usize) -> Result<Answer, Error> {
    let running = async move { query.session.rows_as_json(&query.sql, limit).await };
    flat(side_by_side([running]).await)
        .pop()
        .unwrap_or_else(|| Err(Error::new(Kind::Execution, "the query was not run")))
}

/// Runs each as a task. One that panics gives an error; all are stopped when the future is dropped.
async fn side_by_side<F>(work: impl IntoIterator<Item = F>) -> Vec<Result<F::Output, Error>>
where
    F: Future<Output: Send> + Send + 'static,
{
    let tasks: Vec<_> = work.into_iter().map(SpawnedTask::spawn).collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        let result = task.await;
        results.push(result.map_err(|e| DataFusionError::ExecutionJoin(Box::new(e)).into()));
    }
    results
}

fn flat<T>(results: Vec<Result<Result<T, Error>, Error>>) -> Vec<Result<T, Error>> {
    results.into_iter().map(Result::flatten).collect()
}
