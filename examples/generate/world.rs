//! What there is to watch: the catalogue, and the competitions of the summer.

use std::ops::RangeInclusive;

use chrono::{Datelike, NaiveDate};

use super::dice::{Dice, running, zipf};
use super::user::User;

/// Days are counted from 1970-01-01, and begin at midnight in France. The history always ends on 2024-08-31.
pub const LAST_DAY: i64 = 19_966;
/// The Olympic Games: 2024-07-26 to 2024-08-11.
pub const GAMES: RangeInclusive<i64> = LAST_DAY - 36..=LAST_DAY - 20;

pub const SECONDS_A_DAY: i64 = 86_400;

/// Microseconds since 1970 UTC, of a second of a day by the clocks of France.
pub fn micros(day: i64, second: i64) -> i64 {
    (day * SECONDS_A_DAY + second - utc_offset(day, second)) * 1_000_000
}

/// The seconds by which the clocks of France are ahead of UTC: an hour, and two from the last Sunday
/// of March to the last Sunday of October.
fn utc_offset(day: i64, second: i64) -> i64 {
    let year = NaiveDate::from_epoch_days(day as i32).map_or(1970, |date| date.year());
    let last_sunday = |month| {
        NaiveDate::from_ymd_opt(year, month, 31).map_or(0, |last| {
            let past_sunday = last.weekday().num_days_from_sunday();
            i64::from(last.to_epoch_days()) - i64::from(past_sunday)
        })
    };
    let begins = (last_sunday(3), 2 * 3_600);
    let ends = (last_sunday(10), 3 * 3_600);
    if (begins..ends).contains(&(day, second)) {
        7_200
    } else {
        3_600
    }
}

/// The rows of a day are loaded in one go, at its last second.
pub fn load_time(day: i64) -> i64 {
    micros(day, SECONDS_A_DAY - 1)
}

/// Streams of dice: one for each thing to decide.
mod stream {
    pub const CONTENT: u64 = 1;
    pub const COMPETITION: u64 = 2;
    pub const USER: u64 = 3;
}

pub struct Category {
    pub name: &'static str,
    pub sub_categories: &'static [&'static str],
    types: &'static [&'static str],
    weight: u64,
}

pub const CATEGORIES: [Category; 10] = [
    Category {
        name: "drama",
        sub_categories: &["crime", "period", "medical", "family"],
        types: &["series", "series", "series", "replay", "film"],
        weight: 24,
    },
    Category {
        name: "news",
        sub_categories: &["bulletin", "politics", "economy", "regional"],
        types: &["live", "live", "replay", "clip"],
        weight: 18,
    },
    Category {
        name: "cinema",
        sub_categories: &["thriller", "romance", "adventure", "classic"],
        types: &["film"],
        weight: 12,
    },
    Category {
        name: "documentary",
        sub_categories: &["nature", "history", "science", "society"],
        types: &["replay", "replay", "series"],
        weight: 10,
    },
    Category {
        name: "comedy",
        sub_categories: &["sitcom", "stand_up", "satire"],
        types: &["series", "replay", "clip"],
        weight: 9,
    },
    Category {
        name: "kids",
        sub_categories: &["cartoon", "learning", "tales"],
        types: &["series", "series", "clip"],
        weight: 9,
    },
    Category {
        name: "magazine",
        sub_categories: &["cooking", "travel", "health", "home"],
        types: &["replay", "replay", "clip"],
        weight: 7,
    },
    Category {
        name: "sport",
        sub_categories: &["talk", "highlights", "portrait"],
        types: &["replay", "clip", "live"],
        weight: 5,
    },
    Category {
        name: "music",
        sub_categories: &["concert", "classical", "festival"],
        types: &["live", "replay", "clip"],
        weight: 3,
    },
    Category {
        name: "culture",
        sub_categories: &["theatre", "books", "heritage"],
        types: &["replay", "live"],
        weight: 3,
    },
];

/// Sixteen sports, the most watched first.
pub const SPORTS: [&str; 16] = [
    "athletics",
    "swimming",
    "judo",
    "football",
    "basketball",
    "gymnastics",
    "cycling",
    "handball",
    "tennis",
    "rugby_sevens",
    "volleyball",
    "table_tennis",
    "fencing",
    "rowing",
    "climbing",
    "boxing",
];

struct Competition {
    name: &'static str,
    title: &'static str,
    first: i64,
    last: i64,
    sports: &'static [usize],
    /// The chance, out of 10,000, that a sport is on the programme of a day.
    on: u64,
    /// The chance, out of 10,000, that a play of an average fan goes to this competition.
    pull: u64,
}

const COMPETITIONS: [Competition; 4] = [
    Competition {
        name: "olympic_games",
        title: "Olympic Games",
        first: *GAMES.start(),
        last: *GAMES.end(),
        sports: &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
        on: 4_000,
        pull: 4_500,
    },
    Competition {
        name: "clay_court_open",
        title: "Clay Court Open",
        first: LAST_DAY - 97,
        last: LAST_DAY - 83,
        sports: &[8],
        on: 9_000,
        pull: 500,
    },
    Competition {
        name: "european_football",
        title: "European Football",
        first: LAST_DAY - 78,
        last: LAST_DAY - 48,
        sports: &[3],
        on: 6_500,
        pull: 900,
    },
    Competition {
        name: "cycling_grand_tour",
        title: "Cycling Grand Tour",
        first: LAST_DAY - 63,
        last: LAST_DAY - 41,
        sports: &[6],
        on: 9_200,
        pull: 700,
    },
];

const ADJECTIVES: [&str; 24] = [
    "Silent", "Last", "Hidden", "Northern", "Golden", "Broken", "Little", "Distant", "Second",
    "Open", "Blue", "Restless", "Patient", "Borrowed", "Early", "Lost", "Salt", "Winter", "Paper",
    "Honest", "Crooked", "Ninth", "Quiet", "Green",
];
const NOUNS: [&str; 24] = [
    "Harbour",
    "Witness",
    "Orchard",
    "Letters",
    "River",
    "Kitchen",
    "Station",
    "Island",
    "Garden",
    "Promise",
    "Market",
    "Theatre",
    "Mountain",
    "Neighbours",
    "Lighthouse",
    "Bridge",
    "Workshop",
    "Summer",
    "Archive",
    "Village",
    "Journey",
    "Voices",
    "Meadow",
    "Signal",
];

pub struct Content {
    pub id: String,
    pub title: String,
    pub content_type: &'static str,
    pub category: &'static str,
    pub sub_category: &'static str,
    pub duration: i64,
    pub sport: Option<&'static str>,
    pub competition: Option<&'static str>,
    pub published: i64,
    pub published_second: i64,
    /// Some durations are announced wrong and corrected later: the day, and the true duration.
    pub correction: Option<(i64, i64)>,
}

impl Content {
    pub fn duration_on(&self, day: i64) -> i64 {
        match self.correction {
            Some((corrected, duration)) if corrected <= day => duration,
            _ => self.duration,
        }
    }
}

/// A day of a competition in one sport: its live, and what it leaves behind.
struct Event {
    competition: usize,
    sport: usize,
    day: i64,
    live: usize,
    replay: usize,
    clip: usize,
}

pub struct World {
    pub users: Dice,
    contents: Vec<Content>,
    /// Contents by popularity, all and by category, and the running totals of their weights.
    all: Shelf,
    by_category: Vec<Shelf>,
    pub categories: Vec<u64>,
    /// The contents published on each day since `releases_from`.
    releases: Vec<Vec<usize>>,
    releases_from: i64,
    events: Vec<Event>,
    pub sports: Vec<u64>,
}

struct Shelf {
    contents: Vec<usize>,
    popularity: Vec<u64>,
}

impl Shelf {
    fn new(contents: Vec<usize>) -> Self {
        Shelf {
            popularity: zipf(contents.len()),
            contents,
        }
    }
}

impl World {
    /// The world from the day the releases begin to be followed until `last`.
    pub fn new(seed: u64, users: u64, last: i64) -> Self {
        let dice = Dice::new(seed);
        let mut world = World {
            users: dice.of(stream::USER),
            contents: Vec::new(),
            all: Shelf::new(Vec::new()),
            by_category: Vec::new(),
            categories: running(CATEGORIES.iter().map(|category| category.weight)),
            releases: Vec::new(),
            releases_from: LAST_DAY - 365,
            events: Vec::new(),
            sports: zipf(SPORTS.len()),
        };
        let of_content = dice.of(stream::CONTENT);
        let back_catalogue = (users / 8).clamp(500, 20_000);
        for number in 0..back_catalogue {
            let age = 400 + of_content.of(number).of(0).below(2_000) as i64;
            world.add_programme(of_content.of(number), number, LAST_DAY - age);
        }
        world.all = Shelf::new((0..world.contents.len()).collect());
        for category in &CATEGORIES {
            let of_category = |at: &usize| world.contents[*at].category == category.name;
            let shelf = Shelf::new((0..world.contents.len()).filter(of_category).collect());
            world.by_category.push(shelf);
        }
        for day in world.releases_from..=last {
            let first = world.contents.len();
            for k in 0..2 {
                let number = 100_000 + ((day - world.releases_from) * 2 + k) as u64;
                world.add_programme(of_content.of(number), number, day);
            }
            world.releases.push((first..world.contents.len()).collect());
        }
        world.add_competitions(dice.of(stream::COMPETITION));
        world
    }

    pub fn contents(&self) -> &[Content] {
        &self.contents
    }

    fn add_programme(&mut self, dice: Dice, number: u64, published: i64) {
        let category = &CATEGORIES[dice.of(1).weighted(&self.categories)];
        let content_type = dice.of(2).pick(category.types);
        let (shortest, longest) = match content_type {
            "clip" => (60_i64, 360_i64),
            "series" => (1_300, 3_300),
            "film" => (4_800, 7_800),
            "live" if category.name == "news" => (1_500, 2_700),
            "live" => (3_600, 9_000),
            _ => (1_500, 5_400),
        };
        let duration = shortest + dice.of(3).below((longest - shortest) as u64) as i64;
        let mut title = format!(
            "{} {}",
            dice.of(4).pick(&ADJECTIVES),
            dice.of(5).pick(&NOUNS)
        );
        if content_type == "series" {
            title = format!("{title}, episode {}", 1 + dice.of(6).below(12));
        }
        // Corrections fall in the last year, so that the history shows them and the days after too.
        let correction = dice.of(7).chance(600).then(|| {
            let day = published.max(LAST_DAY - 120) + 1 + dice.of(8).below(150) as i64;
            (day, duration + 30 + dice.of(9).below(240) as i64)
        });
        self.contents.push(Content {
            id: format!("C{number:06}"),
            title,
            content_type,
            category: category.name,
            sub_category: dice.of(10).pick(category.sub_categories),
            duration,
            sport: None,
            competition: None,
            published,
            published_second: dice.of(11).below(68_400) as i64,
            correction,
        });
    }

    fn add_competitions(&mut self, dice: Dice) {
        for (at, competition) in COMPETITIONS.iter().enumerate() {
            for day in competition.first..=competition.last {
                for &sport in competition.sports {
                    let dice = dice.of(at as u64).of(day as u64).of(sport as u64);
                    if !dice.of(0).chance(competition.on) {
                        continue;
                    }
                    let number = 200_000
                        + at as u64 * 10_000
                        + (day - competition.first) as u64 * 100
                        + sport as u64 * 3;
                    let title = format!(
                        "{}: {}, day {}",
                        competition.title,
                        SPORTS[sport].replace('_', " "),
                        day - competition.first + 1
                    );
                    let first = self.contents.len();
                    let kinds = [("live", 9_000), ("replay", 5_400), ("clip", 180)];
                    for (k, (content_type, duration)) in kinds.into_iter().enumerate() {
                        self.contents.push(Content {
                            id: format!("C{:06}", number + k as u64),
                            title: format!("{title} ({content_type})"),
                            content_type,
                            category: "sport",
                            sub_category: SPORTS[sport],
                            duration: duration / 2
                                + dice.of(1 + k as u64).below(duration as u64) as i64,
                            sport: Some(SPORTS[sport]),
                            competition: Some(competition.name),
                            published: day,
                            published_second: 28_800 + dice.of(9).below(28_800) as i64,
                            correction: None,
                        });
                    }
                    let event = Event {
                        competition: at,
                        sport,
                        day,
                        live: first,
                        replay: first + 1,
                        clip: first + 2,
                    };
                    self.events.push(event);
                }
            }
        }
    }

    /// The content of one play.
    pub fn choose(&self, user: &User, day: i64, dice: Dice) -> &Content {
        for (at, competition) in COMPETITIONS.iter().enumerate() {
            let chance = competition.pull * (20 + 16 * user.sport_affinity / 10) / 100;
            let chance = match day - competition.last {
                _ if day < competition.first => continue,
                ..=0 => chance,
                1..=14 => chance / 6,
                _ => continue,
            };
            if dice.of(100 + at as u64).chance(chance.min(9_500))
                && let Some(content) = self.choose_event(at, user, day, dice)
            {
                return content;
            }
        }
        if dice.of(1).chance(1_500) {
            let age = dice.of(2).below(7) as i64 + 1;
            if let Some(fresh) = self.releases.get((day - age - self.releases_from) as usize) {
                return &self.contents[dice.of(3).pick(fresh)];
            }
        }
        let shelf = match dice.of(4).below(100) {
            0..45 => &self.by_category[user.favourites[0]],
            45..65 => &self.by_category[user.favourites[1]],
            _ => &self.all,
        };
        &self.contents[shelf.contents[dice.of(5).weighted(&shelf.popularity)]]
    }

    fn choose_event(
        &self,
        competition: usize,
        user: &User,
        day: i64,
        dice: Dice,
    ) -> Option<&Content> {
        let of_competition = self
            .events
            .iter()
            .filter(|event| event.competition == competition && event.day <= day);
        let sport = if dice.of(20).chance(5_000) {
            user.favourite_sport
        } else {
            dice.of(21).weighted(&self.sports)
        };
        // The sport may not have been on yet: then whatever was, so that the Games fill from day one.
        let latest = of_competition
            .clone()
            .rfind(|event| event.sport == sport)
            .or_else(|| of_competition.clone().next_back())?;
        let at = match (latest.day == day, dice.of(22).below(100)) {
            (true, 0..70) => latest.live,
            (true, _) => latest.clip,
            (false, 0..65) => latest.replay,
            (false, _) => latest.clip,
        };
        Some(&self.contents[at])
    }
}
