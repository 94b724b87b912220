//! A loaded project and what the commands share of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use chrono::Utc;
use rayon::prelude::*;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::block_in_place;

use super::report::Report;
use super::settings::Settings;
use super::{Exit, Told, refuse};
use refx_core::compile::Basis;
use refx_core::diagnostic::{Code, Diagnostic, Severity, without_aftermath};
use refx_core::graph::{Graph, NodeSet};
use refx_core::load::{self, Loaded};
use refx_core::manifest::artifact::{self, Artifact};
use refx_core::manifest::{Invocation, Node, NodeId, ResourceType};
use refx_core::plan::{self, TableFacts};
use refx_core::project;
use refx_core::select::{
    self, ColumnPaths, Compared, Criteria, Indirect, Picked, Scope, Selectors, State,
};
use refx_core::template::{self, Source};
use refx_engine::check::{self, Answers, Columns, Memory, Sources};
use refx_engine::engine::{self, Engine};
use refx_engine::run::{self, Event, Interrupt, Job, Rules, RunInfo, Tables, results};

mod kept;

/// The name under which errors show the text of `--inline`.
const INLINE: &str = "--inline";
/// The file of answers of a check, among the artifacts.
const CHECK: &str = "check.json";

/// A project without errors, ready for a command.
pub(crate) struct Opened<'a> {
    pub settings: &'a Settings,
    pub report: Arc<Report>,
    pub loaded: Loaded,
    pub graph: Arc<Graph>,
    selectors: Selectors,
}

impl<'a> Opened<'a> {
    /// Loads the project and prints everything that is wrong in it.
    ///
    /// # Errors
    /// [`Told`], where the project has errors.
    pub fn open(report: Report, settings: &'a Settings) -> anyhow::Result<Self> {
        let (opened, diagnostics) = Opened::load(report, settings)?;
        let files = opened.loaded.project.files.clone();
        let text = |file: &str| files.get(file).map(|(_, text)| text.as_ref());
        let diagnostics = without_aftermath(diagnostics, &text);
        opened.report.diagnostics(&diagnostics);
        match diagnostics.iter().any(Diagnostic::is_error) {
            true => Err(Told(Exit::CouldNotRun).into()),
            false => Ok(opened),
        }
    }

    /// Loads the project as far as it can be understood, with all that is wrong in it.
    ///
    /// # Errors
    /// [`Told`], where there is no project file to go by, or models read each other in a circle.
    pub fn load(
        mut report: Report,
        settings: &'a Settings,
    ) -> anyhow::Result<(Self, Vec<Diagnostic>)> {
        let (files, mut diagnostics) = project::read(&settings.root);
        let texts = files.clone();
        report.set_texts(Arc::new(move |path| {
            texts.get(path).map(|(_, text)| text.to_string())
        }));
        report.set_redact(Arc::new(|text| template::redact(text).into_owned()));
        let mut loaded = match load::load(&settings.root, files, &settings.request) {
            Ok(loaded) => loaded,
            Err(found) => {
                diagnostics.extend(found);
                report.diagnostics(&diagnostics);
                return Err(Told(Exit::CouldNotRun).into());
            }
        };
        let (selectors, found) = match &loaded.project.selectors {
            Some(node) => select::named(node),
            None => Default::default(),
        };
        diagnostics.append(&mut loaded.diagnostics);
        diagnostics.extend(found);
        diagnostics.extend(unknown_options(&loaded));
        if settings.warn_error {
            for diagnostic in &mut diagnostics {
                diagnostic.severity = Severity::Error;
            }
        }
        report.set_manifest(&loaded.manifest);
        let Some(graph) = loaded.graph.clone() else {
            report.diagnostics(&diagnostics);
            return Err(Told(Exit::CouldNotRun).into());
        };
        let opened = Opened {
            settings,
            report: Arc::new(report),
            loaded,
            graph,
            selectors,
        };
        Ok((opened, diagnostics))
    }

    /// The text of `--inline`, made known to the report: it is none of the project's files.
    pub fn inline(&mut self, sql: &str) -> Source {
        let (files, text) = (self.loaded.project.files.clone(), sql.to_string());
        if let Some(report) = Arc::get_mut(&mut self.report) {
            report.set_texts(Arc::new(move |path| match path {
                INLINE => Some(text.clone()),
                path => files.get(path).map(|(_, text)| text.to_string()),
            }));
        }
        Source::whole(INLINE, sql)
    }

    /// The nodes that the flags pick, of the types that the command works on. Prints what is wrong
    /// with them, and with contracts where it is asked what was modified: as in dbt a version that
    /// breaks one stops the command, and `refx check` is the gate for the others.
    ///
    /// # Errors
    /// [`Told`], where the flags cannot be followed; artifacts that cannot be read.
    pub fn pick(
        &self,
        criteria: &Criteria,
        state: Option<&Path>,
        runs: &[ResourceType],
    ) -> anyhow::Result<NodeSet> {
        let (nodes, breaking) = self.pick_beside(criteria, state, runs)?;
        if select::asks_what_changed(criteria, &self.selectors) {
            self.tell_breaking(breaking)?;
        }
        Ok(nodes)
    }

    /// What a word means to a command that takes one node: the node of that very name, or else all that
    /// the word selects.
    ///
    /// # Errors
    /// As [`Opened::pick`]; that nothing is picked is for the caller to say.
    pub fn pick_one(&self, word: &str, runs: &[ResourceType]) -> anyhow::Result<NodeSet> {
        let criteria = Criteria {
            select: vec![word.to_string()],
            indirect: Indirect::Empty,
            allow_empty: true,
            ..Criteria::default()
        };
        let picked = self.pick(&criteria, None, runs)?;
        let named = picked.iter().filter(|id| {
            let node = self.loaded.manifest.get(id);
            node.is_some_and(|node| node.name() == word)
        });
        let named: NodeSet = named.cloned().collect();
        Ok(match named.len() {
            1 => named,
            _ => picked,
        })
    }

    /// Whether a selection compares with an earlier run.
    pub fn asks_for_state(&self, criteria: &Criteria) -> bool {
        select::asks_for_state(criteria, &self.selectors)
    }

    /// The same, with what has been broken of contracts since, for the caller to tell.
    ///
    /// # Errors
    /// As [`Opened::pick`].
    pub fn pick_beside(
        &self,
        criteria: &Criteria,
        state: Option<&Path>,
        runs: &[ResourceType],
    ) -> anyhow::Result<(NodeSet, Vec<(NodeId, Diagnostic)>)> {
        let kept = match state {
            Some(folder) => Some(self.kept(folder)?),
            None => None,
        };
        let columns = match select::asks_for_columns(criteria, &self.selectors) {
            true => Some(self.columns()?),
            false => None,
        };
        let scope = Scope {
            manifest: &self.loaded.manifest,
            graph: &self.graph,
            selectors: &self.selectors,
            state: match &kept {
                Some(kept) => State {
                    compared: kept.before.as_ref().map(|before| Compared {
                        before,
                        now: &kept.now,
                        same_code: &kept.same_code,
                    }),
                    results: kept.results.as_ref(),
                },
                None => State::default(),
            },
            columns: columns.as_ref().map(|columns| columns as &dyn ColumnPaths),
            runs,
        };
        match select::pick(criteria, &scope) {
            Ok(Picked {
                nodes,
                mut diagnostics,
            }) => {
                if self.settings.warn_error {
                    for diagnostic in &mut diagnostics {
                        diagnostic.severity = Severity::Error;
                    }
                }
                self.report.diagnostics(&diagnostics);
                if diagnostics.iter().any(Diagnostic::is_error) {
                    return Err(Told(Exit::CouldNotRun).into());
                }
                let breaking = kept.map(|kept| kept.breaking);
                Ok((nodes, breaking.unwrap_or_default()))
            }
            Err(diagnostic) => Err(Told(refuse(&self.report, diagnostic)).into()),
        }
    }

    /// How the columns of the project depend on each other, as far as queries can be planned.
    fn columns(&self) -> anyhow::Result<Columns> {
        let manifest = &self.loaded.manifest;
        let readable = manifest
            .nodes
            .values()
            .filter(|node| node.relation().is_some());
        let nodes: NodeSet = readable.map(|node| node.id().clone()).collect();
        // Picking is no task of its own; its thread gives up its others while it waits.
        let check = || Handle::current().block_on(self.check(&nodes, Sources::Read));
        let answers = block_in_place(check)?;
        let unplanned = answers
            .iter()
            .filter(|(_, checked)| checked.planned().is_none());
        let unplanned: Vec<String> = unplanned
            .filter_map(|(id, _)| Some(format!("`{}`", manifest.get(id)?.name())))
            .collect();
        if !unplanned.is_empty() {
            let message = format!(
                "`column:` leads through no node that cannot be planned: {}",
                unplanned.join(", ")
            );
            let warning = Diagnostic::warning(Code::NotChecked, message);
            self.report
                .diagnostics(&[warning.help("`refx check` says why")]);
        }
        Ok(check::columns(manifest, &answers))
    }

    /// Whether the code of each model means what it meant in a folder of artifacts; nothing where no
    /// check left its answers there.
    fn same_code(&self, folder: &Path) -> anyhow::Result<BTreeMap<NodeId, bool>> {
        let Some(before) = remembered(folder) else {
            return Ok(BTreeMap::new());
        };
        let models = self.models();
        let checking = self.check(&models, Sources::Read);
        let answers = block_in_place(|| Handle::current().block_on(checking))?;
        Ok(check::diff::same_code(&before, &answers))
    }

    /// All models of the project.
    pub fn models(&self) -> NodeSet {
        let nodes = self.loaded.manifest.nodes.values();
        let models = nodes.filter(|node| node.as_model().is_some());
        models.map(|node| node.id().clone()).collect()
    }

    /// The tables of the target, none of them looked at yet.
    pub fn tables(&self) -> Tables {
        let target = &self.loaded.project.file.target;
        let schema = match &target.schema {
            Some(_) => None,
            None => Some(self.loaded.invocation.schema.to_string()),
        };
        Tables::new(self.target_root(), target.storage_options.0.clone(), schema)
    }

    /// The target's root: a URL, or a path from the root of the file system.
    pub fn target_root(&self) -> String {
        let root = &self.loaded.project.file.target.root.value;
        match root.contains("://") {
            true => root.clone(),
            false => self.settings.root.join(root).to_string_lossy().into_owned(),
        }
    }

    /// Looks at the tables of these nodes and of everything that they read. A table that is broken
    /// is told, and fails its own step and its readers.
    pub async fn inspect(&self, nodes: &NodeSet, tables: &Tables) -> (TableFacts, Vec<Diagnostic>) {
        let mut wanted = nodes.clone();
        // Readers first: one walk for all of them.
        for id in self.graph.order().iter().rev() {
            if wanted.contains(id) {
                wanted.extend(self.graph.parents(id));
            }
        }
        run::inspect(&self.loaded.manifest, &wanted, tables).await
    }

    /// What compilation needs, given the facts.
    pub fn basis(&self, facts: TableFacts) -> Basis {
        Basis {
            manifest: self.loaded.manifest.clone(),
            macros: self.loaded.macros.clone(),
            invocation: self.loaded.invocation.clone(),
            facts: Arc::new(facts),
            options: self.options(),
            selected: Arc::default(),
        }
    }

    pub fn options(&self) -> plan::Options {
        plan::Options {
            full_refresh: self.settings.request.full_refresh,
            allow_older: self.settings.request.allow_older,
        }
    }

    /// Everything that steps share.
    ///
    /// # Errors
    /// [`Told`], where the spill directory cannot be used.
    pub fn job(&self, basis: Basis, tables: Tables, store_failures: bool) -> anyhow::Result<Job> {
        let file = &self.loaded.project.file;
        let target = &file.target;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let configured = target.threads.as_ref().map(|threads| threads.value.0);
        let threads = self
            .settings
            .request
            .threads
            .or(configured)
            .unwrap_or(cores);
        let engine = self.engine(cores)?;
        let report = self.report.clone();
        let print = self.settings.print;
        let info = RunInfo {
            invocation_id: self.settings.request.invocation_id.clone(),
            command: self.settings.request.command,
            project: self.loaded.invocation.project.clone(),
            target: target.name.clone(),
            root: target.root.value.clone(),
            as_of: self.loaded.invocation.as_of,
            by_clock: self.loaded.invocation.by_clock,
            started_at: self.settings.request.started_at,
            steps: 0,
            threads,
        };
        Ok(Job {
            basis,
            engine,
            tables: Arc::new(tables),
            shapes: Arc::default(),
            root: self.settings.root.clone(),
            rules: Rules {
                threads,
                fail_fast: self.settings.fail_fast,
                store_failures,
                warn_error: self.settings.warn_error,
            },
            on_run_start: file.on_run_start.0.clone(),
            on_run_end: file.on_run_end.0.clone(),
            interrupt: Interrupt::default(),
            emit: Arc::new(move |event| match event {
                Event::Message { .. } if !print => {}
                event => report.event(&event),
            }),
            info,
        })
    }

    /// The engine, whose queries keep so many threads busy.
    ///
    /// # Errors
    /// [`Told`], where the spill directory cannot be used.
    fn engine(&self, threads: usize) -> anyhow::Result<Engine> {
        let target = &self.loaded.project.file.target;
        let engine = Engine::new(&engine::Settings {
            memory_limit: target.memory_limit.as_ref().map(|bytes| bytes.value.0),
            spill_directory: target
                .spill_directory
                .as_ref()
                .map(|folder| self.settings.root.join(&folder.value)),
            threads: Some(threads),
            storage_options: target.storage_options.0.clone(),
        });
        engine.map_err(|error| Told(refuse(&self.report, error.into_diagnostic())).into())
    }

    /// Plans the nodes, and all that they read, without data. What came out is remembered among the
    /// artifacts.
    ///
    /// # Errors
    /// [`Told`], where the spill directory cannot be used.
    pub async fn check(&self, nodes: &NodeSet, sources: Sources) -> anyhow::Result<Answers> {
        let folder = self.artifacts();
        let memory = remembered(&folder).unwrap_or_default();
        let mut scope = self.check_scope(memory)?;
        scope.sources = sources;
        let scope = Arc::new(scope);
        let answers = check::check(&scope, nodes).await;
        let memory = scope.memory.with(&answers);
        if memory != *scope.memory {
            let text = memory.write()?;
            let path = folder.join(CHECK);
            std::fs::create_dir_all(&folder)
                .and_then(|()| std::fs::write(&path, text))
                .with_context(|| format!("`{}` cannot be written", path.display()))?;
        }
        Ok(answers)
    }

    fn check_scope(&self, memory: Memory) -> anyhow::Result<check::Scope> {
        Ok(check::Scope::new(
            self.at_no_instant()?,
            self.graph.clone(),
            self.engine(1)?,
            self.settings.root.clone(),
            memory,
        ))
    }

    /// What is wrong with the hooks round a run, given what a check says of the tables.
    ///
    /// # Errors
    /// [`Told`], where the spill directory cannot be used.
    pub async fn check_hooks(&self, answers: &Answers) -> anyhow::Result<Vec<Diagnostic>> {
        let file = &self.loaded.project.file;
        let hooks = (&*file.on_run_start.0, &*file.on_run_end.0);
        if hooks.0.is_empty() && hooks.1.is_empty() {
            return Ok(Vec::new());
        }
        let scope = Arc::new(self.check_scope(Memory::default())?);
        Ok(check::hooks::hooks(&scope, answers, hooks).await)
    }

    /// What a check compiles with: without tables, and as of one instant, so that two checks of the
    /// same code on different days have the same answers.
    fn at_no_instant(&self) -> anyhow::Result<Basis> {
        let fixed = load::instant("2024-01-01").context("a date is an instant")?;
        let instant = self.settings.request.as_of.unwrap_or(fixed);
        let basis = self.basis(TableFacts::default());
        let invocation = Invocation {
            as_of: instant,
            run_started_at: instant,
            ..(*basis.invocation).clone()
        };
        Ok(Basis {
            invocation: Arc::new(invocation),
            ..basis
        })
    }

    /// The folder of artifacts.
    pub fn artifacts(&self) -> PathBuf {
        let configured = &self.loaded.project.file.target_path.value;
        let folder = self.settings.target_path.as_deref();
        self.settings
            .root
            .join(folder.unwrap_or(Path::new(configured)))
    }

    /// The content of `manifest.json`.
    pub fn artifact<'b>(&'b self, compiled: &'b BTreeMap<NodeId, Arc<str>>) -> Artifact<'b> {
        let folder = self.artifacts().join("compiled");
        let shown = folder.strip_prefix(&self.settings.root).unwrap_or(&folder);
        let selectors = self.loaded.project.selectors.as_ref();
        let info = artifact::Info {
            invocation_id: self.settings.request.invocation_id.clone(),
            generated_at: Utc::now(),
            dbt_version: results::DBT_VERSION,
            compiled_root: shown.to_string_lossy().replace('\\', "/"),
            selectors: selectors.map(named_selectors).unwrap_or_default(),
            seed_checksums: self.seed_checksums(),
        };
        let macros = self.loaded.macros.definitions();
        artifact::artifact(&self.loaded.manifest, macros, compiled, info)
    }

    /// SHA-256 of the seeds' files, the same for `\r\n` and `\n` at the ends of lines. One that cannot be
    /// read has none: loading it will say why.
    fn seed_checksums(&self) -> BTreeMap<NodeId, String> {
        let nodes = self.loaded.manifest.nodes.values();
        nodes
            .filter(|node| matches!(node, Node::Seed(_)))
            .filter_map(|node| {
                let path = self.settings.root.join(&*node.common().path);
                let digest = line_ends_apart(&std::fs::read(path).ok()?);
                let digits = digest.into_iter().map(|byte| format!("{byte:02x}"));
                Some((node.id().clone(), digits.collect()))
            })
            .collect()
    }

    /// Writes `manifest.json`.
    pub fn write_manifest(&self, compiled: &BTreeMap<NodeId, Arc<str>>) -> anyhow::Result<()> {
        let path = self.artifacts().join("manifest.json");
        results::write_json(&path, &self.artifact(compiled), template::redactor())
            .with_context(|| format!("`{}` cannot be written", path.display()))
    }

    /// Writes the SQL of nodes under `compiled/`, each where its file is in the project.
    pub fn write_compiled(&self, compiled: &BTreeMap<NodeId, Arc<str>>) -> anyhow::Result<()> {
        // Tests may share a name, and so a file.
        let files: BTreeMap<PathBuf, &str> = compiled
            .iter()
            .filter_map(|(id, sql)| {
                Some((self.compiled_path(self.loaded.manifest.get(id)?), &**sql))
            })
            .collect();
        files.par_iter().try_for_each(|(path, sql)| {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)
                    .with_context(|| format!("`{}` cannot be made", folder.display()))?;
            }
            let text = template::redact(sql).into_owned();
            std::fs::write(path, text + "\n")
                .with_context(|| format!("`{}` cannot be written", path.display()))
        })
    }

    /// dbt's place of a compiled file: `compiled/<project>/<file>`, tests of a properties file in a
    /// folder of that file's name.
    fn compiled_path(&self, node: &Node) -> PathBuf {
        let common = node.common();
        let root = self.artifacts().join("compiled").join(&*common.package);
        match node {
            // A test may be named after all of its arguments, and a file's name has an end.
            Node::Test(test) if !common.path.ends_with(".sql") => root
                .join(&*common.path)
                .join(format!("{}.sql", test.relation.identifier)),
            // Two models may have unit tests of one name.
            Node::UnitTest(_) => {
                let parts = &common.fqn[common.fqn.len().saturating_sub(2)..];
                root.join(&*common.path)
                    .join(format!("{}.sql", parts.join(".")))
            }
            _ => root.join(&*common.path),
        }
    }
}

/// SHA-256 of a text as it would be with `\n` at the end of each line.
fn line_ends_apart(bytes: &[u8]) -> impl IntoIterator<Item = u8> + use<> {
    let mut digest = Sha256::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(2).position(|pair| pair == b"\r\n") {
        digest.update(&rest[..at]);
        rest = &rest[at + 1..];
    }
    digest.update(rest);
    digest.finalize()
}

/// What a check left in a folder of artifacts; none where it left nothing that this refx reads.
pub(crate) fn remembered(folder: &Path) -> Option<Memory> {
    let text = std::fs::read_to_string(folder.join(CHECK)).ok()?;
    Some(Memory::read(&text)).filter(|memory| !memory.is_empty())
}

/// The entries of `selectors.yml` by name, as the artifact holds them.
fn named_selectors(node: &project::Node) -> Map<String, Value> {
    let entries = node.get("selectors").and_then(project::Node::as_list);
    entries
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let name = entry.get("name")?.as_str()?.to_string();
            Some((name, entry.to_json()))
        })
        .collect()
}

/// Storage options, of the target and of sources, that their stores do not have.
fn unknown_options(loaded: &Loaded) -> Vec<Diagnostic> {
    let target = &loaded.project.file.target;
    let sources = loaded
        .manifest
        .nodes
        .values()
        .filter_map(|node| match node {
            Node::Source(source) => source.place.as_ref(),
            _ => None,
        });
    let of_sources = sources.flat_map(|place| {
        let urls = place.locations.iter();
        urls.map(move |url| (url.as_str(), &place.storage_options, &place.span))
    });
    let of_target = (
        target.root.value.as_str(),
        &target.storage_options,
        &target.root.span,
    );
    let checked = std::iter::once(of_target).chain(of_sources);
    let told = checked.filter_map(|(url, options, span)| {
        let error = engine::check_options(url, &options.0).err()?;
        Some(Diagnostic {
            code: Code::InvalidConfig,
            ..error.into_diagnostic().at(span.clone())
        })
    });
    told.collect()
}
