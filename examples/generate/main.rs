//! Raw data for the demonstration: a broadcaster's users, what they watched, where they clicked.
//!
//! The rows are a function of the arguments alone, so anybody can make the very data that the
//! repository carries, or the same at any size:
//!
//! ```sh
//! cargo run --release --example generate -- --users 2000 --out data/raw         # the history, to 2024-08-31
//! cargo run --release --example generate -- --users 2000 --out data/raw --day 1 # what 2024-09-01 brings
//! cargo run --release --example generate -- --users 1000000 --out /tmp/raw
//! cargo run --release --example generate -- --users 2000 --out data/raw --day 1 --with redelivered-events
//! ```
//!
//! Each table is a folder: `day-0000.parquet` holds the history (in pieces, `day-0000-<chunk>.parquet`,
//! when there are many users), `day-0001.parquet` the batch of the day after.
//!
//! A file holds what was *loaded* on its days. An event belongs to the day it happened on and may be
//! loaded up to five days later, so the late events of the history's end are in the first batches.
//!
//! What is made hard on purpose, because real collectors do it: late events, events delivered twice,
//! devices whose clock is a year ahead, events without a user, careless spelling, contents whose
//! duration is corrected later, users who move, users who never come. Deliveries that are rarer, and
//! harder still, are asked for: [`delivery::Delivery`]. A feed that comes late is left out of its day
//! (`--day 1 --without page_views`) and delivered after the next (`--day 1 --only page_views`).
//!
//! Days begin at midnight in France, where the viewers are; instants are written in UTC.

mod day;
mod delivery;
mod dice;
mod tables;
mod user;
mod world;

use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Result, bail};
use clap::Parser;

use self::delivery::Delivery;
use self::dice::Dice;
use self::tables::{Rows, TABLES, Table, Value};
use self::user::User;
use self::world::{LAST_DAY, World, load_time, micros};

/// Users in one file of the history.
const CHUNK_USERS: u64 = 50_000;

/// Events arrive this many days late at most.
const LATEST: i64 = 5;

/// Write the raw data of the demonstration as Parquet.
#[derive(Parser)]
pub struct Args {
    /// Users at the end of the history
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    users: u64,
    /// Folder to write to; each table gets a folder in it
    #[arg(long)]
    out: PathBuf,
    /// Days of history, up to 2024-08-31
    #[arg(long, default_value_t = 120, value_parser = clap::value_parser!(i64).range(1..=360))]
    days: i64,
    /// Write the batch of this day after the history, instead of the history
    #[arg(long, value_parser = clap::value_parser!(i64).range(1..=9_999))]
    day: Option<i64>,
    /// Deliver this too with the batch of the day; may be repeated
    #[arg(long, value_enum, value_name = "DELIVERY", requires = "day")]
    with: Vec<Delivery>,
    /// Leave the batch of this table out: it comes late; may be repeated
    #[arg(long, value_name = "TABLE", value_parser = Table::parse, requires = "day")]
    without: Vec<Table>,
    /// Write the batch of this table alone; may be repeated
    #[arg(long, value_name = "TABLE", value_parser = Table::parse, requires = "day")]
    only: Vec<Table>,
    /// Another seed makes another world
    #[arg(long, default_value_t = 42)]
    seed: u64,
}

/// What one run writes.
pub struct Plan {
    world: World,
    tables: Vec<Table>,
    with: Vec<Delivery>,
    users: u64,
    new_users_a_day: u64,
    /// The days whose loads are written.
    loads: RangeInclusive<i64>,
    /// Whether it is the history, which also holds all that was loaded before its first day.
    history: bool,
    /// The first day on which anything happened.
    first_event_day: i64,
}

/// The files that one thread writes, by table; `None` for a table that is left out.
struct Files(Vec<Option<Rows>>);

impl Files {
    fn create(out: &Path, stem: &str, tables: &[Table]) -> Result<Self> {
        let create = |table: &Table| {
            let path = out.join(table.name()).join(format!("{stem}.parquet"));
            tables
                .contains(table)
                .then(|| Rows::create(*table, &path))
                .transpose()
        };
        Ok(Files(TABLES.iter().map(create).collect::<Result<_>>()?))
    }

    fn push(&mut self, table: Table, row: &[Value]) -> Result<()> {
        match &mut self.0[table as usize] {
            Some(rows) => rows.push(row),
            None => Ok(()),
        }
    }

    /// Closes the files and says how many rows each holds.
    fn close(self) -> Result<Vec<u64>> {
        let close = |rows: Option<Rows>| rows.map_or(Ok(0), Rows::close);
        self.0.into_iter().map(close).collect()
    }
}

fn main() -> Result<()> {
    for (table, count) in generate(&Args::parse())? {
        println!("{:<18} {count:>12} rows", table.name());
    }
    Ok(())
}

/// Writes what the arguments ask for, and says how many rows of each table.
pub fn generate(args: &Args) -> Result<Vec<(Table, u64)>> {
    let last = LAST_DAY + args.day.unwrap_or(0);
    let written = |table: &Table| {
        !args.without.contains(table) && (args.only.is_empty() || args.only.contains(table))
    };
    let plan = Plan {
        tables: TABLES.into_iter().filter(written).collect(),
        with: args.with.clone(),
        world: World::new(args.seed, args.users, last),
        users: args.users,
        new_users_a_day: (args.users / 1_000).max(1),
        loads: if args.day.is_some() {
            last..=last
        } else {
            LAST_DAY - args.days + 1..=LAST_DAY
        },
        history: args.day.is_none(),
        first_event_day: LAST_DAY - args.days + 1,
    };
    let number = args.day.unwrap_or(0) as u32;
    tables::prepare(&args.out, number, &plan.tables)?;
    let counts = write(&plan, &args.out, number)?;
    Ok(TABLES
        .into_iter()
        .zip(counts)
        .filter(|(table, _)| plan.tables.contains(table))
        .collect())
}

/// Writes the users in chunks, as many at a time as there are cores. A chunk depends on no other.
fn write(plan: &Plan, out: &Path, number: u32) -> Result<Vec<u64>> {
    let chunks = if plan.history {
        plan.users.div_ceil(CHUNK_USERS)
    } else {
        1
    };
    let next = AtomicUsize::new(0);
    let totals = Mutex::new(vec![0; TABLES.len()]);
    let work = || -> Result<()> {
        loop {
            let chunk = next.fetch_add(1, Ordering::Relaxed) as u64;
            if chunk >= chunks {
                return Ok(());
            }
            let stem = match chunks {
                1 => format!("day-{number:04}"),
                _ => format!("day-{number:04}-{chunk:03}"),
            };
            let users = match chunks {
                1 => 0..plan.users,
                _ => chunk * CHUNK_USERS..plan.users.min((chunk + 1) * CHUNK_USERS),
            };
            let mut files = Files::create(out, &stem, &plan.tables)?;
            if chunk == 0 {
                write_contents(plan, &mut files)?;
            }
            write_users(plan, users, &mut files)?;
            let counts = files.close()?;
            let mut totals = totals
                .lock()
                .expect("no thread panics while it holds the totals");
            totals
                .iter_mut()
                .zip(counts)
                .for_each(|(total, count)| *total += count);
        }
    };
    let threads = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(chunks as usize);
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        for thread in threads {
            match thread.join() {
                Ok(done) => done?,
                Err(_) => bail!("a thread that writes the rows panicked"),
            }
        }
        Ok(())
    })?;
    Ok(totals
        .into_inner()
        .expect("no thread panics while it holds the totals"))
}

impl Plan {
    fn loaded(&self, day: i64) -> bool {
        self.loads.contains(&day) || (self.history && day < *self.loads.start())
    }

    /// Whether something special is delivered with the batch.
    fn has(&self, delivery: Delivery) -> bool {
        self.with.contains(&delivery)
    }

    /// When the run delivers an event that was loaded on a day, and whether an earlier file has it
    /// already. `None` if it does not deliver it.
    fn delivered(&self, loaded: i64, dice: Dice) -> Option<(i64, bool)> {
        if self.loaded(loaded) {
            return Some((loaded, false));
        }
        let last = *self.loads.end();
        let again = self.has(Delivery::RedeliveredEvents)
            && (last - 3..last).contains(&loaded)
            && dice.chance(1_000);
        again.then_some((last, true))
    }

    /// The days whose events may be among the loads.
    fn event_days(&self) -> RangeInclusive<i64> {
        (self.loads.start() - LATEST).max(self.first_event_day)..=*self.loads.end()
    }
}

fn write_contents(plan: &Plan, files: &mut Files) -> Result<()> {
    for content in plan.world.contents() {
        let correction = content.correction.map(|(day, _)| day);
        for loaded in [Some(content.published), correction].into_iter().flatten() {
            if !plan.loaded(loaded) {
                continue;
            }
            files.push(
                Table::Contents,
                &[
                    Value::Text(Some(&content.id)),
                    Value::Text(Some(&content.title)),
                    Value::Text(Some(content.content_type)),
                    Value::Text(Some(content.category)),
                    Value::Text(Some(content.sub_category)),
                    Value::Int(Some(content.duration_on(loaded) as i32)),
                    Value::Text(content.sport),
                    Value::Text(content.competition),
                    Value::Time(micros(content.published, content.published_second)),
                    Value::Time(load_time(loaded)),
                ],
            )?;
        }
    }
    delivery::write_contents(plan, files)
}

fn write_users(plan: &Plan, users: Range<u64>, files: &mut Files) -> Result<()> {
    for no in users {
        write_user(plan, &User::new(&plan.world, no), files)?;
    }
    if plan.history {
        return Ok(());
    }
    // Those who signed up after the history, up to the day of the batch.
    let days = plan.loads.end() - LAST_DAY;
    for day in 0..days {
        for k in 0..plan.new_users_a_day {
            let no = plan.users + day as u64 * plan.new_users_a_day + k;
            write_user(plan, &User::on(&plan.world, no, LAST_DAY + 1 + day), files)?;
        }
    }
    Ok(())
}

fn write_user(plan: &Plan, user: &User, files: &mut Files) -> Result<()> {
    write_profile(plan, user, files)?;
    day::write_newsletters(plan, user, files)?;
    for day in plan.event_days() {
        day::write(plan, user, day, files)?;
    }
    Ok(())
}

/// One row when a user signs up, and one each time they move or are asked for their consent again.
fn write_profile(plan: &Plan, user: &User, files: &mut Files) -> Result<()> {
    let moved = plan
        .event_days()
        .filter(|&day| day > user.signup_day && user.day(day).of(day::question::MOVES).chance(4));
    for loaded in std::iter::once(user.signup_day).chain(moved) {
        if !plan.loaded(loaded) {
            continue;
        }
        let strange = plan.has(Delivery::NewWords) && user.trait_dice(13).chance(5_000);
        let region = match strange {
            true => Some("MTQ".to_owned()),
            false => user.region(loaded as u64),
        };
        let source = if strange { "kiosk" } else { user.signup_source };
        files.push(
            Table::Users,
            &[
                Value::Text(Some(&user.id)),
                Value::Text(region.as_deref()),
                Value::Int(user.birth_year),
                Value::Text(Some(source)),
                Value::Time(micros(user.signup_day, user.signup_second)),
                Value::Bool(user.marketing_consent(loaded as u64)),
                Value::Time(load_time(loaded)),
            ],
        )?;
    }
    Ok(())
}
