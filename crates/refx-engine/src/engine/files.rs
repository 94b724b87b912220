//! Where the files of a source are: locations, stores, listings.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use datafusion::common::DataFusionError;
use datafusion::datasource::file_format::file_compression_type::FileCompressionType;
use datafusion::datasource::listing::ListingTableUrl;
use datafusion::execution::session_state::SessionState;
use datafusion::object_store::{self, ObjectMeta, ObjectStore, ObjectStoreExt};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use url::Url;

use super::{Counted, Error, Format, Kind, Session, SourceStore, SourceTable, check_credentials};

impl Session {
    pub(super) fn locate(&self, source: &SourceTable) -> Result<Vec<ListingTableUrl>, Error> {
        if source.locations.is_empty() {
            return Err(Error::new(Kind::Source, "the source has no location"));
        }
        let locations = source.locations.iter();
        let own = &source.storage_options.0;
        locations.map(|text| self.locate_one(text, own)).collect()
    }

    fn locate_one(
        &self,
        location: &str,
        own: &BTreeMap<String, String>,
    ) -> Result<ListingTableUrl, Error> {
        let url = match Url::parse(location) {
            // A one-letter scheme is a drive.
            Ok(url) if url.scheme().len() > 1 && location.contains("://") => url,
            _ => return local(location),
        };
        if url.scheme() == "file" {
            let path = url
                .to_file_path()
                .map_err(|()| Error::new(Kind::Source, format!("`{location}` is not a path")))?;
            return local(&path.to_string_lossy());
        }
        self.connect(&url, location, own)?;
        // Globs are understood in paths alone, so the URL is split by hand.
        let parsed = match location.find(['*', '?', '[']) {
            Some(first) => {
                let folder = location[..first].rfind('/').map_or(0, |at| at + 1);
                ListingTableUrl::parse(&location[..folder])?.with_glob(&location[folder..])?
            }
            None => {
                let last = location.rsplit('/').next().unwrap_or_default();
                let folder = !last.is_empty() && !last.contains('.');
                ListingTableUrl::parse(match folder {
                    true => format!("{location}/"),
                    false => location.to_owned(),
                })?
            }
        };
        Ok(parsed)
    }

    /// Registers the store of the URL, once for each bucket. What the source itself says of the store
    /// comes before what the target says.
    fn connect(
        &self,
        url: &Url,
        location: &str,
        own: &BTreeMap<String, String>,
    ) -> Result<(), Error> {
        /// The options by which the sources of this process reach each bucket.
        static REACHED: Mutex<BTreeMap<String, BTreeMap<String, String>>> =
            Mutex::new(BTreeMap::new());
        let root = &url[..url::Position::BeforePath];
        let parsed = Url::parse(root)
            .map_err(|e| Error::new(Kind::Source, format!("`{location}` is not a URL: {e}")))?;
        let mut declared = self.storage_options.as_ref().clone();
        declared.extend(own.clone());
        let runtime = self.context.runtime_env();
        let mut reached = REACHED.lock().unwrap_or_else(PoisonError::into_inner);
        let known = datafusion::execution::object_store::ObjectStoreUrl::parse(root)
            .is_ok_and(|url| runtime.object_store(&url).is_ok());
        if known {
            let others = reached.get(root).unwrap_or(&self.storage_options);
            if own.is_empty() || *others == declared {
                return Ok(());
            }
            return Err(Error::new(
                Kind::Source,
                format!("`{location}`: what else is read of `{root}` has other `storage_options`"),
            )
            .help("give all sources and targets in one bucket the same `storage_options`"));
        }
        check_credentials(location, &declared)?;
        let environment = std::env::vars().filter_map(|(key, value)| {
            let key = key.to_lowercase();
            let cloud = ["aws_", "google_", "azure_"];
            cloud
                .iter()
                .any(|prefix| key.starts_with(prefix))
                .then_some((key, value))
        });
        let mut options: BTreeMap<String, String> = environment.collect();
        options.extend(
            declared
                .iter()
                .map(|(key, value)| (key.to_lowercase(), value.clone())),
        );
        let (store, _) = object_store::parse_url_opts(url, options).map_err(|e| {
            Error::new(Kind::Source, format!("`{location}` cannot be reached: {e}"))
        })?;
        let store: Arc<dyn ObjectStore> = Arc::from(store);
        let store = SourceStore::new(Arc::new(Counted(store)));
        runtime.register_object_store(&parsed, Arc::new(store));
        reached.insert(root.to_owned(), declared);
        Ok(())
    }
}

/// A path of the file system. What is there under its name is meant by it, whatever signs the name
/// has; from the first part on that is not there, the path may be a pattern.
fn local(location: &str) -> Result<ListingTableUrl, Error> {
    let path = absolute(Path::new(location)).map_err(|error| Error::io(location, &error))?;
    if path.exists() {
        return local_url(&path);
    }
    let (mut folder, mut rest) = (PathBuf::new(), Vec::new());
    for part in path.components() {
        match rest.is_empty() && folder.join(part).exists() {
            true => folder.push(part),
            false => rest.push(part.as_os_str().to_string_lossy()),
        }
    }
    let is_pattern = |part: &str| part.contains(['*', '?', '[']);
    if !rest.first().is_some_and(|part| is_pattern(part)) || !folder.is_dir() {
        return Err(missing(location));
    }
    local_url(&folder)?
        .with_glob(&rest.join("/"))
        .map_err(|error| {
            let why = Error::from(error).message.clone();
            Error::new(
                Kind::Source,
                format!("`{}` is no pattern: {why}", shown(location)),
            )
        })
}

fn local_url(path: &Path) -> Result<ListingTableUrl, Error> {
    let url = match path.is_dir() {
        true => Url::from_directory_path(path),
        false => Url::from_file_path(path),
    };
    let url = url.map_err(|()| {
        let path = path.display();
        Error::new(Kind::Source, format!("`{path}` is not a path"))
    })?;
    Ok(ListingTableUrl::parse(url.as_str())?)
}

/// The path from the root, without `.` and `..`, whether it exists or not.
pub(crate) fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    let mut whole = PathBuf::new();
    for component in std::path::absolute(path)?.components() {
        match component {
            Component::ParentDir => {
                whole.pop();
            }
            other => whole.push(other),
        }
    }
    Ok(whole)
}

/// One file of a source.
pub(super) struct Listed {
    pub(super) url: ListingTableUrl,
    pub(super) meta: ObjectMeta,
}

impl Listed {
    /// The path as the steward would write it.
    pub(super) fn shown(&self) -> String {
        match self.url.scheme() {
            "file" => shown(&format!("/{}", self.meta.location)),
            _ => self.url.as_str().to_owned(),
        }
    }
}

/// A path from the working directory on, as the steward would write it.
pub(super) fn shown(path: &str) -> String {
    let here = std::env::current_dir().unwrap_or_default();
    match Path::new(path).strip_prefix(&here) {
        Ok(relative) if relative.as_os_str().is_empty() => ".".to_owned(),
        Ok(relative) => relative.display().to_string(),
        Err(_) => path.to_owned(),
    }
}

/// A glob's root is a folder too, but what it means is its pattern.
pub(super) fn is_folder(location: &ListingTableUrl) -> bool {
    location.is_collection() && location.get_glob().is_none()
}

pub(super) fn missing(location: &str) -> Error {
    Error::new(
        Kind::Missing,
        format!("nothing found at `{}`", shown(location)),
    )
    .help("check the `location` of the source, and that the data has been delivered")
}

/// The format that a path's ending tells, a compression's ending aside.
pub(super) fn format_of(path: &str) -> Option<Format> {
    let (stem, _) = split_compression(path);
    let ending = stem.rsplit('/').next()?.rsplit_once('.')?.1.to_lowercase();
    match ending.as_str() {
        "parquet" | "parq" => Some(Format::Parquet),
        "csv" | "tsv" => Some(Format::Csv),
        "json" | "jsonl" | "ndjson" => Some(Format::Json),
        _ => None,
    }
}

pub(super) fn split_compression(path: &str) -> (&str, FileCompressionType) {
    let known = [
        (".gz", FileCompressionType::GZIP),
        (".bz2", FileCompressionType::BZIP2),
        (".xz", FileCompressionType::XZ),
        (".zst", FileCompressionType::ZSTD),
    ];
    let found = known
        .iter()
        .find_map(|(ending, kind)| Some((path.strip_suffix(ending)?, *kind)));
    found.unwrap_or((path, FileCompressionType::UNCOMPRESSED))
}

/// All files of the source, at least one.
pub(super) async fn listed(
    state: &SessionState,
    source: &SourceTable,
    format: Format,
    locations: &[ListingTableUrl],
) -> Result<Vec<Listed>, Error> {
    let mut files = Vec::new();
    for (location, written) in locations.iter().zip(&source.locations) {
        let store = state.runtime_env().object_store(location)?;
        let mut found: Vec<ObjectMeta> = files_at(store.as_ref(), location)
            .try_collect()
            .await
            .map_err(|error| Error::from(DataFusionError::from(error)))?;
        // Stores list in any order; the columns of the first file come first.
        found.sort_by(|a, b| a.location.cmp(&b.location));
        if is_folder(location) {
            // A folder may hold other things; a file or a glob says what it means.
            found.retain(|file| {
                let path = file.location.as_ref();
                let hidden = file
                    .location
                    .filename()
                    .is_some_and(|name| name.starts_with(['.', '_']));
                !hidden && format_of(path) == Some(format)
            });
        }
        if found.is_empty() {
            return Err(missing(written));
        }
        let root = location.object_store();
        for meta in found {
            let url = match location.scheme() {
                "file" => local_url(Path::new(&format!("/{}", meta.location)))?,
                _ => ListingTableUrl::parse(format!("{}{}", root.as_str(), encode(&meta)))?,
            };
            files.push(Listed { url, meta });
        }
    }
    Ok(files)
}

/// The files at a location. DataFusion's own listing leaves folders such as `day=2024-01-01` out of
/// what a glob is matched with.
pub(super) fn files_at<'a>(
    store: &'a dyn ObjectStore,
    location: &'a ListingTableUrl,
) -> BoxStream<'a, Result<ObjectMeta, object_store::Error>> {
    if location.get_glob().is_none() && !location.is_collection() {
        let one = async move { store.head(location.prefix()).await };
        let found = futures::stream::once(one).filter(|found| {
            let gone = matches!(found, Err(object_store::Error::NotFound { .. }));
            futures::future::ready(!gone)
        });
        return found.boxed();
    }
    let matches = move |file: &ObjectMeta| match location.get_glob() {
        None => true,
        Some(glob) => location
            .strip_prefix(&file.location)
            .map(|segments| segments.collect::<Vec<_>>().join("/"))
            .is_some_and(|path| glob.matches(&path)),
    };
    let files = store.list(Some(location.prefix()));
    files
        .try_filter(move |file| futures::future::ready(matches(file)))
        .boxed()
}

/// The path inside of its store, fit for a URL.
fn encode(meta: &ObjectMeta) -> String {
    let mut url = match Url::parse("file:///") {
        Ok(url) => url,
        Err(_) => return meta.location.to_string(),
    };
    url.set_path(&meta.location.as_ref().replace('%', "%25"));
    url.path().trim_start_matches('/').to_owned()
}

pub(super) fn ending(listed: &[Listed]) -> String {
    let endings = listed.iter().map(|file| {
        let name = file.meta.location.filename().unwrap_or_default();
        let (stem, _) = split_compression(name);
        let cut = stem.rfind('.').unwrap_or(0);
        name[cut..].to_owned()
    });
    let mut endings: Vec<String> = endings.collect();
    endings.sort();
    endings.dedup();
    match endings.len() {
        1 => endings.remove(0),
        _ => String::new(),
    }
}
