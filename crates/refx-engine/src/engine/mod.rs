//! The query engine: DataFusion, set up once a run and shared by every step.
//!
//! An [`Engine`] holds what a run has only one of: the bounded memory pool, the spill directory and
//! the object stores. Each step asks it for a [`Session`], a cheap space of names of its own, in
//! which tables are registered and SQL is planned and executed.
//!
//! ```ignore
//! let engine = Engine::new(&Settings::default())?;
//! let session = engine.session();
//! session.register_source(&Name::bare("users"), &SourceTable::at("data/users.parquet")).await?;
//! let plan = session.plan("select user_id from users").await?;
//! assert_eq!(plan.columns()[0].name, "user_id");
//! ```
//!
//! Strings are plain `Utf8` everywhere: chains of joins over string views take many times the
//! memory (DESIGN.md, "Facts that were checked").

mod ambiguous;
mod chain;
mod columns;
mod described;
mod elsewhere;
mod error;
mod exact;
mod exact_cast;
mod explain;
mod expression;
mod files;
mod functions;
mod lineage;
mod lint;
mod locate;
mod located;
mod meaning;
mod memory;
mod nan;
mod narrow;
mod options;
mod precedence;
mod query;
mod refused;
mod requests;
mod reword;
mod rules;
mod scope;
mod session;
mod shape;
mod slip;
mod sound;
mod source;
mod source_store;
mod spill;
mod stage;
mod statement;
mod subquery;
mod text;
mod together;
mod trial;
mod using;

pub(crate) use columns::plain;
pub use error::{Error, Kind, Position};
pub(crate) use error::{plain_io, system_error};
pub(crate) use exact::{Inexact, exact};
pub(crate) use expression::planned;
pub(crate) use files::absolute;
pub(crate) use functions::{expression_without_places, prepare};
pub use lineage::{ColumnLineage, How, Influence, Input, Lineage, Role};
pub(crate) use lint::listed;
pub use lint::{Filled, Finding, Keys, Subject};
pub use located::located;
pub use meaning::{ColumnKind, ColumnMeaning, Digest, Meaning, Rows};
pub(crate) use nan::may_hold_nan;
pub(crate) use options::check_credentials;
pub use options::check_options;
pub(crate) use query::keep;
pub use query::sql_type;
pub use query::{Answer, ColumnFact, Plan};
pub(crate) use refused::refused;
pub(crate) use requests::Counted;
pub use requests::{Requests, requests};
pub(crate) use session::reference;
pub use session::{Name, Session};
pub use shape::{read_shape, write_shape};
pub use source::{Format, Sample, SourceOptions, SourceTable};
use source_store::SourceStore;
pub use spill::remove_spilled;
pub(crate) use stage::Staged;
pub(crate) use text::as_texts;
pub use together::{Query, together};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::object_store::local::LocalFileSystem;
use datafusion::prelude::SessionConfig;

use spill::SpillFolder;

/// The catalog that every session's names live in.
pub(crate) const CATALOG: &str = "refx";
/// The schema of a name that is written without one.
pub(crate) const SCHEMA: &str = "main";

/// What a run decides about the engine.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Bytes that all queries of the run share; past them they spill to disk. 60 % of the machine's
    /// memory when absent.
    pub memory_limit: Option<u64>,
    /// Where spilled and staged rows go. The system's temporary folder when absent.
    pub spill_directory: Option<PathBuf>,
    /// Partitions of one query, hence the threads it keeps busy. The machine's cores when absent.
    pub threads: Option<usize>,
    /// Options of object stores, in the names of the `object_store` crate.
    pub storage_options: BTreeMap<String, String>,
}

/// What a whole run shares. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Engine {
    template: Arc<SessionState>,
    /// The same with one partition.
    narrow: Arc<SessionState>,
    /// The same for plans that are not executed: they need not be fast.
    checking: Arc<SessionState>,
    storage_options: Arc<BTreeMap<String, String>>,
    looks: Arc<text::Looks>,
}

impl Engine {
    /// Fails when the spill directory cannot be made or written.
    pub fn new(settings: &Settings) -> Result<Engine, Error> {
        let spill = spill_folder(settings)?;
        let runtime = runtime(settings, spill.as_deref())?;
        let mut config = config(settings);
        if let Some(folder) = spill {
            // With the settings it lives as long as any session does.
            config.set_extension(folder);
        }
        let builder = SessionStateBuilder::new()
            .with_config(config)
            .with_runtime_env(runtime)
            .with_default_features()
            .with_analyzer_rule(Arc::new(subquery::Subqueries))
            .with_physical_optimizer_rules(nan::physical_rules());
        let state = functions::state(builder)?;
        let mut narrow = state.clone();
        narrow
            .config_mut()
            .options_mut()
            .execution
            .target_partitions = 1;
        let mut once = narrow.clone();
        once.config_mut().options_mut().optimizer.max_passes = 1;
        let checking = SessionStateBuilder::new_from_existing(once)
            .with_physical_optimizer_rules(Vec::new())
            .build();
        Ok(Engine {
            template: Arc::new(state),
            checking: Arc::new(checking),
            narrow: Arc::new(narrow),
            storage_options: Arc::new(settings.storage_options.clone()),
            looks: Arc::default(),
        })
    }

    /// The same engine for queries over a few rows, which are done before they could be shared out.
    pub fn for_few_rows(&self) -> Engine {
        Engine {
            template: Arc::clone(&self.narrow),
            ..self.clone()
        }
    }

    /// A space of names for queries that are planned and not run: what would fail with any rows is an
    /// error of the plan.
    pub fn checking_session(&self) -> Session {
        Session::new(
            self.checking.as_ref().clone(),
            Arc::clone(&self.storage_options),
            Arc::clone(&self.looks),
        )
        .strict()
    }

    /// A new space of names for one step. It shares the run's memory, disk and object stores.
    pub fn session(&self) -> Session {
        Session::new(
            self.template.as_ref().clone(),
            Arc::clone(&self.storage_options),
            Arc::clone(&self.looks),
        )
    }
}

/// The folder that the run spills to. Where nothing was asked for, a temporary folder that cannot be
/// written is told of by the first query that spills.
fn spill_folder(settings: &Settings) -> Result<Option<Arc<SpillFolder>>, Error> {
    let Some(directory) = &settings.spill_directory else {
        let made = SpillFolder::make(&std::env::temp_dir());
        return Ok(made.ok().map(Arc::new));
    };
    let made = std::fs::create_dir_all(directory).and_then(|()| SpillFolder::make(directory));
    let folder = made.map_err(|error| unusable(directory, &error))?;
    Ok(Some(Arc::new(folder)))
}

fn runtime(settings: &Settings, spill: Option<&SpillFolder>) -> Result<Arc<RuntimeEnv>, Error> {
    let limit = memory_limit(settings);
    let pool = memory::SharedPool::new(limit);
    // A sort merges as many spilled files at once as memory holds, and would leave none to what puts
    // its partitions together; wide rows take some megabytes for each file.
    let files_merged = (limit / threads(settings) / (16 << 20)).clamp(2, 64);
    let mut disk = DiskManagerBuilder::default()
        .with_max_temp_directory_size(u64::MAX / 2)
        .with_max_spill_merge_fan_in(files_merged);
    if let Some(folder) = spill {
        disk = disk.with_mode(DiskManagerMode::Directories(vec![folder.path().to_owned()]));
    }
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::new(pool))
        .with_disk_manager_builder(disk)
        // [`SourceStore`] remembers listings.
        .with_object_list_cache_limit(0)
        .build_arc()
        .map_err(Error::from)?;
    let files = Counted(Arc::new(LocalFileSystem::new()));
    let local = ObjectStoreUrl::local_filesystem();
    let files = SourceStore::new(Arc::new(files));
    runtime.register_object_store(local.as_ref(), Arc::new(files));
    Ok(runtime)
}

fn unusable(directory: &Path, error: &std::io::Error) -> Error {
    let text = format!(
        "the spill directory `{}` cannot be used: {}",
        directory.display(),
        plain_io(error)
    );
    Error::new(Kind::Resources, text).help("name a folder that can be written: `spill_directory`")
}

fn memory_limit(settings: &Settings) -> usize {
    let limit = settings
        .memory_limit
        .unwrap_or_else(|| machine_memory() / 10 * 6);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

fn threads(settings: &Settings) -> usize {
    settings
        .threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1)
        .max(1)
}

fn config(settings: &Settings) -> SessionConfig {
    let threads = threads(settings);
    let mut config = SessionConfig::new()
        .with_target_partitions(threads)
        .with_information_schema(true)
        .with_default_catalog_and_schema(CATALOG, SCHEMA)
        .with_create_default_catalog_and_schema(false);
    // Merging holds batches of every spilled file at once.
    let limit = memory_limit(settings);
    if limit < 512 << 20 {
        config = config.with_batch_size(if limit < 256 << 20 { 1024 } else { 4096 });
    }
    let options = config.options_mut();
    options.sql_parser.collect_spans = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.execution.parquet.schema_force_view_types = false;
    options.execution.time_zone = Some("UTC".to_owned());
    // With it, filters beside a scalar subquery are pushed below a join by column name alone, and
    // two columns of one name give a wrong result (apache/datafusion#25259, open in 55.2).
    options
        .optimizer
        .enable_physical_uncorrelated_scalar_subquery = false;
    // Each partition of a hash join waits until all have reported their keys; where another operator
    // does not read one of them, the query never ends (55.2, seen with two joins over one
    // repartitioned input).
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    // A DISTINCT of several columns below a LIMIT without an order fails with it in 55.2.
    options.optimizer.enable_distinct_aggregation_soft_limit = false;
    // Of `select s['f'], k from (select k + 1 as k, s from …)` it gives the inner `k` in 55.2: a column of a new
    // value and the old name is lost where a field is moved below it.
    options.optimizer.enable_leaf_expression_pushdown = false;
    // `union` of a column that cannot be NULL, which only the logical plan knows, is no fault.
    options.execution.skip_physical_aggregate_schema_check = true;
    // Sorts keep so much back for merging what they spilled; a small limit cannot afford the default
    // of 10 MB each.
    let share = limit / threads / 32;
    options.execution.sort_spill_reservation_bytes = share.clamp(256 << 10, 10 << 20);
    options.execution.collect_statistics = true;
    options.execution.listing_table_ignore_subdirectory = false;
    config
}

/// Bytes of memory of this machine, or of the container that confines it.
fn machine_memory() -> u64 {
    const FALLBACK: u64 = 4 << 30;
    let read = |path: &str| std::fs::read_to_string(path).ok();
    let total = read("/proc/meminfo").and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
        let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        Some(kib * 1024)
    });
    let confined = read("/sys/fs/cgroup/memory.max").and_then(|text| text.trim().parse().ok());
    match (total, confined) {
        (Some(total), Some(confined)) => total.min(confined),
        (Some(bytes), None) | (None, Some(bytes)) => bytes,
        (None, None) => FALLBACK,
    }
}

#[cfg(test)]
mod tests;
