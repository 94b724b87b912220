//! Brings back the rows of an earlier version, as a new version.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use datafusion::arrow::datatypes::Schema;
use deltalake::kernel::Transaction;
use deltalake::logstore::object_store::{self, ObjectStoreExt};
use deltalake::{DeltaTable, DeltaTableError, Path};
use futures::{StreamExt, TryStreamExt, stream};

use super::super::PrimaryKey;
use super::super::audit::{self, Holder};
use super::super::change::context;
use super::super::inspect::{open, scan, schema, signed, snapshot};
use super::super::record::{self, Record};
use super::{Error, Location, carried, log, rows, strict, writable};
use crate::engine::Session;

/// Files that are looked at side by side.
const AT_A_TIME: usize = 16;

#[derive(Clone, Debug)]
pub struct Restore {
    pub to: To,
    /// The key that the version has to keep.
    pub key: Option<PrimaryKey>,
    pub dry_run: bool,
    pub run_id: String,
}

/// Which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    Version(i64),
    /// The last version that was made at the instant or before it.
    At(DateTime<Utc>),
}

/// What a restore did, or would.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// The version whose rows were brought back, and when it was made.
    pub to: i64,
    pub to_at: DateTime<Utc>,
    /// The version that was the last.
    pub from: i64,
    pub rows_before: Option<u64>,
    pub rows_after: Option<u64>,
    /// Columns that the table had and that version has not.
    pub columns_gone: Vec<String>,
    /// Whether that version differs from the last one at all.
    pub differs: bool,
    /// The new version; `None` where nothing was committed.
    pub version: Option<i64>,
}

/// Makes the rows, columns and properties of an earlier version those of the table, in one commit.
///
/// # Errors
/// [`Error::Refused`] for a version that is not there, that needs files which are gone, or whose
/// columns have not the whole key; [`Error::NullKey`] and [`Error::DuplicateKey`] for one that does
/// not keep it; [`Error::Conflict`] where another writer committed meanwhile.
pub async fn restore(
    session: &Session,
    location: &Location,
    options: &Restore,
) -> Result<Restored, Error> {
    let told = |error| Error::from_delta(error, location);
    let table = writable(location).await?;
    let now = snapshot(&table, location)?;
    let version = version(&table, location, options.to).await?;
    no_vacuum(&table, location).await?;
    let target = earlier(&table, location, version).await?;
    let then = snapshot(&target, location)?;
    let entry = log::entry(&table, location, version).await?;

    let (before, after) = (held(&table, location)?, held(&target, location)?);
    let mut done = Restored {
        to: version,
        to_at: entry
            .as_ref()
            .map_or(DateTime::UNIX_EPOCH, |entry| entry.at),
        from: signed(now.version()),
        rows_before: rows(now),
        rows_after: rows(then),
        columns_gone: columns_gone(&schema(now), &schema(then)),
        differs: before != after || now.metadata() != then.metadata(),
        version: None,
    };
    if !done.differs {
        return Ok(done);
    }
    let missing = after.difference(&before).map(|(path, _)| path);
    all_there(&table, location, version, missing).await?;
    if let Some(key) = &options.key {
        check_key(session, location, &target, version, key).await?;
    }
    if options.dry_run {
        return Ok(done);
    }
    location.prove().await?;
    let entry = match entry {
        Some(entry) => entry,
        None => log::last(&target, location).await?,
    };
    let info = carried(&entry, &options.run_id);
    // The mark of the rows goes back with them.
    let mark = mark(&table, &target, location, &entry).await?;
    let (table, _) = table
        .restore()
        .with_version_to_restore(u64::try_from(version).unwrap_or_default())
        .with_commit_properties(strict(info).with_application_transactions(mark))
        .await
        .map_err(told)?;
    done.version = table.version().map(signed);
    Ok(done)
}

/// The mark of the table as the earlier version has it.
async fn mark(
    now: &DeltaTable,
    then: &DeltaTable,
    location: &Location,
    entry: &log::Entry,
) -> Result<Vec<Transaction>, Error> {
    let last = log::last(now, location).await?;
    let current = Record::of(last.version, &last.info);
    let earlier = Record::of(entry.version, &entry.info);
    let model = [&earlier, &current].into_iter().flatten();
    let Some(model) = model.filter_map(|record| record.model.clone()).next() else {
        return Ok(Vec::new());
    };
    let earlier = record::of_table(then, location, entry, &model).await?;
    let mark = match earlier {
        Some(earlier) => earlier.mark(),
        None => Record::no_mark(&model),
    };
    Ok(mark.into_iter().collect())
}

/// The version that is meant, which is no later than the last.
async fn version(table: &DeltaTable, location: &Location, to: To) -> Result<i64, Error> {
    let last = signed(snapshot(table, location)?.version());
    let at = match to {
        To::Version(version) if version > last || version < 0 => {
            return Err(Error::Refused {
                what: format!("there is no version {version}: the last is {last}"),
                help: "`refx history` lists the versions that there are".to_owned(),
            });
        }
        To::Version(version) => return Ok(version),
        To::At(at) => at,
    };
    let mut entries = log::newest_first(table, location)?;
    let mut oldest = None;
    while let Some(entry) = entries.try_next().await? {
        if entry.at <= at {
            return Ok(entry.version);
        }
        oldest = Some(entry);
    }
    let when = |at: DateTime<Utc>| at.format("%Y-%m-%d %H:%M:%S UTC");
    Err(Error::Refused {
        what: format!("there is no version as old as {}", when(at)),
        help: match oldest {
            Some(entry) => format!(
                "the oldest that the log has is version {}, of {}",
                entry.version,
                when(entry.at)
            ),
            None => "the log has no versions but the last".to_owned(),
        },
    })
}

/// Refuses while a vacuum may be removing the very files that would come back. One that was killed
/// does not stand in the way for long.
async fn no_vacuum(table: &DeltaTable, location: &Location) -> Result<(), Error> {
    const PATIENCE: chrono::Duration = chrono::Duration::hours(1);
    let last = log::last(table, location).await?;
    if last.operation() != "VACUUM START" || Utc::now() - last.at > PATIENCE {
        return Ok(());
    }
    Err(Error::Refused {
        what: "a vacuum of the table has begun and has not ended".to_owned(),
        help: "restore when it is done; one that was cut off counts for an hour".to_owned(),
    })
}

/// The table at an earlier version.
async fn earlier(
    table: &DeltaTable,
    location: &Location,
    version: i64,
) -> Result<DeltaTable, Error> {
    let found = match open(location, Some(version)).await {
        Ok(found) => found,
        Err(error @ (Error::Corrupt { .. } | Error::Io { .. })) => {
            let mut entries = log::newest_first(table, location)?;
            let mut oldest = None;
            while let Some(entry) = entries.try_next().await? {
                oldest = Some(entry.version);
            }
            return Err(match oldest {
                Some(oldest) if version < oldest => Error::Refused {
                    what: format!("version {version} is no longer in the log"),
                    help: format!("the oldest that it has is version {oldest}"),
                },
                _ => error,
            });
        }
        Err(error) => return Err(error),
    };
    found.ok_or_else(|| Error::Missing {
        location: location.shown(),
    })
}

/// A file of a version, with the rows that are deleted in it: the same file with other rows deleted is
/// another one.
type Held = (Path, Option<String>);

fn held(table: &DeltaTable, location: &Location) -> Result<HashSet<Held>, Error> {
    let files = snapshot(table, location)?.log_data();
    let files = files.iter().map(|file| {
        let vector = file.deletion_vector_descriptor();
        let vector = vector.map(|vector| {
            let offset = vector.offset.unwrap_or_default();
            format!("{}{offset}", vector.path_or_inline_dv)
        });
        (file.object_store_path(), vector)
    });
    Ok(files.collect())
}

fn columns_gone(now: &Schema, then: &Schema) -> Vec<String> {
    let gone = now
        .fields()
        .iter()
        .filter(|field| then.column_with_name(field.name()).is_none());
    gone.map(|field| field.name().clone()).collect()
}

/// Refuses a version some of whose files are gone.
async fn all_there(
    table: &DeltaTable,
    location: &Location,
    version: i64,
    files: impl Iterator<Item = &Path>,
) -> Result<(), Error> {
    let store = table.log_store().object_store(None);
    let looks = files.cloned().map(|path| {
        let store = store.clone();
        async move {
            match store.head(&path).await {
                Ok(_) => Ok(None),
                Err(object_store::Error::NotFound { .. }) => Ok(Some(path)),
                Err(error) => Err(DeltaTableError::from(error)),
            }
        }
    });
    let mut gone: Vec<Path> = stream::iter(looks.collect::<Vec<_>>())
        .buffer_unordered(AT_A_TIME)
        .try_filter_map(|gone| futures::future::ready(Ok(gone)))
        .try_collect()
        .await
        .map_err(|error| Error::from_delta(error, location))?;
    gone.sort();
    let what = match gone.as_slice() {
        [] => return Ok(()),
        [only] => format!("version {version} needs the file `{only}`, which is gone"),
        [first, rest @ ..] => format!(
            "version {version} needs {} files that are gone, `{first}` among them",
            rest.len() + 1
        ),
    };
    Err(Error::Refused {
        what,
        help:
            "what a vacuum removed cannot come back: restore a later version, or compute the rows \
               anew with `refx build --full-refresh`"
                .to_owned(),
    })
}

/// Refuses a version that does not keep the key.
async fn check_key(
    session: &Session,
    location: &Location,
    table: &DeltaTable,
    version: i64,
    key: &PrimaryKey,
) -> Result<(), Error> {
    let schema = schema(snapshot(table, location)?);
    let columns = key.columns().iter().map(|wanted| {
        let mut fields = schema.fields().iter();
        let found = fields.find(|field| field.name().eq_ignore_ascii_case(wanted));
        found
            .map(|field| field.name().clone())
            .ok_or_else(|| Error::Refused {
                what: format!(
                    "version {version} has no column `{wanted}`, which is in the primary key"
                ),
                help: "restore a later version, or correct the primary key".to_owned(),
            })
    });
    let columns = columns.collect::<Result<Vec<String>, Error>>()?;
    let rows = scan(session, table, location)?;
    // A hash table of all keys may not fit; a sort spills.
    audit::check_key(&context(session, true), rows, &columns, Holder::Table).await
}
