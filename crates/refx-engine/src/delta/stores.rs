//! The one place where stores of tables are opened: each bucket once in a process, counted, with the
//! logs of its tables remembered.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use deltalake::logstore::object_store::prefix::PrefixStore;
use deltalake::logstore::object_store::{ObjectStore, ObjectStoreScheme};
use deltalake::logstore::{StorageConfig, object_store_factories};
use deltalake::{DeltaTableBuilder, DeltaTableError};
use url::{Position, Url};

use super::durable::Durable;
use super::logs::Logs;
use crate::engine::Counted;

/// The root of a URL and the options of its store.
type Key = (String, BTreeMap<String, String>);

/// The store of a table's folder, rooted where the store is, or else at the folder itself where the
/// table is `known_as` another URL.
pub(super) fn store(
    folder: &Url,
    known_as: Option<&Url>,
    options: &BTreeMap<String, String>,
) -> Result<Arc<Logs>, DeltaTableError> {
    static STORES: LazyLock<Mutex<HashMap<Key, Arc<Logs>>>> = LazyLock::new(Mutex::default);
    let root = known_as.unwrap_or(folder);
    let key = (root[..Position::BeforePath].to_owned(), options.clone());
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = stores.get(&key) {
        return Ok(Arc::clone(known));
    }
    let mut below: Arc<dyn ObjectStore> = match folder.scheme() {
        "file" => Arc::new(Durable::new()),
        _ => remote(folder, options)?,
    };
    if known_as.is_some() {
        let (_, prefix) = ObjectStoreScheme::parse(folder)
            .map_err(|_| DeltaTableError::InvalidTableLocation(folder.to_string()))?;
        below = Arc::new(PrefixStore::new(below, prefix));
    }
    let logs = Arc::new(Logs::new(Arc::new(Counted(below))));
    stores.insert(key, Arc::clone(&logs));
    Ok(logs)
}

fn remote(
    url: &Url,
    options: &BTreeMap<String, String>,
) -> Result<Arc<dyn ObjectStore>, DeltaTableError> {
    let options = options.clone().into_iter().collect();
    let builder = DeltaTableBuilder::from_url(url.clone())?.with_storage_options(options);
    let config = StorageConfig::parse_options(builder.storage_options())?;
    let unknown = || DeltaTableError::InvalidTableLocation(url.to_string());
    let scheme = Url::parse(&format!("{}://", url.scheme())).map_err(|_| unknown())?;
    let factories = object_store_factories();
    let factory = factories.get(&scheme).ok_or_else(unknown)?;
    let (store, _) = factory.value().parse_url_opts(url, &config)?;
    Ok(store)
}
