//! Where a table lies.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use deltalake::logstore::object_store::local::LocalFileSystem;
use deltalake::logstore::object_store::memory::InMemory;
use deltalake::logstore::object_store::prefix::PrefixStore;
use deltalake::logstore::object_store::{self, ObjectStore, ObjectStoreScheme};
use deltalake::{DeltaTable, DeltaTableBuilder};
use sha2::{Digest, Sha256};
use url::Url;

use super::Error;
use super::branch::Branch;
use crate::engine::absolute;

/// The root of one table, local or in an object store, with the options of its store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    url: Url,
    options: BTreeMap<String, String>,
    /// The folder of a local table that no URL of the libraries leads to.
    folder: Option<PathBuf>,
    /// The store, where the URL does not say it.
    below: Option<Below>,
}

#[derive(Clone, Debug)]
struct Below(Arc<dyn ObjectStore>);

impl PartialEq for Below {
    fn eq(&self, other: &Below) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Below {}

impl Location {
    /// A path, relative to the working directory, or a URL: `file://`, `s3://`, `gs://`, `az://`.
    /// Nothing is made or looked up.
    pub fn new(root: &str, options: BTreeMap<String, String>) -> Result<Location, Error> {
        let (url, folder) = match Url::parse(root) {
            Ok(url) if root.contains("://") => (url, None),
            _ => local(root)?,
        };
        Ok(Location {
            url,
            options,
            folder,
            below: None,
        })
    }

    /// A place of its own for a table in memory, which lives as long as the process.
    pub fn in_memory() -> Result<Location, Error> {
        // The engine tells stores apart by the roots of their URLs, so there is one for all tables.
        static STORE: LazyLock<Arc<InMemory>> = LazyLock::new(Arc::default);
        let root = format!("memory:///{}/", uuid::Uuid::new_v4());
        let below: Arc<dyn ObjectStore> = STORE.clone();
        Ok(Location {
            below: Some(Below(below)),
            ..Location::new(&root, BTreeMap::new())?
        })
    }

    /// The same place in another store, whose root is that of the file system.
    #[cfg(test)]
    pub(super) fn over(self, store: Arc<dyn ObjectStore>) -> Location {
        let below = Some(Below(store));
        Location { below, ..self }
    }

    /// The folder of a local table.
    pub fn path(&self) -> Option<PathBuf> {
        if let Some(folder) = &self.folder {
            return Some(folder.clone());
        }
        (self.url.scheme() == "file")
            .then(|| self.url.to_file_path().ok())
            .flatten()
    }

    /// The path or URL as a person would write it.
    pub fn shown(&self) -> String {
        let Some(path) = self.path() else {
            return self.url.to_string();
        };
        let here = std::env::current_dir().unwrap_or_default();
        let path = path.strip_prefix(&here).unwrap_or(&path);
        path.display().to_string().trim_end_matches('/').to_owned()
    }

    /// A handle on the table, not yet loaded.
    pub(super) fn handle(&self) -> Result<DeltaTable, Error> {
        self.builder()?
            .build()
            .map_err(|error| Error::from_delta(error, self))
    }

    /// A handle whose commits nobody else sees, not yet loaded.
    pub(super) fn branch(&self) -> Result<(DeltaTable, Arc<Branch>), Error> {
        let store = self.handle()?.log_store().root_object_store(None);
        let root = match &self.folder {
            // Its store begins at the table.
            Some(_) => object_store::path::Path::default(),
            None => {
                let parsed = ObjectStoreScheme::parse(&self.url).map_err(|error| Error::Io {
                    what: format!("`{}`: {error}", self.shown()),
                    help: None,
                })?;
                parsed.1
            }
        };
        let branch = Arc::new(Branch::new(store, &root, self.path().is_some()));
        let handle = self
            .builder()?
            .with_storage_backend(branch.clone(), self.url.clone())
            .build()
            .map_err(|error| Error::from_delta(error, self))?;
        Ok((handle, branch))
    }

    fn builder(&self) -> Result<DeltaTableBuilder, Error> {
        let builder = DeltaTableBuilder::from_url(self.url.clone())
            .map_err(|error| Error::from_delta(error, self))?
            .with_storage_options(self.options.clone().into_iter().collect());
        if let Some(Below(store)) = &self.below {
            return Ok(builder.with_storage_backend(Arc::clone(store), self.url.clone()));
        }
        if let Some(folder) = &self.folder {
            let store = within(folder).map_err(|error| Error::Io {
                what: format!("`{}`: {error}", self.shown()),
                help: None,
            })?;
            return Ok(builder.with_storage_backend(store, self.url.clone()));
        }
        Ok(builder)
    }
}

/// The URL of a folder; and the folder, where the URL stands for it without naming it.
///
/// deltalake and its kernel turn paths into URLs and hosts and back without encoding each sign again:
/// `%20` becomes a space, `\` a slash, and `[` ends in a panic. So a table in such a folder has a
/// store of its own, whose root is the folder.
fn local(root: &str) -> Result<(Url, Option<PathBuf>), Error> {
    let path = absolute(Path::new(root)).map_err(|e| Error::io(root, &e))?;
    let told = || Error::Io {
        what: format!("`{root}` is not a path"),
        help: None,
    };
    let text = path.to_string_lossy();
    let is_odd = |sign: char| sign.is_control() || "%[]\\^|@".contains(sign);
    if !text.contains(is_odd) {
        let url = Url::from_directory_path(&path).map_err(|()| told())?;
        return Ok((url, None));
    }
    let digits = Sha256::digest(text.as_bytes());
    let name: String = digits[..16].iter().map(|b| format!("{b:02x}")).collect();
    let url = Url::parse(&format!("memory://{name}/")).map_err(|_| told())?;
    Ok((url, Some(path)))
}

/// The file system below a folder, whether it exists or not.
fn within(folder: &Path) -> Result<Arc<dyn ObjectStore>, object_store::Error> {
    let prefix = object_store::path::Path::from_absolute_path(folder)?;
    Ok(Arc::new(PrefixStore::new(LocalFileSystem::new(), prefix)))
}
