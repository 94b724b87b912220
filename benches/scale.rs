//! How refx grows: projects of many models, and the demonstration at many users.
//!
//! ```text
//! cargo bench --bench scale                      # the table of README
//! cargo bench --bench scale -- --models 100 --users 10000 --runs 1
//! ```
//!
//! Prints the median wall time and the highest resident memory of each command. Nothing is asserted:
//! compare figures of one table with each other, not with those of another machine.

use std::env;
use std::error::Error;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

struct Options {
    models: Vec<usize>,
    users: Vec<usize>,
    runs: usize,
}

struct Measure {
    wall: Duration,
    /// Bytes, where the system tells.
    peak: Option<u64>,
}

fn main() -> Result<()> {
    let options = options()?;
    let work = env::temp_dir().join(format!("refx-bench-{}", std::process::id()));
    fs::create_dir_all(&work)?;
    let cores = thread::available_parallelism().map_or(1, usize::from);
    println!("{cores} cores, median of {} runs", options.runs);
    println!("| what | command | wall s | peak MB |");
    println!("|---|---|---:|---:|");
    for &models in &options.models {
        let project = work.join(format!("models_{models}"));
        let what = write_project(&project, models)?;
        for command in ["parse", "ls", "compile"] {
            let measures = (0..options.runs)
                .map(|_| refx(&project, &[command], &[]))
                .collect::<Result<Vec<_>>>()?;
            row(&what, command, measures);
        }
        let (mut first, mut again, mut edited) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..options.runs {
            fs::remove_dir_all(project.join(".refx"))?;
            first.push(refx(&project, &["check"], &[])?);
            again.push(refx(&project, &["check"], &[])?);
            edit(&project)?;
            edited.push(refx(&project, &["check"], &[])?);
        }
        row(&what, "check", first);
        row(&what, "check again", again);
        row(&what, "check, one model edited", edited);
        fs::remove_dir_all(&project)?;
    }
    for &users in &options.users {
        let raw = work.join(format!("raw_{users}"));
        generate(&raw, users)?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (mut full, mut again) = (Vec::new(), Vec::new());
        for run in 0..options.runs {
            let warehouse = work.join(format!("warehouse_{users}_{run}"));
            let settings = [
                ("REFX_RAW", raw.as_os_str().to_owned()),
                ("REFX_WAREHOUSE", warehouse.as_os_str().to_owned()),
            ];
            let artifacts = work.join("artifacts").to_string_lossy().into_owned();
            let build = ["build", "--target-path", &artifacts];
            full.push(refx(root, &build, &settings)?);
            again.push(refx(root, &build, &settings)?);
            fs::remove_dir_all(&warehouse)?;
        }
        let what = format!("demonstration, {users} users");
        row(&what, "build", full);
        row(&what, "build again", again);
        fs::remove_dir_all(&raw)?;
    }
    fs::remove_dir_all(&work)?;
    Ok(())
}

fn options() -> Result<Options> {
    let mut options = Options {
        models: vec![100, 1_000, 5_000],
        users: vec![100_000],
        runs: 3,
    };
    let mut words = env::args().skip(1).filter(|word| word != "--bench");
    while let Some(word) = words.next() {
        let value = words
            .next()
            .ok_or_else(|| format!("{word} needs a value"))?;
        let numbers = || -> Result<Vec<usize>> {
            let parts = value.split(',').filter(|part| !part.is_empty());
            parts.map(|part| Ok(part.parse()?)).collect()
        };
        match word.as_str() {
            "--models" => options.models = numbers()?,
            "--users" => options.users = numbers()?,
            "--runs" => options.runs = value.parse()?,
            _ => return Err(format!("{word}: expected --models, --users or --runs").into()),
        }
    }
    Ok(options)
}

fn row(what: &str, command: &str, mut measures: Vec<Measure>) {
    measures.sort_by_key(|measure| measure.wall);
    let wall = measures[measures.len() / 2].wall;
    let peak = measures.iter().filter_map(|measure| measure.peak).max();
    let peak = peak.map_or("?".to_string(), |bytes| (bytes / 1_000_000).to_string());
    println!(
        "| {what} | `{command}` | {:.2} | {peak} |",
        wall.as_secs_f64()
    );
}

/// Runs refx to its end and watches its memory.
fn refx(
    project: &Path,
    arguments: &[&str],
    settings: &[(&str, std::ffi::OsString)],
) -> Result<Measure> {
    let started = Instant::now();
    let mut child = Command::new(env!("CARGO_BIN_EXE_refx"))
        .args(arguments)
        .arg("--quiet")
        .current_dir(project)
        .envs(settings.iter().map(|(name, value)| (name, value)))
        .stdout(Stdio::null())
        .spawn()?;
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = None;
    let exit = loop {
        peak = high_water(&status).or(peak);
        match child.try_wait()? {
            Some(exit) => break exit,
            None => thread::sleep(Duration::from_millis(2)),
        }
    };
    if !exit.success() {
        return Err(format!(
            "refx {} in {}: {exit}",
            arguments.join(" "),
            project.display()
        )
        .into());
    }
    Ok(Measure {
        wall: started.elapsed(),
        peak,
    })
}

/// The highest resident memory that the system has seen of a process, in bytes.
fn high_water(status: &Path) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
    Some(kilobytes * 1024)
}

fn generate(raw: &Path, users: usize) -> Result<()> {
    let mut command = Command::new(env!("CARGO"));
    command
        .args(["run", "--quiet", "--release", "--example", "generate", "--"])
        .args(["--users", &users.to_string(), "--out"])
        .arg(raw)
        .stdout(Stdio::null())
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    match command.status()? {
        status if status.success() => Ok(()),
        status => Err(format!("the generator: {status}").into()),
    }
}

/// Changes the text of one model that nothing reads.
fn edit(project: &Path) -> Result<()> {
    let top = project.join("models/top");
    let folders = fs::read_dir(top)?.collect::<std::io::Result<Vec<_>>>()?;
    let folder = folders
        .iter()
        .map(fs::DirEntry::path)
        .filter(|path| path.is_dir())
        .max();
    let folder = folder.ok_or("the project has no models on top")?;
    let files = fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let file = files.iter().map(fs::DirEntry::path).max();
    let file = file.ok_or("a folder of models is empty")?;
    let text = fs::read_to_string(&file)?;
    Ok(fs::write(file, text + "-- edited\n")?)
}

/// A project in three layers: staging views of sources, incremental tables between, tables on top.
/// One model in a layer reads up to three of the layer below, calls macros and has tests.
fn write_project(root: &Path, models: usize) -> Result<String> {
    let put = |path: String, text: &str| -> Result<()> {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap_or(root))?;
        Ok(fs::write(path, text)?)
    };
    put(
        "project.yml".into(),
        "name: many\nmodels:\n  many:\n    staging:\n      +materialized: view\n",
    )?;
    put(
        "macros/money.sql".into(),
        "{% macro cents(column) %}cast(round({{ column }} * 100) as bigint){% endmacro %}\n\
         {% macro share(part, whole) %}cast({{ part }} as double) / nullif({{ whole }}, 0){% endmacro %}\n",
    )?;
    put(
        "raw/events.csv".into(),
        "id,parent_id,day,amount\n1,1,2024-08-01,1.5\n",
    )?;
    put(
        "models/sources.yml".into(),
        "sources:\n  - name: raw\n    location: raw/{name}.csv\n    tables:\n      - name: events\n",
    )?;
    let layers = [
        ("staging", 0, models / 5),
        ("between", models / 5, models * 3 / 5),
        ("top", models * 3 / 5, models),
    ];
    let name = |at: usize| format!("m{at:05}");
    let mut reads = 0;
    for (layer, &(folder, first, last)) in layers.iter().enumerate() {
        let mut properties = String::from("models:\n");
        for at in first..last {
            let below: Vec<usize> = match layer {
                0 => Vec::new(),
                _ => {
                    let (_, low, high) = layers[layer - 1];
                    (0..=at % 3)
                        .map(|step| low + (at * 7 + step * 11) % (high - low))
                        .collect()
                }
            };
            reads += below.len();
            let mut text = match folder {
                "between" => {
                    "{{ config(materialized='incremental', primary_key='id') }}\n".to_string()
                }
                "top" => "{{ config(materialized='table', primary_key='id') }}\n".to_string(),
                _ => String::new(),
            };
            text.push_str(
                "select\n    a.id,\n    a.parent_id,\n    a.day,\n    a.amount,\n    \
                 {{ cents('a.amount') }} as cents,\n    {{ share('a.amount', 'a.id') }} as share\nfrom ",
            );
            match below.split_first() {
                None => text.push_str("{{ source('raw', 'events') }} as a\n"),
                Some((first, rest)) => {
                    let _ = writeln!(text, "{{{{ ref('{}') }}}} as a", name(*first));
                    for (join, at) in rest.iter().enumerate() {
                        let _ = writeln!(
                            text,
                            "left join {{{{ ref('{}') }}}} as j{join} on j{join}.id = a.parent_id",
                            name(*at)
                        );
                    }
                }
            }
            if folder == "between" {
                text.push_str("{% if is_incremental() %}\nwhere a.day >= (select max(day) from {{ this }})\n{% endif %}\n");
            }
            put(
                format!("models/{folder}/g{:03}/{}.sql", at / 50, name(at)),
                &text,
            )?;
            let _ = write!(
                properties,
                "  - name: {}\n    description: Model {at}.\n    columns:\n      - name: id\n        \
                 description: Key of model {at}.\n        data_tests: [not_null, unique]\n",
                name(at)
            );
        }
        put(format!("models/{folder}/models.yml"), &properties)?;
    }
    Ok(format!(
        "{models} models, {reads} refs, {} tests",
        models * 2
    ))
}
