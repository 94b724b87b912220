//! Which file is what, by the folder that it is in and its ending.

use std::sync::Arc;

use super::file::clean_path;
use super::read::{FIXTURES, within};
use super::yaml::{Many, Spanned};
use super::{Files, ProjectFile, SeedFile, SqlFile, TextFile};

/// The files of a project by what they are, each in the order of their paths.
#[derive(Default)]
pub struct Sorted {
    pub models: Vec<SqlFile>,
    pub singular_tests: Vec<SqlFile>,
    pub macros: Vec<SqlFile>,
    pub analyses: Vec<SqlFile>,
    pub snapshots: Vec<SqlFile>,
    pub python_models: Vec<Arc<str>>,
    pub seeds: Vec<SeedFile>,
    pub fixtures: Vec<TextFile>,
    pub docs: Vec<TextFile>,
    pub properties: Vec<TextFile>,
}

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Models,
    Seeds,
    Tests,
    Macros,
    Analyses,
    Snapshots,
}

struct Base {
    path: String,
    kind: Kind,
}

/// Sorts the files. Where configured paths are inside of one another, the innermost one counts.
pub fn sort(files: &Files, project: &ProjectFile) -> Sorted {
    let bases = bases(project);
    let docs_paths = clean(&project.docs_paths);
    let mut sorted = Sorted::default();
    for (path, text) in files.texts() {
        let base = innermost(&bases, path);
        let text_file = || TextFile {
            path: path.clone(),
            text: text.clone(),
        };
        if is_fixture(&bases, path) {
            sorted.fixtures.push(text_file());
            continue;
        }
        match (path.rsplit_once('.'), base) {
            (Some((_, "md")), base) => {
                let documented = docs_paths.iter().any(|folder| within(path, folder));
                if documented || (docs_paths.is_empty() && base.is_some()) {
                    sorted.docs.push(text_file());
                }
            }
            (Some((_, "yml" | "yaml")), Some(base)) => {
                let at_root = base.path.is_empty() && !path.contains('/');
                if !(at_root && is_settings(path)) {
                    sorted.properties.push(text_file());
                }
            }
            (Some((_, "py")), Some(base)) if base.kind == Kind::Models => {
                sorted.python_models.push(path.clone());
            }
            (Some((_, "sql")), Some(base)) => {
                let (folders, name) = parts(path, &base.path);
                let generic = folders.first().is_some_and(|folder| folder == "generic");
                let list = match base.kind {
                    Kind::Models => &mut sorted.models,
                    Kind::Tests if generic => &mut sorted.macros,
                    Kind::Tests => &mut sorted.singular_tests,
                    Kind::Macros => &mut sorted.macros,
                    Kind::Analyses => &mut sorted.analyses,
                    Kind::Snapshots => &mut sorted.snapshots,
                    // `innermost` answers none for SQL below seeds.
                    Kind::Seeds => continue,
                };
                list.push(SqlFile {
                    path: path.clone(),
                    text: text.clone(),
                    name,
                    folders,
                    base: base.path.clone(),
                });
            }
            _ => {}
        }
    }
    for (path, data) in files.data() {
        if let Some(base) = innermost(&bases, path) {
            let (folders, name) = parts(path, &base.path);
            sorted.seeds.push(SeedFile {
                path: path.clone(),
                name,
                folders,
                base: base.path.clone(),
                data: data.clone(),
            });
        }
    }
    sorted
}

/// Whether a file holds rows of unit tests.
fn is_fixture(bases: &[Base], path: &str) -> bool {
    let below = |base: &Base| within(path, &format!("{}/{FIXTURES}", base.path));
    let mut tests = bases.iter().filter(|base| base.kind == Kind::Tests);
    matches!(path.rsplit_once('.'), Some((_, "csv" | "sql"))) && tests.any(below)
}

/// YAML files at the root that are no properties files.
fn is_settings(path: &str) -> bool {
    matches!(
        path,
        "project.yml"
            | "dbt_project.yml"
            | "profiles.yml"
            | "selectors.yml"
            | "packages.yml"
            | "dependencies.yml"
    )
}

fn bases(project: &ProjectFile) -> Vec<Base> {
    [
        (Kind::Models, &project.model_paths),
        (Kind::Seeds, &project.seed_paths),
        (Kind::Tests, &project.test_paths),
        (Kind::Macros, &project.macro_paths),
        (Kind::Analyses, &project.analysis_paths),
        (Kind::Snapshots, &project.snapshot_paths),
    ]
    .into_iter()
    .flat_map(|(kind, paths)| {
        clean(paths)
            .into_iter()
            .map(move |path| Base { path, kind })
    })
    .collect()
}

fn clean(paths: &Many<Spanned<String>>) -> Vec<String> {
    paths.iter().filter_map(|path| clean_path(path)).collect()
}

/// The longest of the paths that the file is below; the first of several alike. Files of data are
/// seeds or nothing, and SQL is no seed.
fn innermost<'a>(bases: &'a [Base], path: &str) -> Option<&'a Base> {
    let ending = path.rsplit_once('.').map_or("", |(_, ending)| ending);
    bases
        .iter()
        .rev()
        .filter(|base| match ending {
            "csv" | "parquet" => base.kind == Kind::Seeds,
            "sql" => base.kind != Kind::Seeds,
            _ => true,
        })
        .filter(|base| within(path, &base.path))
        .max_by_key(|base| base.path.len())
}

/// The folders between a configured path and a file, and the file's name without its ending.
fn parts(path: &str, base: &str) -> (Vec<String>, String) {
    let below = path
        .strip_prefix(base)
        .unwrap_or(path)
        .trim_start_matches('/');
    let mut folders: Vec<String> = below.split('/').map(str::to_owned).collect();
    let file = folders.pop().unwrap_or_default();
    let name = match file.rsplit_once('.') {
        Some((name, _)) => name.to_owned(),
        None => file,
    };
    (folders, name)
}
