//! Rewrites files so that readers open fewer of them, or skip more of what they hold. The rows stay
//! what they are.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use deltalake::DeltaTable;
use deltalake::operations::optimize::OptimizeType;
use deltalake::table::config::TablePropertiesExt;
use serde_json::{Value, json};

use super::super::change::context;
use super::super::inspect::{schema, signed, snapshot};
use super::pinned::Pinned;
use super::{ATTEMPTS, Error, Location, ZORDER, carried, log, strict, writable};
use crate::engine::Session;

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
        let zorder = zorder(&table, location, &options.zorder)?;
        let last = log::last(&table, location).await?;
        let planned = match zorder.is_empty() {
            true => compaction(&table, location, options.target_size)?,
            false if last.info.get(ZORDER) == Some(&json!(zorder)) => Optimized::default(),
            false => everything(&table, location)?,
        };
        if options.dry_run || planned.files_removed == 0 {
            return Ok(planned);
        }
        location.prove().await?;
        let mut info = carried(&last, &options.run_id);
        match zorder.is_empty() {
            true => info.remove(ZORDER),
            false => info.insert(ZORDER.into(), json!(zorder)),
        };
        match rewrite(session, location, &table, options, zorder, info).await {
            Err(Error::Conflict { .. }) => {}
            done => return done,
        }
    }
    Err(Error::Conflict {
        location: location.shown(),
    })
}

pub(super) async fn rewrite(
    session: &Session,
    location: &Location,
    table: &DeltaTable,
    options: &Optimize,
    zorder: Vec<String>,
    info: BTreeMap<String, Value>,
) -> Result<Optimized, Error> {
    let told = |error| Error::from_delta(error, location);
    let version = snapshot(table, location)?.version();
    let mut pinned = DeltaTable::new(Pinned::after(table.log_store(), version));
    pinned.load_version(version).await.map_err(told)?;
    let context = context(session, false);
    let at_a_time = context.state().config().target_partitions();
    let mut builder = pinned
        .optimize()
        .with_type(match zorder.is_empty() {
            true => OptimizeType::Compact,
            false => OptimizeType::ZOrder(zorder),
        })
        .with_session_state(Arc::new(context.state()))
        .with_max_concurrent_tasks(at_a_time)
        .with_commit_properties(strict(info));
    if let Some(size) = options.target_size {
        builder = builder.with_target_size(size);
    }
    let (_, metrics) = builder.await.map_err(told)?;
    let bytes = |size: i64| u64::try_from(size).unwrap_or(0);
    Ok(Optimized {
        files_removed: metrics.num_files_removed,
        bytes_removed: bytes(metrics.files_removed.total_size),
        files_added: Some(metrics.num_files_added),
        bytes_added: Some(bytes(metrics.files_added.total_size)),
        version: (metrics.num_files_removed > 0).then(|| signed(version + 1)),
    })
}

/// The columns in the table's spelling.
fn zorder(
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
            // deltalake reads the dot as the way into a struct.
            Some(name) if name.contains('.') => refused(
                format!("the table cannot be ordered by `{name}`, which has a dot in its name"),
                "name other columns",
            ),
            Some(name) => Ok(name),
        }
    });
    columns.collect()
}

/// The files that compaction puts together: neighbours within a partition that are together no
/// larger than a file is to be. This is how deltalake packs them.
fn compaction(
    table: &DeltaTable,
    location: &Location,
    target: Option<NonZeroU64>,
) -> Result<Optimized, Error> {
    let snapshot = snapshot(table, location)?;
    let own = snapshot.table_properties().target_file_size();
    let target = target.unwrap_or(own).get();
    let mut partitions: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for file in snapshot.log_data().iter() {
        let values: BTreeMap<_, _> = file.partition_values_map().into_iter().collect();
        let sizes = partitions.entry(format!("{values:?}")).or_default();
        sizes.push(u64::try_from(file.size()).unwrap_or(0));
    }
    let mut planned = Optimized::default();
    let mut close = |bin: &mut Vec<u64>| {
        if bin.len() > 1 {
            planned.files_removed += bin.len() as u64;
            planned.bytes_removed += bin.iter().sum::<u64>();
        }
        bin.clear();
    };
    for sizes in partitions.into_values() {
        let mut bin = Vec::new();
        for size in sizes {
            if bin.iter().sum::<u64>() + size > target {
                close(&mut bin);
            }
            // One that is too large by itself is closed alone, and so stays as it is.
            bin.push(size);
        }
        close(&mut bin);
    }
    Ok(planned)
}

/// A Z-order rewrites all files.
fn everything(table: &DeltaTable, location: &Location) -> Result<Optimized, Error> {
    let mut planned = Optimized::default();
    for file in snapshot(table, location)?.log_data().iter() {
        planned.files_removed += 1;
        planned.bytes_removed += u64::try_from(file.size()).unwrap_or(0);
    }
    Ok(planned)
}
