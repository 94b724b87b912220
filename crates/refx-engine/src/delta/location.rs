//! Where a table lies.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use deltalake::logstore::object_store;
use deltalake::logstore::object_store::memory::InMemory;
use deltalake::logstore::object_store::path::Path as StorePath;
use deltalake::logstore::object_store::{ObjectStore, ObjectStoreScheme};
use deltalake::{DeltaTable, DeltaTableBuilder};
use sha2::{Digest, Sha256};
use url::Url;

use super::Error;
use super::branch::Branch;
use super::logs::{Kept, Logs};
use super::stores;
use crate::engine::{self, absolute};

/// The root of one table, local or in an object store, with the options of its store. As long as one
/// of a table's locations lives, nothing of its log is read twice.
#[derive(Clone)]
pub struct Location {
    url: Url,
    /// What deltalake is told instead of the URL.
    known_as: Option<Url>,
    options: BTreeMap<String, String>,
    /// The store, where the URL does not say it.
    below: Option<Arc<dyn ObjectStore>>,
    opened: Arc<OnceLock<Opened>>,
}

/// The store of a table, and what is known of the table's log.
pub(super) struct Opened {
    pub(super) logs: Arc<Logs>,
    pub(super) kept: Arc<Kept>,
    /// The table's folder in the store.
    pub(super) folder: StorePath,
}

impl PartialEq for Location {
    fn eq(&self, other: &Location) -> bool {
        let same_store = match (&self.below, &other.below) {
            (Some(one), Some(two)) => Arc::ptr_eq(one, two),
            (None, None) => true,
            _ => false,
        };
        self.url == other.url && self.options == other.options && same_store
    }
}

impl Eq for Location {}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", self.url)
    }
}

impl Location {
    /// A path, relative to the working directory, or a URL: `file://`, `s3://`, `gs://`, `az://`.
    /// Nothing is made or looked up.
    pub fn new(root: &str, options: BTreeMap<String, String>) -> Result<Location, Error> {
        Location::below(root, &[], options)
    }

    /// A folder below a root. The names of the folders are taken as they are, whatever they mean in a
    /// URL: `orders?old` is the folder `orders?old`.
    pub fn below(
        root: &str,
        folders: &[&str],
        options: BTreeMap<String, String>,
    ) -> Result<Location, Error> {
        let url = match Url::parse(root) {
            Ok(url) if root.contains("://") => below_url(url, root, folders)?,
            _ => {
                let mut path = absolute(Path::new(root)).map_err(|e| Error::io(root, &e))?;
                path.extend(folders);
                Url::from_directory_path(&path).map_err(|()| Error::Io {
                    what: format!("`{}` is not a path", path.display()),
                    help: None,
                })?
            }
        };
        Ok(Location {
            known_as: known_as(&url),
            url,
            options,
            below: None,
            opened: Arc::default(),
        })
    }

    /// A place of its own for a table in memory, which lives as long as the process.
    pub fn in_memory() -> Result<Location, Error> {
        // The engine tells stores apart by the roots of their URLs, so there is one for all tables.
        static STORE: LazyLock<Arc<InMemory>> = LazyLock::new(Arc::default);
        let root = format!("memory:///{}/", uuid::Uuid::new_v4());
        let below: Arc<dyn ObjectStore> = STORE.clone();
        Ok(Location {
            below: Some(below),
            ..Location::new(&root, BTreeMap::new())?
        })
    }

    /// The same place in another store, whose root is that of the file system.
    #[cfg(test)]
    pub(super) fn over(self, store: Arc<dyn ObjectStore>) -> Location {
        Location {
            below: Some(store),
            opened: Arc::default(),
            ..self
        }
    }

    /// The folder of a local table.
    pub fn path(&self) -> Option<PathBuf> {
        (self.url.scheme() == "file")
            .then(|| self.url.to_file_path().ok())
            .flatten()
    }

    /// The URL that deltalake is told.
    fn told(&self) -> &Url {
        self.known_as.as_ref().unwrap_or(&self.url)
    }

    /// The URL of the folder.
    pub fn url(&self) -> &str {
        self.url.as_str()
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
        let store: Arc<dyn ObjectStore> = self.opened()?.logs.clone();
        self.builder(store)?
            .build()
            .map_err(|error| Error::from_delta(error, self))
    }

    /// A handle whose commits nobody else sees, not yet loaded.
    pub(super) fn branch(&self) -> Result<(DeltaTable, Arc<Branch>), Error> {
        let opened = self.opened()?;
        let local = self.path().is_some();
        let branch = Branch::new(opened.logs.clone(), &opened.folder, local);
        let branch = Arc::new(branch);
        let handle = self
            .builder(branch.clone())?
            .build()
            .map_err(|error| Error::from_delta(error, self))?;
        Ok((handle, branch))
    }

    /// The table's store, opened at the first use.
    pub(super) fn opened(&self) -> Result<&Opened, Error> {
        if let Some(opened) = self.opened.get() {
            return Ok(opened);
        }
        let logs = match &self.below {
            Some(below) => Arc::new(Logs::new(Arc::clone(below))),
            None => {
                let checked = engine::check_options(self.url(), &self.options)
                    .and_then(|()| engine::check_credentials(self.url(), &self.options));
                checked.map_err(|error| {
                    let told = error.into_diagnostic();
                    Error::Io {
                        what: format!("`{}`: {}", self.shown(), told.message),
                        help: told.help,
                    }
                })?;
                stores::store(&self.url, self.known_as.as_ref(), &self.options)
                    .map_err(|error| Error::from_delta(error, self))?
            }
        };
        let folder = match &self.known_as {
            Some(_) => StorePath::default(),
            None => {
                let parsed = ObjectStoreScheme::parse(&self.url);
                let (_, folder) = parsed.map_err(|error| Error::Io {
                    what: format!("`{}`: {error}", self.shown()),
                    help: None,
                })?;
                folder
            }
        };
        let kept = logs.of(&folder);
        Ok(self.opened.get_or_init(|| Opened { logs, kept, folder }))
    }

    /// Asks the store for what is new in the table's log.
    pub(super) async fn refresh(&self) -> Result<&Opened, Error> {
        let opened = self.opened()?;
        let told = |error: object_store::Error| Error::from_delta(error.into(), self);
        opened.logs.refresh(&opened.kept).await.map_err(told)?;
        Ok(opened)
    }

    /// Refuses a store in which commits of two writers could overwrite each other. It is asked once in
    /// a process, before the first commit to it.
    pub async fn prove(&self) -> Result<(), Error> {
        let Opened { logs, folder, .. } = self.opened()?;
        if self.below.is_some() {
            // In memory, with this process as its only writer.
            return Ok(());
        }
        let told = |error: object_store::Error| Error::from_delta(error.into(), self);
        let found = logs.prove(folder).await.map_err(told)?;
        found.map_err(|broken| Error::Refused {
            what: format!("`{}` cannot be written: {broken}", self.shown()),
            help: "two runs at once would lose a commit without a word, so nothing is written: use a \
                   store that keeps the condition (S3's `If-None-Match: *`), or put the target on a \
                   local disk"
                .to_owned(),
        })
    }

    fn builder(&self, store: Arc<dyn ObjectStore>) -> Result<DeltaTableBuilder, Error> {
        let url = self.told().clone();
        let builder = DeltaTableBuilder::from_url(url.clone())
            .map_err(|error| Error::from_delta(error, self))?
            .with_storage_options(self.options.clone().into_iter().collect());
        Ok(builder.with_storage_backend(store, url))
    }
}

/// Another URL for a folder that no URL of the libraries leads to.
///
/// deltalake and its kernel turn paths into URLs and hosts and back without encoding each sign again:
/// `%3F` becomes a `?`, and `[` ends in a panic. A table in such a folder is known to them as the root of
/// a store of its own.
fn known_as(url: &Url) -> Option<Url> {
    // As a URL has them: `%25` is a `%`.
    const ODD: [&str; 13] = [
        "%25", "%5C", "%5E", "%7C", "%7F", "%0", "%1", "[", "]", "^", "|", ":", "@",
    ];
    let path = url.path();
    if !ODD.iter().any(|odd| path.contains(odd)) {
        return None;
    }
    let digits = Sha256::digest(url.as_str().as_bytes());
    let name: String = digits[..16].iter().map(|b| format!("{b:02x}")).collect();
    Url::parse(&format!("memory://{name}/")).ok()
}

/// The URL with more folders at its end, encoded.
fn below_url(mut url: Url, root: &str, folders: &[&str]) -> Result<Url, Error> {
    let sign = [('?', url.query()), ('#', url.fragment())];
    if let Some((sign, _)) = sign.iter().find(|(_, rest)| rest.is_some()) {
        return Err(Error::Io {
            what: format!("`{root}` is not the URL of a folder: it has a `{sign}`"),
            help: Some(match sign {
                '?' => "write `%3F` where the name of the folder has a `?`".to_owned(),
                _ => "write `%23` where the name of the folder has a `#`".to_owned(),
            }),
        });
    }
    if !folders.is_empty() {
        let mut segments = url.path_segments_mut().map_err(|()| Error::Io {
            what: format!("`{root}` is not the URL of a folder"),
            help: None,
        })?;
        segments.pop_if_empty().extend(folders);
    }
    Ok(url)
}
