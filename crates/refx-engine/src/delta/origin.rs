//! What the rows of a write are computed from, compared with what those of the table were computed from.
//!
//! A table does not go back: neither to an earlier instant nor to earlier versions of its inputs. And rows
//! that would add up are not added twice.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use deltalake::DeltaTable;

use super::inspect::open;
use super::record::{Record, Records};
use super::{Error, Location};

/// What the rows of a write are computed from.
#[derive(Clone, Debug, PartialEq)]
pub struct Origin {
    /// The node that the rows are of: `model.shop.orders`.
    pub model: String,
    /// Of the node's own code.
    pub fingerprint: String,
    /// The instant that the run computes for.
    pub as_of: DateTime<Utc>,
    /// The clock gave the instant: nobody asked for it.
    pub by_clock: bool,
    /// The Delta tables that are read, by node.
    pub inputs: BTreeMap<String, Input>,
    /// Digests of the lists of files that are read, by source: files have no versions.
    pub files: BTreeMap<String, String>,
    /// Digest of the code, that of inlined models included.
    pub code: String,
    /// Digest of the values of the variables that the code reads.
    pub variables: String,
    /// Digest of the planned query, its constants evaluated; of rows that add up and rest on the instant.
    pub query: Option<String>,
    /// Whether the code reads the instant.
    pub reads_instant: bool,
    /// Whether the rows are computed from the table that they are for.
    pub reads_itself: bool,
    /// Whether rows of the table stay that this write does not compute.
    pub keeps_rows: bool,
    /// Whether the same rows, taken in a second time, would change the table again.
    pub adds_up: bool,
    /// Lets the table go back.
    pub allow_older: bool,
}

/// A Delta table that is read.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    pub version: u64,
    pub location: Location,
}

/// Why a table is not written: its rows rest on something later than the write's.
#[derive(Clone, Debug, PartialEq)]
pub enum Ahead {
    /// The table was computed for a later instant.
    Instant {
        table: DateTime<Utc>,
        run: DateTime<Utc>,
        version: Option<i64>,
    },
    /// The table was computed from a later version of an input.
    Input {
        input: String,
        table: u64,
        run: u64,
        version: Option<i64>,
    },
    /// The table was computed later, from other files of a source.
    Files { input: String, version: Option<i64> },
}

impl Origin {
    /// The record of the commit that stands on a version with this record.
    pub(super) fn record(&self, before: Option<&Record>) -> Record {
        let inputs = self.inputs.iter();
        Record {
            version: None,
            model: Some(self.model.clone()),
            fingerprint: Some(self.fingerprint.clone()),
            as_of: Some(self.as_of),
            by_clock: self.by_clock,
            inputs: inputs
                .map(|(id, input)| (id.clone(), input.version))
                .collect(),
            files: self.files.clone(),
            code: Some(self.code.clone()),
            variables: Some(self.variables.clone()),
            query: self.query.clone(),
            older_code: before.and_then(|before| self.older_code(before)),
        }
    }

    /// The last version that is all of one code, where rows of an older code remain in the table.
    fn older_code(&self, before: &Record) -> Option<i64> {
        if !self.keeps_rows {
            return None;
        }
        let written = before.fingerprint.as_ref()?;
        let changed = *written != self.fingerprint;
        before.older_code.or(before.version.filter(|_| changed))
    }

    /// Refuses to take a table back.
    ///
    /// # Errors
    /// [`Error::Ahead`], where the table rests on a later instant or on later inputs.
    pub(super) async fn hold(&self, before: &Record) -> Result<(), Error> {
        if self.allow_older {
            return Ok(());
        }
        let version = before.version;
        let later = before.as_of.filter(|table| *table > self.as_of);
        // Of two runs at once that nobody gave an instant, the one that began later may end first. That
        // matters where the instant, or what lay in a folder then, is in the rows.
        let racing = before.by_clock && self.by_clock;
        if let Some(table) = later
            && (!racing || self.reads_instant)
            && !self.is_same_work(before)
        {
            let run = self.as_of;
            return Err(Error::Ahead(Ahead::Instant {
                table,
                run,
                version,
            }));
        }
        if later.is_some() {
            let mut files = self.files.iter();
            let other = files.find(|(id, digest)| {
                let known = before.files.get(*id);
                known.is_some_and(|known| known != *digest)
            });
            if let Some((input, _)) = other {
                let input = input.clone();
                return Err(Error::Ahead(Ahead::Files { input, version }));
            }
        }
        for (id, input) in &self.inputs {
            let Some(known) = before
                .inputs
                .get(id)
                .filter(|known| **known > input.version)
            else {
                continue;
            };
            // A table that was made anew counts from 0 again.
            let now = open(&input.location, None).await?;
            let now = now.and_then(|table| table.version());
            if now.is_some_and(|now| now >= *known) {
                return Err(Error::Ahead(Ahead::Input {
                    input: id.clone(),
                    table: *known,
                    run: input.version,
                    version,
                }));
            }
        }
        Ok(())
    }

    /// The version in which the same rows were taken in before, of a write that must not be made twice.
    ///
    /// # Errors
    /// [`Error::Unclear`], where only the clock tells this run from one that was applied.
    pub(super) async fn repeats(
        &self,
        table: &DeltaTable,
        location: &Location,
        before: &Record,
    ) -> Result<Option<i64>, Error> {
        if !self.adds_up {
            return Ok(None);
        }
        let mut compared = self.compare(before)?;
        if let Compared::Other = compared {
            let mut records = Records::of(table, location)?;
            while let Some(record) = records.next().await? {
                compared = self.compare(&record)?;
                if !matches!(compared, Compared::Other) {
                    break;
                }
            }
        }
        Ok(match compared {
            Compared::Same(version) => Some(version),
            Compared::Other | Compared::Older => None,
        })
    }

    fn compare(&self, record: &Record) -> Result<Compared, Error> {
        let version = record.version.unwrap_or_default();
        let same_instant = record.as_of == Some(self.as_of);
        let (Some(code), Some(variables)) = (&record.code, &record.variables) else {
            // Earlier releases of refx recorded no more of the work than the instant.
            return Ok(match same_instant {
                true => Compared::Same(version),
                false => Compared::Older,
            });
        };
        let same_inputs = record.files == self.files && self.inputs_match(record, |a, b| a == b);
        if !self.by_clock {
            let known = !self.reads_itself || same_inputs;
            return Ok(match record.as_of.cmp(&Some(self.as_of)) {
                std::cmp::Ordering::Less => Compared::Older,
                std::cmp::Ordering::Equal if *variables == self.variables && known => {
                    Compared::Same(version)
                }
                // It was killed, started again without its instant, and is now resumed under it.
                std::cmp::Ordering::Greater if self.is_same_work(record) => Compared::Same(version),
                _ => Compared::Other,
            });
        }
        if !same_inputs {
            let newer = self.inputs_match(record, |theirs, ours| theirs >= ours);
            return Ok(match newer && record.files == self.files {
                true => Compared::Other,
                false => Compared::Older,
            });
        }
        // A table that its own model reads is one of the inputs, and has moved on.
        if *code != self.code || *variables != self.variables || self.reads_itself {
            return Ok(Compared::Other);
        }
        if self.reads_instant && record.query != self.query && !same_instant {
            return Err(Error::Unclear {
                table: record.as_of.unwrap_or_default(),
                run: self.as_of,
                version,
            });
        }
        Ok(Compared::Same(version))
    }

    /// Whether a commit that the clock gave its instant has the very rows of this write.
    fn is_same_work(&self, record: &Record) -> bool {
        let same_query = self.query.is_some() && self.query == record.query;
        record.by_clock
            && !self.reads_itself
            && (!self.reads_instant || same_query)
            && record.code.as_ref() == Some(&self.code)
            && record.variables.as_ref() == Some(&self.variables)
            && record.files == self.files
            && self.inputs_match(record, |theirs, ours| theirs == ours)
    }

    /// Whether both read the same tables, and how their versions compare.
    fn inputs_match(&self, record: &Record, versions: impl Fn(u64, u64) -> bool) -> bool {
        self.inputs.len() == record.inputs.len()
            && self.inputs.iter().all(|(id, input)| {
                let theirs = record.inputs.get(id);
                theirs.is_some_and(|theirs| versions(*theirs, input.version))
            })
    }
}

/// A commit, seen from a write.
enum Compared {
    /// It took in the rows of the write.
    Same(i64),
    /// It did other work, and one before it may have taken in the rows.
    Other,
    /// It comes before all that can have taken in the rows.
    Older,
}
