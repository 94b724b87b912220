//! Rewrites files so that readers open fewer of them, or skip more of what they hold. The rows stay
//! what they are.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU64;

use datafusion::common::Column;
use datafusion::dataframe::DataFrame;
use datafusion::logical_expr::Expr;
use datafusion::prelude::SessionContext;
use deltalake::DeltaTable;
use deltalake::kernel::transaction::CommitBuilder;
use deltalake::kernel::{Action, Add, EagerSnapshot, LogicalFileView};
use deltalake::protocol::DeltaOperation;
use deltalake::table::config::TablePropertiesExt;
use futures::{FutureExt, StreamExt, TryStreamExt};
use serde_json::{Value, json};

use super::super::apply::{by_path, files_of, writer};
use super::super::change::context;
use super::super::changes::FILE;
use super::super::inspect::{scan_parts, schema, signed, snapshot};
use super::pinned::Pinned;
use super::{ATTEMPTS, Error, Location, ZORDER, carried, log, strict, writable, zorder};
use crate::engine::{self, Session};

#[derive(Clone, Debug)]
pub struct Optimize {
    /// Sorts each partition along a Z-order of these columns; empty for compaction.
    pub zorder: Vec<String>,
    /// Bytes of a file; the table's property `delta.targetFileSize` or 100 MB when absent.
    pub target_size: Option<NonZeroU64>,
    pub dry_run: bool,
    pub run_id: String,
}

/// What was rewritten, or would be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Optimized {
    pub files_removed: u64,
    pub bytes_removed: u64,
    /// None in a dry run: how well rows compress shows when they are written.
    pub files_added: Option<u64>,
    pub bytes_added: Option<u64>,
    /// The new version; `None` where there was nothing to do.
    pub version: Option<i64>,
}

/// Puts small files together, or sorts all files of each partition, in one commit or none.
///
/// A table that is Z-ordered by these columns already, and has got no rows since, is left alone.
///
/// # Errors
/// [`Error::Refused`] for columns that a Z-order cannot have; [`Error::Conflict`] where other writers
/// keep committing.
pub async fn optimize(
    session: &Session,
    location: &Location,
    options: &Optimize,
) -> Result<Optimized, Error> {
    for _ in 0..ATTEMPTS {
        let table = writable(location).await?;
        let zorder = ordered_by(&table, location, &options.zorder)?;
        let last = log::last(&table, location).await?;
        let bins = match zorder.is_empty() {
            true => compaction(&table, location, options.target_size)?,
            false if last.info.get(ZORDER) == Some(&json!(zorder)) => Vec::new(),
            false => partitions(&table, location)?,
        };
        if options.dry_run || bins.is_empty() {
            return Ok(removed(&bins));
        }
        location.prove().await?;
        let mut info = carried(&last, &options.run_id);
        match zorder.is_empty() {
            true => info.remove(ZORDER),
            false => info.insert(ZORDER.into(), json!(zorder)),
        };
        match rewrite(session, location, &table, options, &zorder, bins, info).await {
            Err(Error::Conflict { .. }) => {}
            done => return done,
        }
    }
    Err(Error::Conflict {
        location: location.shown(),
    })
}

/// Files of one partition that are written anew together.
type Bin = Vec<LogicalFileView>;

/// Writes the rows of the bins into new files, in one commit on top of the version that was read.
pub(super) async fn rewrite(
    session: &Session,
    location: &Location,
    table: &DeltaTable,
    options: &Optimize,
    zorder: &[String],
    bins: Vec<Bin>,
    mut info: BTreeMap<String, Value>,
) -> Result<Optimized, Error> {
    let told = |error| Error::from_delta(error, location);
    let present = snapshot(table, location)?;
    let version = present.version();
    let context = context(session, false);
    let at_a_time = context.state().config().target_partitions();
    let scans = Scans::new(session, location, table, &context).await?;
    let target = target_size(present, options.target_size);
    let mut done = removed(&bins);
    let (mut files_added, mut bytes_added) = (0, 0);
    let mut actions = Vec::new();
    for bin in &bins {
        actions.extend(
            bin.iter()
                .map(|file| Action::Remove(file.remove_action(false))),
        );
    }
    let written = bins
        .iter()
        .map(|bin| written(&scans, present, bin, zorder, target).boxed());
    let mut written =
        futures::stream::iter(written.collect::<Vec<_>>()).buffer_unordered(at_a_time);
    while let Some(files) = written.try_next().await? {
        for file in files {
            files_added += 1;
            bytes_added += u64::try_from(file.size).unwrap_or(0);
            actions.push(Action::Add(file));
        }
    }
    let metrics = json!({"numFilesAdded": files_added, "numFilesRemoved": done.files_removed});
    info.insert("operationMetrics".into(), metrics);
    let operation = DeltaOperation::Optimize {
        predicate: None,
        target_size: i64::try_from(target.get()).unwrap_or(i64::MAX),
    };
    let log = Pinned::after(table.log_store(), version);
    let commit = CommitBuilder::from(strict(info)).with_actions(actions);
    commit
        .build(Some(present), log, operation)
        .await
        .map_err(told)?;
    done.files_added = Some(files_added);
    done.bytes_added = Some(bytes_added);
    done.version = Some(signed(version + 1));
    Ok(done)
}

/// Scans of some files of a table.
struct Scans<'a> {
    session: &'a Session,
    location: &'a Location,
    table: &'a DeltaTable,
    context: &'a SessionContext,
    /// The URL by which a scan names each file that has rows, by its path in the table.
    urls: HashMap<String, String>,
}

impl<'a> Scans<'a> {
    async fn new(
        session: &'a Session,
        location: &'a Location,
        table: &'a DeltaTable,
        context: &'a SessionContext,
    ) -> Result<Scans<'a>, Error> {
        let rows = scan_parts(session, table, location, Some(FILE), None)?;
        let file = Expr::Column(Column::new_unqualified(FILE));
        let rows = context.read_table(rows);
        let names = rows.and_then(|rows| rows.select([file]));
        let urls = files_of(names.map_err(engine::Error::from)?).await?;
        Ok(Scans {
            session,
            location,
            table,
            context,
            urls: by_path(snapshot(table, location)?, urls)?,
        })
    }

    fn of(&self, bin: &Bin) -> Result<DataFrame, Error> {
        // A file without rows has no URL here, and nothing to be read.
        let urls = bin
            .iter()
            .filter_map(|file| self.urls.get(file.path().as_ref()));
        let urls = urls.cloned().collect();
        let rows = scan_parts(self.session, self.table, self.location, None, Some(urls))?;
        let rows = self.context.read_table(rows);
        rows.map_err(|error| Error::Engine(error.into()))
    }
}

/// Writes the files of a bin anew.
async fn written(
    scans: &Scans<'_>,
    present: &EagerSnapshot,
    bin: &Bin,
    zorder: &[String],
    target: NonZeroU64,
) -> Result<Vec<Add>, Error> {
    let told = |error| Error::from_delta(error, scans.location);
    let mut rows = scans.of(bin)?;
    if !zorder.is_empty() {
        let columns = zorder
            .iter()
            .map(|name| Expr::Column(Column::new_unqualified(name)));
        let key = zorder::key(columns.collect()).sort(true, true);
        rows = rows.sort(vec![key]).map_err(engine::Error::from)?;
    }
    let stream = rows.execute_stream().await;
    let mut stream = stream.map_err(engine::Error::from)?;
    let mut writer = writer(
        present,
        stream.schema(),
        Some(target),
        scans.table.log_store().object_store(None),
    );
    while let Some(batch) = stream.try_next().await.map_err(engine::Error::from)? {
        writer.write(&batch).await.map_err(told)?;
    }
    let mut files = writer.close().await.map_err(told)?;
    for file in &mut files {
        file.data_change = false;
    }
    Ok(files)
}

/// The columns in the table's spelling.
fn ordered_by(
    table: &DeltaTable,
    location: &Location,
    wanted: &[String],
) -> Result<Vec<String>, Error> {
    let snapshot = snapshot(table, location)?;
    let partitions = snapshot.metadata().partition_columns();
    let schema = schema(snapshot);
    let columns = wanted.iter().map(|wanted| {
        let found = schema
            .fields()
            .iter()
            .find(|field| field.name().eq_ignore_ascii_case(wanted))
            .map(|field| field.name().clone());
        let refused = |what: String, help: &str| {
            let help = help.to_owned();
            Err(Error::Refused { what, help })
        };
        match found {
            None => {
                let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
                refused(
                    format!("the table has no column `{wanted}` to order by"),
                    &format!("it has {}", names.join(", ")),
                )
            }
            Some(name) if partitions.contains(&name) => refused(
                format!("the table is partitioned by `{name}`, and cannot be ordered by it too"),
                "a partition's files hold one value of it: name other columns",
            ),
            Some(name) => Ok(name),
        }
    });
    columns.collect()
}

fn target_size(present: &EagerSnapshot, wanted: Option<NonZeroU64>) -> NonZeroU64 {
    wanted.unwrap_or_else(|| present.table_properties().target_file_size())
}

/// The files that compaction puts together: neighbours within a partition that are together no
/// larger than a file is to be.
pub(super) fn compaction(
    table: &DeltaTable,
    location: &Location,
    wanted: Option<NonZeroU64>,
) -> Result<Vec<Bin>, Error> {
    let target = target_size(snapshot(table, location)?, wanted).get();
    let mut bins = Vec::new();
    for files in partitions(table, location)? {
        let (mut bin, mut bytes) = (Bin::new(), 0);
        for file in files {
            let size = bytes_of(&file);
            if bytes + size > target {
                bins.push(std::mem::take(&mut bin));
                bytes = 0;
            }
            // One that is too large by itself is closed alone, and so stays as it is.
            bytes += size;
            bin.push(file);
        }
        bins.push(bin);
    }
    bins.retain(|bin| bin.len() > 1);
    Ok(bins)
}

/// All files, by partition.
fn partitions(table: &DeltaTable, location: &Location) -> Result<Vec<Bin>, Error> {
    let mut partitions: BTreeMap<String, Bin> = BTreeMap::new();
    for file in snapshot(table, location)?.log_data().iter() {
        let values: BTreeMap<_, _> = file.partition_values_map().into_iter().collect();
        partitions
            .entry(format!("{values:?}"))
            .or_default()
            .push(file);
    }
    Ok(partitions.into_values().collect())
}

fn removed(bins: &[Bin]) -> Optimized {
    let files = bins.iter().flatten();
    Optimized {
        files_removed: files.clone().count() as u64,
        bytes_removed: files.map(bytes_of).sum(),
        ..Optimized::default()
    }
}

fn bytes_of(file: &LogicalFileView) -> u64 {
    u64::try_from(file.size()).unwrap_or(0)
}
