//! One user's day: their sessions, and in each what they open, search for and watch.
//!
//! The rows of a day are a function of the user and the day. Whether they were loaded on the same day
//! or later is decided event by event, and [`Plan::delivered`] keeps those that the run is to write.

use anyhow::Result;

use super::delivery::Delivery;
use super::dice::Dice;
use super::tables::{Table, Value};
use super::user::User;
use super::world::{Content, GAMES, SECONDS_A_DAY, load_time, micros};
use super::{Files, LATEST, Plan};

/// What a user's day decides, each with dice of its own.
pub mod question {
    pub const COMES: u64 = 0;
    pub const SESSIONS: u64 = 1;
    pub const MOVES: u64 = 2;
    pub const NEWSLETTERS: u64 = 3;
    pub const SESSION: u64 = 100;
}

const PAGES: [&str; 6] = [
    "home",
    "category",
    "programme",
    "search",
    "account",
    "guide",
];

const NEWSLETTERS: [(&str, u64); 4] = [
    ("daily_news", 30),
    ("weekly_programmes", 38),
    ("cinema", 14),
    ("kids", 9),
];

/// A visit under way.
struct Session<'a> {
    user: &'a User,
    day: i64,
    id: i64,
    /// Seconds since midnight.
    clock: i64,
    device: Option<&'static str>,
    anonymous: bool,
    events: i64,
}

impl Session<'_> {
    fn user_id(&self) -> Option<&str> {
        (!self.anonymous).then_some(self.user.id.as_str())
    }

    /// An id for the next event. It grows with user, day and time, which Parquet stores in few bits.
    fn next_event(&mut self) -> i64 {
        self.events += 1;
        self.id * 256 + self.events
    }

    /// When the event that happens now happened and was loaded; `None` if another file has it.
    fn times(&self, plan: &Plan, dice: Dice) -> Option<Times> {
        let late = if dice.of(0).chance(300) {
            1 + dice.of(1).below(LATEST as u64) as i64
        } else {
            0
        };
        // One clock in 2,000 is a year ahead: staging drops what happened after it was loaded.
        let year = if dice.of(2).chance(5) { 365 } else { 0 };
        let (loaded, is_copy) = plan.delivered(self.day + late, dice.of(3))?;
        Some(Times {
            event: micros(self.day + year, self.clock),
            loaded: load_time(loaded),
            is_copy,
        })
    }
}

/// When an event happened, and when the row was loaded.
struct Times {
    event: i64,
    loaded: i64,
    /// Whether an earlier file has the event already.
    is_copy: bool,
}

/// Writes the events of a user's day.
pub fn write(plan: &Plan, user: &User, day: i64, files: &mut Files) -> Result<()> {
    let dice = user.day(day);
    let chance = user.chance_on(day);
    if !dice.of(question::COMES).chance(chance) {
        return Ok(());
    }
    // Those who come often also come several times a day.
    let more = chance / 4;
    let sessions = 1
        + (0..3)
            .filter(|&k| dice.of(question::SESSIONS).of(k).chance(more))
            .count();
    for k in 0..sessions as u64 {
        let dice = dice.of(question::SESSION + k);
        let earliest = if day == user.signup_day {
            user.signup_second
        } else {
            0
        };
        let clock = match dice.of(0).below(100) {
            0..57 => 68_400 + dice.of(1).below(17_400) as i64,
            // Past midnight, when it is still the day before in UTC.
            57..62 => dice.of(1).below(5_400) as i64,
            _ => 21_600 + dice.of(1).below(57_600) as i64,
        };
        let session = Session {
            user,
            day,
            id: (user.no as i64 * 32_768 + day - 18_000) * 4 + k as i64,
            clock: clock.max(earliest),
            device: match plan.has(Delivery::NewWords) && dice.of(5).chance(500) {
                true => Some("console"),
                false => user.device(dice.of(2)),
            },
            anonymous: dice.of(3).chance(150),
            events: 0,
        };
        write_session(plan, session, dice.of(4), files)?;
    }
    Ok(())
}

fn write_session(plan: &Plan, mut session: Session, dice: Dice, files: &mut Files) -> Result<()> {
    if !session.anonymous && dice.of(0).chance(3_000) {
        let failures = dice.of(1).weighted(&[90, 98, 100]) as u64;
        for attempt in 0..=failures {
            write_login(
                plan,
                &mut session,
                dice.of(2).of(attempt),
                attempt == failures,
                files,
            )?;
        }
    }
    for k in 0..1 + dice.of(3).below(3) {
        write_page(plan, &mut session, dice.of(4).of(k), k == 0, files)?;
    }
    let mut found = None;
    if dice.of(5).chance(1_500) {
        found = write_search(plan, &mut session, dice.of(6), files)?;
    }
    let plays = [0, 1, 1, 1, 2, 2, 3, 4];
    for k in 0..dice.of(7).pick(&plays) {
        let dice = dice.of(8).of(k);
        let content = match found.take() {
            Some(content) => content,
            None => plan.world.choose(session.user, session.day, dice.of(0)),
        };
        write_play(plan, &mut session, content, dice, files)?;
        if session.clock > SECONDS_A_DAY - 1_800 {
            break;
        }
    }
    Ok(())
}

fn write_login(
    plan: &Plan,
    session: &mut Session,
    dice: Dice,
    success: bool,
    files: &mut Files,
) -> Result<()> {
    let id = session.next_event();
    if let Some(times) = session.times(plan, dice) {
        files.push(
            Table::Logins,
            &[
                Value::Number(id),
                Value::Text(session.user_id()),
                Value::Time(times.event),
                Value::Text(session.device),
                Value::Bool(Some(success)),
                Value::Time(times.loaded),
            ],
        )?;
    }
    session.clock += 8 + dice.of(9).below(25) as i64;
    Ok(())
}

fn write_page(
    plan: &Plan,
    session: &mut Session,
    dice: Dice,
    first: bool,
    files: &mut Files,
) -> Result<()> {
    let id = session.next_event();
    let page = match dice.of(9).below(100) {
        0..60 if first => "home",
        0..50 if GAMES.contains(&session.day) => "olympics",
        _ => dice.of(10).pick(&PAGES),
    };
    if let Some(times) = session.times(plan, dice) {
        files.push(
            Table::PageViews,
            &[
                Value::Number(id),
                Value::Text(session.user_id()),
                Value::Text(Some(page)),
                Value::Time(times.event),
                Value::Text(session.device),
                Value::Number(session.id),
                Value::Time(times.loaded),
            ],
        )?;
    }
    session.clock += 5 + dice.of(11).below(70) as i64;
    Ok(())
}

/// Writes a search and hands on the content that was clicked.
fn write_search<'a>(
    plan: &'a Plan,
    session: &mut Session,
    dice: Dice,
    files: &mut Files,
) -> Result<Option<&'a Content>> {
    let content = plan.world.choose(session.user, session.day, dice.of(9));
    let query = match dice.of(10).below(10) {
        0..2 => session.user.favourite_sport_name().replace('_', " "),
        2..4 => session.user.favourite_category().to_owned(),
        4..6 => content.sub_category.replace('_', " "),
        _ => content
            .title
            .split([',', ':'])
            .next()
            .unwrap_or_default()
            .to_owned(),
    };
    let (query, results) = match dice.of(11).below(100) {
        // Half a word typed too fast finds nothing.
        0..12 => (query.chars().take(3).chain("xx".chars()).collect(), 0),
        12..40 => (query.to_lowercase(), 1 + dice.of(12).below(40) as i32),
        40..50 => (format!("{query} "), 1 + dice.of(12).below(40) as i32),
        _ => (query, 1 + dice.of(12).below(40) as i32),
    };
    let clicked = (results > 0 && dice.of(13).chance(6_000)).then_some(content);
    let id = session.next_event();
    if let Some(times) = session.times(plan, dice) {
        files.push(
            Table::Searches,
            &[
                Value::Number(id),
                Value::Text(session.user_id()),
                Value::Text(Some(&query)),
                Value::Int(Some(results)),
                Value::Text(clicked.map(|content| content.id.as_str())),
                Value::Time(times.event),
                Value::Text(session.device),
                Value::Number(session.id),
                Value::Time(times.loaded),
            ],
        )?;
    }
    session.clock += 6 + dice.of(14).below(40) as i64;
    Ok(clicked)
}

fn write_play(
    plan: &Plan,
    session: &mut Session,
    content: &Content,
    dice: Dice,
    files: &mut Files,
) -> Result<()> {
    let id = session.next_event();
    let duration = content.duration_on(session.day);
    let watched = match (content.content_type, dice.of(9).below(100)) {
        ("clip", 0..70) | ("series", 0..55) | ("film" | "replay", 0..35) | ("live", 0..15) => {
            duration
        }
        // Tried, and left within three minutes.
        (_, 85..) => duration.min(5 + dice.of(10).below(175) as i64),
        _ => duration * (5 + dice.of(10).below(90) as i64) / 100,
    };
    let watched = watched.clamp(1, (SECONDS_A_DAY - 1 - session.clock).max(1));
    if let Some(times) = session.times(plan, dice.of(1)) {
        let measured = (!dice.of(11).chance(80)).then_some(watched as i32);
        // Some copies say something else than the first delivery: more, or less.
        let said_again = match times.is_copy && dice.of(13).chance(3_000) {
            true => dice.of(15).below(3) as i32 * 60 - 60,
            false => 0,
        };
        let strange = match times.is_copy {
            true => None,
            false => plan.strange_content(dice.of(14)),
        };
        let row = [
            Value::Number(id),
            Value::Text(session.user_id()),
            Value::Text(Some(strange.as_ref().unwrap_or(&content.id))),
            Value::Time(times.event),
            Value::Int(measured.map(|seconds| (seconds + said_again).max(0))),
            Value::Text(session.device),
            Value::Number(session.id),
            Value::Time(times.loaded),
        ];
        files.push(Table::VideoEvents, &row)?;
        if dice.of(12).chance(50) {
            files.push(Table::VideoEvents, &row)?;
        }
    }
    session.clock = (session.clock + watched + 4).min(SECONDS_A_DAY - 2);
    Ok(())
}

/// Writes a user's opt-ins and opt-outs: at sign-up, then now and then, and the letter of the Games.
pub fn write_newsletters(plan: &Plan, user: &User, files: &mut Files) -> Result<()> {
    let number = |day: i64, k: usize| (user.no as i64 * 32_768 + day - 17_000) * 8 + k as i64;
    let mut push = |id: i64, letter: &str, opts_in: bool, day: i64, second: i64| {
        let dice = user.trait_dice(12).of(id as u64);
        let Some((loaded, _)) = plan.delivered(day, dice.of(0)) else {
            return Ok(());
        };
        let letter = match plan.has(Delivery::NewWords) && dice.of(1).chance(2_000) {
            true => "podcasts",
            false => letter,
        };
        files.push(
            Table::Newsletters,
            &[
                Value::Number(id),
                Value::Text(Some(&user.id)),
                Value::Text(Some(letter)),
                Value::Text(Some(if opts_in { "opt_in" } else { "opt_out" })),
                Value::Time(micros(day, second)),
                Value::Time(load_time(loaded)),
            ],
        )
    };
    for (k, (letter, share)) in NEWSLETTERS.into_iter().enumerate() {
        let dice = user.trait_dice(10).of(k as u64);
        let subscribes = dice.of(0).below(100) < share;
        if subscribes {
            push(
                number(user.signup_day, k),
                letter,
                true,
                user.signup_day,
                user.signup_second + 30,
            )?;
        }
        for day in plan.event_days().filter(|&day| day > user.signup_day) {
            let dice = user.day(day).of(question::NEWSLETTERS).of(k as u64);
            let opts_in = !subscribes || dice.of(1).chance(3_000);
            let chance = if subscribes { 15 } else { 4 };
            if dice.of(0).chance(chance) {
                push(
                    number(day, k),
                    letter,
                    opts_in,
                    day,
                    30_000 + dice.of(2).below(40_000) as i64,
                )?;
            }
        }
    }
    // Offered from three weeks before the Games; some leave once they are over.
    let dice = user.trait_dice(11);
    let joined = GAMES.start() - 21 + dice.of(0).below(35) as i64;
    if dice.of(1).below(160) < user.sport_affinity && joined > user.signup_day {
        push(
            number(joined, 4),
            "olympic_daily",
            true,
            joined,
            40_000 + dice.of(2).below(30_000) as i64,
        )?;
        if dice.of(3).chance(2_500) {
            let left = joined.max(*GAMES.end()) + 1 + dice.of(4).below(25) as i64;
            push(
                number(left, 4),
                "olympic_daily",
                false,
                left,
                40_000 + dice.of(5).below(30_000) as i64,
            )?;
        }
    }
    Ok(())
}
