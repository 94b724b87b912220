//! The files of a project: the one place where this room touches the disk.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use walkdir::{DirEntry, WalkDir};

use super::file::{clean_path, document};
use super::yaml::Node;
use crate::diagnostic::{Code, Diagnostic, Span};

/// The files of a project by path: relative to its root, with forward slashes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Files {
    texts: BTreeMap<Arc<str>, Arc<str>>,
    data: BTreeMap<Arc<str>, DataFile>,
}

/// A file whose content is not held: the CSV or Parquet file of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataFile {
    /// In bytes.
    pub size: u64,
    /// When it was last written, where the file system knows.
    pub modified: Option<SystemTime>,
}

impl Files {
    /// A file's path, shared, and its text.
    pub fn get(&self, path: &str) -> Option<(&Arc<str>, &Arc<str>)> {
        self.texts.get_key_value(path)
    }

    /// Files with text, in the order of their paths.
    pub fn texts(&self) -> impl Iterator<Item = (&Arc<str>, &Arc<str>)> {
        self.texts.iter()
    }

    /// Files of data, in the order of their paths.
    pub fn data(&self) -> impl Iterator<Item = (&Arc<str>, &DataFile)> {
        self.data.iter()
    }

    /// Puts a text in place of a file's own, as an editor does with a buffer that is not saved.
    pub fn insert(&mut self, path: impl Into<Arc<str>>, text: impl Into<Arc<str>>) {
        let (path, text) = (path.into(), text.into());
        // A buffer of a fixture takes the place of a text.
        let is_text = self.texts.contains_key(&path) || path.starts_with("tests/fixtures/");
        if is_data(&path) && !is_text {
            let size = text.len() as u64;
            let modified = None;
            self.data.insert(path, DataFile { size, modified });
        } else {
            self.texts.insert(path, text);
        }
    }
}

/// A project out of texts, for tests and editors.
pub fn from_texts<P, T>(texts: impl IntoIterator<Item = (P, T)>) -> Files
where
    P: Into<Arc<str>>,
    T: Into<Arc<str>>,
{
    let mut files = Files::default();
    for (path, text) in texts {
        files.insert(path, text);
    }
    files
}

/// Files that are read at the root, beside the folders that the project file names.
const AT_ROOT: [&str; 6] = [
    "project.yml",
    "dbt_project.yml",
    "profiles.yml",
    "selectors.yml",
    "packages.yml",
    "dependencies.yml",
];

/// The keys of the project file that name folders to read, and the folders where they are absent.
const FOLDERS: [(&str, &[&str]); 7] = [
    ("model-paths", &["models"]),
    ("seed-paths", &["seeds"]),
    ("test-paths", &["tests"]),
    ("macro-paths", &["macros"]),
    ("analysis-paths", &["analyses"]),
    ("snapshot-paths", &["snapshots"]),
    ("docs-paths", &[]),
];

/// The folder below a test path that holds rows of unit tests. Its CSV files are read as text.
pub(super) const FIXTURES: &str = "fixtures";

/// Reads the files of the project at a root. A file that cannot be read is told, and the others are
/// read all the same.
///
/// Below the folders that the project file names, the walk stops at a project of its own, at hidden
/// folders and at what refx or dbt write themselves; a link is followed only within the root.
pub fn read(root: &Path) -> (Files, Vec<Diagnostic>) {
    let mut reading = Reading {
        root: root.to_owned(),
        real_root: fs::canonicalize(root).unwrap_or_else(|_| root.to_owned()),
        files: Files::default(),
        fixtures: Vec::new(),
        seen: BTreeSet::new(),
        diagnostics: Vec::new(),
    };
    for name in AT_ROOT {
        let path = root.join(name);
        if path.is_file() {
            reading.file(&path, name.into());
        }
    }
    // A project file that is broken is told when it is parsed; until then the usual folders do.
    let settings = document(&reading.files).ok().map(|(_, _, node)| node);
    let folders = folders(settings.as_ref());
    let skipped = skipped(settings.as_ref(), &folders);
    let tests = paths(settings.as_ref(), "test-paths").unwrap_or_else(|| vec!["tests".to_owned()]);
    let fixtures = tests.iter().map(|folder| format!("{folder}/{FIXTURES}"));
    reading.fixtures = fixtures.collect();
    for folder in outermost(&folders) {
        reading.folder(folder, &skipped);
    }
    (reading.files, reading.diagnostics)
}

fn paths(settings: Option<&Node>, key: &str) -> Option<Vec<String>> {
    let node = settings?.get(key)?;
    let items = match node.as_list() {
        Some(items) => items,
        None => std::slice::from_ref(node),
    };
    Some(
        items
            .iter()
            .filter_map(|item| clean_path(item.as_str()?))
            .collect(),
    )
}

/// The folders to read.
fn folders(settings: Option<&Node>) -> BTreeSet<String> {
    FOLDERS
        .iter()
        .flat_map(|(key, usual)| {
            paths(settings, key)
                .unwrap_or_else(|| usual.iter().map(|&folder| folder.to_owned()).collect())
        })
        .collect()
}

/// The folders that are not inside of another one.
fn outermost(folders: &BTreeSet<String>) -> impl Iterator<Item = &String> {
    folders.iter().filter(|folder| {
        let mut others = folders.iter().filter(|other| other != folder);
        !others.any(|other| within(folder, other))
    })
}

/// Folders that refx and dbt write to. One that is to be read is read all the same.
fn skipped(settings: Option<&Node>, folders: &BTreeSet<String>) -> BTreeSet<String> {
    let written = |key, usual: &str| paths(settings, key).unwrap_or_else(|| vec![usual.into()]);
    let mut skipped: BTreeSet<String> = ["target".to_owned(), "logs".to_owned()].into();
    skipped.extend(written("target-path", ".refx"));
    skipped.extend(written("packages-install-path", "dbt_packages"));
    skipped.extend(written("clean-targets", "target"));
    skipped.retain(|path| !folders.iter().any(|folder| within(folder, path)));
    skipped
}

/// Whether a path is a folder or below it.
pub(super) fn within(path: &str, folder: &str) -> bool {
    folder.is_empty()
        || path
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn ending(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, ending)| ending)
}

fn is_data(path: &str) -> bool {
    matches!(ending(path), "csv" | "parquet")
}

struct Reading {
    root: PathBuf,
    /// The root with its links resolved.
    real_root: PathBuf,
    files: Files,
    /// The folders of fixtures.
    fixtures: Vec<String>,
    /// Folders reached by a link, so that none is read twice.
    seen: BTreeSet<PathBuf>,
    diagnostics: Vec<Diagnostic>,
}

impl Reading {
    fn folder(&mut self, folder: &str, skipped: &BTreeSet<String>) {
        let start = self.root.join(folder);
        if !start.is_dir() {
            return;
        }
        let mut walk = WalkDir::new(&start)
            .follow_links(true)
            .sort_by_file_name()
            .into_iter();
        while let Some(entry) = walk.next() {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(&start).to_owned();
                    let cause = match error.loop_ancestor() {
                        Some(_) => "a link that leads back to its own folder".to_owned(),
                        None => error
                            .io_error()
                            .map_or_else(|| error.to_string(), ToString::to_string),
                    };
                    self.unreadable(&path, &cause);
                    continue;
                }
            };
            let Some(path) = self.relative(entry.path()) else {
                self.unreadable(entry.path(), "its name is not UTF-8");
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            };
            let inner = entry.depth() > 0;
            if entry.path_is_symlink() && inner && !self.leads_inside(&entry) {
                self.diagnostics.push(
                    Diagnostic::warning(
                        Code::UnreadableFile,
                        format!(
                            "`{path}` is a link that leads out of the project, and is not followed"
                        ),
                    )
                    .at(Span::file(path))
                    .help("copy the files into the project"),
                );
                if entry.file_type().is_dir() {
                    walk.skip_current_dir();
                }
                continue;
            }
            if entry.file_type().is_dir() {
                if inner && (foreign(&entry) || skipped.contains(&path)) {
                    walk.skip_current_dir();
                }
            } else {
                self.entry(&entry, path);
            }
        }
    }

    fn entry(&mut self, entry: &DirEntry, path: String) {
        if path
            .rsplit('/')
            .next()
            .is_some_and(|name| name.starts_with('.'))
        {
            return;
        }
        match ending(&path) {
            "csv" if self.fixtures.iter().any(|folder| within(&path, folder)) => {
                self.file(entry.path(), path);
            }
            "sql" | "yml" | "yaml" | "md" | "py" => self.file(entry.path(), path),
            "csv" | "parquet" => match entry.metadata() {
                Ok(metadata) => {
                    let data = DataFile {
                        size: metadata.len(),
                        modified: metadata.modified().ok(),
                    };
                    self.files.data.insert(path.into(), data);
                }
                Err(error) => self.unreadable(entry.path(), &error.to_string()),
            },
            _ => {}
        }
    }

    fn file(&mut self, path: &Path, name: String) {
        let text = fs::read(path).map(String::from_utf8);
        match text {
            Ok(Ok(text)) => {
                // Some editors put a mark before the text that no reader of it expects.
                let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
                // Git writes `\r\n` on Windows. The same project is the same code on every system; Jinja
                // also ends each line with `\n` alone.
                let text: Arc<str> = match text.contains("\r\n") {
                    true => text.replace("\r\n", "\n").into(),
                    false => text.into(),
                };
                self.files.texts.insert(name.into(), text);
            }
            Ok(Err(error)) => {
                let valid = error.utf8_error().valid_up_to();
                let line = error.as_bytes()[..valid]
                    .iter()
                    .filter(|&&byte| byte == b'\n')
                    .count()
                    + 1;
                self.diagnostics.push(
                    Diagnostic::error(Code::UnreadableFile, format!("`{name}` is not UTF-8"))
                        .at(Span::file(name))
                        .note(format!(
                            "the first byte that is not UTF-8 is in line {line}"
                        ))
                        .help("save the file with the encoding UTF-8"),
                );
            }
            Err(error) => self.unreadable(path, &error.to_string()),
        }
    }

    fn unreadable(&mut self, path: &Path, cause: &str) {
        let name = path.strip_prefix(&self.root).unwrap_or(path);
        let name = name.to_string_lossy().replace('\\', "/");
        self.diagnostics.push(
            Diagnostic::error(
                Code::UnreadableFile,
                format!("cannot read `{name}`: {cause}"),
            )
            .at(Span::file(name)),
        );
    }

    fn relative(&self, path: &Path) -> Option<String> {
        let parts: Option<Vec<&str>> = path
            .strip_prefix(&self.root)
            .ok()?
            .components()
            .map(|part| part.as_os_str().to_str())
            .collect();
        Some(parts?.join("/"))
    }

    /// Whether a link's end is inside of the project, and was not reached by another link.
    fn leads_inside(&mut self, entry: &DirEntry) -> bool {
        match fs::canonicalize(entry.path()) {
            Ok(end) => {
                let inside = end.starts_with(&self.real_root);
                inside && (!entry.file_type().is_dir() || self.seen.insert(end))
            }
            Err(_) => false,
        }
    }
}

/// Folders that are not part of this project.
fn foreign(entry: &DirEntry) -> bool {
    let hidden = entry.file_name().to_string_lossy().starts_with('.');
    hidden
        || entry.file_name() == "node_modules"
        || entry.path().join("project.yml").is_file()
        || entry.path().join("dbt_project.yml").is_file()
}
