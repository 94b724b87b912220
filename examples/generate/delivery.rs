//! What is delivered now and then, and must harm no table: contents that the catalogue learns of later
//! or changes its mind about, events that come again, words that nobody has heard before.

use anyhow::Result;
use clap::ValueEnum;

use super::dice::Dice;
use super::tables::{Table, Value};
use super::world::{CATEGORIES, LAST_DAY, load_time, micros};
use super::{Files, Plan};

/// A special delivery, made with the batch of a day.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Delivery {
    /// One event in ten of the three days before comes again, some saying something else
    RedeliveredEvents,
    /// One play in ten is of a content that the catalogue gets a day later, if that day has this too
    UncataloguedContent,
    /// One content in seven moves to another category
    RecategorizedContent,
    /// One content in eleven changes its type, some to one that nobody knows
    ChangedContentType,
    /// Devices, regions, sign-up sources, newsletters and sports that nobody knows
    NewWords,
}

/// The types that contents change to; the last is a new one.
const TYPES: [&str; 6] = ["live", "replay", "series", "film", "clip", "podcast"];

/// A row of the catalogue that no programme of the world gives.
struct Row<'a> {
    id: &'a str,
    title: Option<&'a str>,
    content_type: Option<&'a str>,
    category: Option<&'a str>,
    sub_category: Option<&'a str>,
    duration: Option<i64>,
    sport: Option<&'a str>,
    competition: Option<&'a str>,
    published_at: i64,
}

impl Plan {
    /// The content that a play is of instead of one of the world, if the batch has such contents.
    pub fn strange_content(&self, dice: Dice) -> Option<String> {
        let day = self.loads.end() - LAST_DAY;
        if self.has(Delivery::UncataloguedContent) && dice.of(0).chance(1_000) {
            return Some(uncatalogued(day));
        }
        if self.has(Delivery::NewWords) && dice.of(1).chance(1_000) {
            return Some(match dice.of(2).below(2) {
                0 => surfing(day),
                _ => ceremony(day),
            });
        }
        None
    }
}

fn uncatalogued(day: i64) -> String {
    format!("C9{day:05}")
}

fn surfing(day: i64) -> String {
    format!("C8{day:05}")
}

fn ceremony(day: i64) -> String {
    format!("C7{day:05}")
}

/// Writes the rows of the catalogue that the special deliveries of the batch bring.
pub fn write_contents(plan: &Plan, files: &mut Files) -> Result<()> {
    let last = *plan.loads.end();
    let published_at = micros(last - 1, 36_000);
    for (at, content) in plan.world.contents().iter().enumerate() {
        let recategorized = plan.has(Delivery::RecategorizedContent) && at % 7 == 0;
        let changed = plan.has(Delivery::ChangedContentType) && at % 11 == 0;
        if content.published > last || !(recategorized || changed) {
            continue;
        }
        let other = &CATEGORIES[at % CATEGORIES.len()];
        let (category, sub_category) = match recategorized {
            true => (other.name, other.sub_categories[0]),
            false => (content.category, content.sub_category),
        };
        let row = Row {
            id: &content.id,
            title: Some(&content.title),
            content_type: Some(match changed {
                true => TYPES[at % TYPES.len()],
                false => content.content_type,
            }),
            category: Some(category),
            sub_category: Some(sub_category),
            duration: Some(content.duration_on(last)),
            sport: content.sport,
            competition: content.competition,
            published_at: micros(content.published, content.published_second),
        };
        push(files, last, &row)?;
    }
    if plan.has(Delivery::UncataloguedContent) && last - LAST_DAY > 1 {
        let row = Row {
            id: &uncatalogued(last - LAST_DAY - 1),
            title: Some("The Late Entry"),
            content_type: Some("film"),
            category: Some("cinema"),
            sub_category: Some("classic"),
            duration: Some(5_400),
            sport: None,
            competition: None,
            published_at,
        };
        push(files, last, &row)?;
    }
    if plan.has(Delivery::NewWords) {
        let surfing = Row {
            id: &surfing(last - LAST_DAY),
            title: Some("Olympic Games: surfing"),
            content_type: Some("clip"),
            category: Some("sport"),
            sub_category: Some("surfing"),
            duration: Some(240),
            sport: Some("surfing"),
            competition: Some("olympic_games"),
            published_at,
        };
        push(files, last, &surfing)?;
        // The catalogue does not say much of some.
        let ceremony = Row {
            id: &ceremony(last - LAST_DAY),
            title: None,
            content_type: None,
            category: None,
            sub_category: None,
            duration: None,
            sport: None,
            competition: Some("olympic_games"),
            published_at,
        };
        push(files, last, &ceremony)?;
    }
    Ok(())
}

fn push(files: &mut Files, loaded: i64, row: &Row) -> Result<()> {
    files.push(
        Table::Contents,
        &[
            Value::Text(Some(row.id)),
            Value::Text(row.title),
            Value::Text(row.content_type),
            Value::Text(row.category),
            Value::Text(row.sub_category),
            Value::Int(row.duration.map(|seconds| seconds as i32)),
            Value::Text(row.sport),
            Value::Text(row.competition),
            Value::Time(row.published_at),
            Value::Time(load_time(loaded)),
        ],
    )
}
