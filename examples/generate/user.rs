//! Who watches: a user is worked out again from a number whenever one is needed, and never stored.

use super::dice::{Dice, running};
use super::world::{CATEGORIES, GAMES, LAST_DAY, SPORTS, World};

/// Regions by population (in tens of thousands), so that the demonstration looks like a country.
const REGIONS: [(&str, u64); 13] = [
    ("IDF", 1_232),
    ("ARA", 811),
    ("NAQ", 607),
    ("OCC", 605),
    ("HDF", 598),
    ("GES", 556),
    ("PAC", 513),
    ("PDL", 385),
    ("BRE", 340),
    ("NOR", 333),
    ("BFC", 280),
    ("CVL", 257),
    ("COR", 35),
];

const DEVICES: [&str; 4] = ["mobile", "tv", "desktop", "tablet"];
const SOURCES: [&str; 4] = ["web", "app", "tv", "partner"];

pub struct User {
    dice: Dice,
    pub id: String,
    pub no: u64,
    pub birth_year: Option<i32>,
    pub signup_source: &'static str,
    pub signup_day: i64,
    pub signup_second: i64,
    /// The last day on which a visit may happen.
    last_day: i64,
    /// The chance to come on an ordinary day, out of 10,000.
    rate: u64,
    /// Comes for the Games, and is gone with them.
    only_games: bool,
    pub sport_affinity: u64,
    pub favourite_sport: usize,
    /// The two categories that this user comes back to.
    pub favourites: [usize; 2],
    devices: [&'static str; 2],
}

impl User {
    /// A user of the history.
    pub fn new(world: &World, no: u64) -> Self {
        let dice = world.users.of(no);
        // 60 % signed up in the five years before the summer, the others during it; the Games
        // bring more than their share.
        let signup_day = match dice.of(1).below(100) {
            0..60 => LAST_DAY - 120 - dice.of(2).below(1_700) as i64,
            60..88 => LAST_DAY - dice.of(2).below(120) as i64,
            _ => GAMES.start() - 2 + dice.of(2).below(14) as i64,
        };
        User::on(world, no, signup_day)
    }

    /// A user who signs up on a given day.
    pub fn on(world: &World, no: u64, signup_day: i64) -> Self {
        let dice = world.users.of(no);
        let only_games = dice.of(3).chance(600);
        let inactive = dice.of(4).chance(1_400);
        // A power law by cubing a draw between 0 and 1: few come every day, most now and then.
        let draw = 1 + dice.of(5).below(1_000);
        let rate = if inactive || only_games {
            0
        } else {
            60 + draw * draw * draw * 8 / 1_000_000
        };
        let leaves = dice.of(6).chance(3_000);
        let last_day = if leaves {
            signup_day.max(LAST_DAY - 150) + 3 + dice.of(7).below(160) as i64
        } else {
            i64::MAX
        };
        let categories = &world.categories;
        let birth_year = (!dice.of(8).chance(500))
            .then(|| 1_940 + (dice.of(9).below(45) + dice.of(10).below(25)) as i32);
        let primary = match dice.of(11).below(100) {
            0..45 => 0,
            45..70 => 1,
            70..90 => 2,
            _ => 3,
        };
        User {
            dice,
            id: format!("U{:07}", no + 1),
            no,
            birth_year,
            signup_source: SOURCES[dice.of(12).weighted(&[45, 75, 90, 100])],
            signup_day,
            signup_second: dice.of(13).below(43_200) as i64 + 25_200,
            last_day,
            rate,
            only_games,
            sport_affinity: if only_games {
                90
            } else {
                dice.of(14).below(100)
            },
            favourite_sport: dice.of(15).weighted(&world.sports),
            favourites: [
                dice.of(16).weighted(categories),
                dice.of(17).weighted(categories),
            ],
            devices: [DEVICES[primary], dice.of(18).pick(&DEVICES)],
        }
    }

    /// The dice of a user's day.
    pub fn day(&self, day: i64) -> Dice {
        self.dice.of(1_000).of(day as u64)
    }

    /// How a user is, whatever the day.
    pub fn trait_dice(&self, question: u64) -> Dice {
        self.dice.of(2_000 + question)
    }

    /// The chance to come on a day, out of 10,000.
    pub fn chance_on(&self, day: i64) -> u64 {
        if day < self.signup_day || day > self.last_day {
            return 0;
        }
        // 1970-01-01 was a Thursday.
        let weekend = matches!((day + 3).rem_euclid(7), 5 | 6);
        let rate = if weekend {
            self.rate * 6 / 5
        } else {
            self.rate
        };
        let rate = match (GAMES.contains(&day), self.only_games) {
            (true, true) => 3_000,
            (true, false) => rate * (120 + self.sport_affinity * 3 / 4) / 100,
            (false, _) => rate,
        };
        rate.min(9_600)
    }

    /// The region on a day: people move. The spelling of some loads is careless.
    pub fn region(&self, version: u64) -> Option<String> {
        let dice = self.trait_dice(1).of(version);
        if dice.of(0).chance(300) {
            return None;
        }
        let code = REGIONS[dice
            .of(1)
            .weighted(&running(REGIONS.iter().map(|region| region.1)))]
        .0;
        match dice.of(2).below(100) {
            0 => Some(code.to_lowercase()),
            1 => Some(format!(" {code} ")),
            _ => Some(code.to_owned()),
        }
    }

    /// Whether they agree to be contacted with offers, on a day; some were never asked.
    pub fn marketing_consent(&self, version: u64) -> Option<bool> {
        let asked = !self.trait_dice(2).chance(1_200);
        asked.then(|| self.trait_dice(3).of(version).chance(5_500))
    }

    /// The device of a session; unknown now and then, and one application writes it in capitals.
    pub fn device(&self, dice: Dice) -> Option<&'static str> {
        let device = if dice.of(0).chance(7_500) {
            self.devices[0]
        } else {
            self.devices[1]
        };
        match (dice.of(1).below(200), device) {
            (0..3, _) => None,
            (3..6, "mobile") => Some("Mobile"),
            (3..6, "tv") => Some("TV"),
            _ => Some(device),
        }
    }

    pub fn favourite_category(&self) -> &'static str {
        CATEGORIES[self.favourites[0]].name
    }

    pub fn favourite_sport_name(&self) -> &'static str {
        SPORTS[self.favourite_sport]
    }
}
