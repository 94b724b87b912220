//! Random rows and random conditions on them.

/// The types of the columns.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Number,
    Long,
    Text,
    Float,
    Truth,
    Day,
    Instant,
    Decimal,
}

use Kind::{Day, Decimal, Float, Instant, Long, Number, Text, Truth};

/// Columns whose names begin with `p` are partition columns of some table.
pub const COLUMNS: [(&str, Kind); 14] = [
    ("id", Long),
    ("k", Number),
    ("n", Long),
    ("s", Text),
    ("f", Float),
    ("b", Truth),
    ("d", Day),
    ("ts", Instant),
    ("m", Decimal),
    ("pt", Text),
    ("pi", Number),
    ("pf", Float),
    ("pd", Day),
    ("pb", Truth),
];

/// One more that can only be NULL or a small number, since a folder is made of each value.
pub const PARTITION_DECIMAL: &str = "pm";

const KINDS: [Kind; 8] = [Number, Long, Text, Float, Truth, Day, Instant, Decimal];

impl Kind {
    pub fn sql(self) -> &'static str {
        match self {
            Number => "integer",
            Long => "bigint",
            Text => "varchar",
            Float => "double",
            Truth => "boolean",
            Day => "date",
            Instant => "timestamp(6)",
            Decimal => "decimal(9,2)",
        }
    }

    fn values(self) -> &'static [&'static str] {
        match self {
            Number => &["-1", "0", "1", "2", "7"],
            Long => &["-5", "0", "3", "9007199254740993", "9223372036854775807"],
            Text => &["''", "'a'", "'B'", "'a b'", "'é'", "'zz'"],
            Float => &["'NaN'", "-0.0", "0.0", "1.5", "-2.25", "'inf'", "'-inf'"],
            Truth => &["true", "false"],
            Day => &["'1969-12-31'", "'2024-02-29'", "'2024-03-01'"],
            Instant => &[
                "'2024-02-29 12:00:00.123456'",
                "'2024-02-29 12:00:00.123'",
                "'1969-12-31 23:59:59.999999'",
            ],
            Decimal => &["-1.50", "0.00", "2.25", "10.00"],
        }
    }
}

/// Draws everything; the same seed gives the same.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5851_F42D_4C95_7F2D)
    }

    fn below(&mut self, end: usize) -> usize {
        // SplitMix64.
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % end as u64).unwrap()
    }

    fn of<T: Copy>(&mut self, options: &[T]) -> T {
        options[self.below(options.len())]
    }

    fn odds(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A SELECT of so many rows, numbered from `first`.
    pub fn rows(&mut self, first: usize, count: usize) -> String {
        let mut rows = Vec::new();
        for id in first..first + count {
            let mut items = Vec::new();
            for (name, kind) in COLUMNS {
                let value = match name {
                    "id" => id.to_string(),
                    _ if self.odds(25) => "null".to_owned(),
                    _ => self.of(kind.values()).to_owned(),
                };
                items.push(format!("cast({value} as {}) as {name}", kind.sql()));
            }
            let value = self.of(&["null", "1.50", "2.25"]);
            items.push(format!(
                "cast({value} as decimal(9,2)) as {PARTITION_DECIMAL}"
            ));
            rows.push(format!("select {}", items.join(", ")));
        }
        rows.join(" union all ")
    }

    pub fn condition(&mut self, depth: usize) -> String {
        if depth > 0 && self.odds(45) {
            let (one, other) = (self.condition(depth - 1), self.condition(depth - 1));
            let is = self.of(&["null", "not null", "true", "not true", "false", "not false"]);
            return match self.below(6) {
                0 | 1 => format!("({one} and {other})"),
                2 | 3 => format!("({one} or {other})"),
                4 => format!("(not {one})"),
                _ => format!("({one} is {is})"),
            };
        }
        let kind = self.of(&KINDS);
        let value = self.value(kind, 1);
        match self.below(10) {
            0..=3 => {
                let operators = ["=", "<>", "<", "<=", ">", ">="];
                let distinct = ["is distinct from", "is not distinct from"];
                let operator = match self.odds(80) {
                    true => self.of(&operators),
                    false => self.of(&distinct),
                };
                format!("({value} {operator} {})", self.value(kind, 1))
            }
            4 => {
                let (low, high) = (self.value(kind, 0), self.value(kind, 0));
                let not = self.of(&["", "not "]);
                format!("({value} {not}between {low} and {high})")
            }
            5 | 6 => {
                let count = 1 + self.below(4);
                let items: Vec<String> = (0..count).map(|_| self.literal(kind)).collect();
                let not = self.of(&["", "not "]);
                format!("({value} {not}in ({}))", items.join(", "))
            }
            7 => format!("({value} is {}null)", self.of(&["", "not "])),
            8 => {
                let text = self.value(Text, 1);
                let pattern = self.of(&["'%'", "'a%'", "'_'", "''", "'%b'", "null"]);
                format!("({text} {}like {pattern})", self.of(&["", "not "]))
            }
            _ => self.of(&["b", "pb", "true", "false", "null"]).to_owned(),
        }
    }

    fn literal(&mut self, kind: Kind) -> String {
        match self.odds(15) {
            true if self.odds(50) => "null".to_owned(),
            true => format!("cast(null as {})", kind.sql()),
            false => format!("cast({} as {})", self.of(kind.values()), kind.sql()),
        }
    }

    fn column(&mut self, kind: Kind) -> String {
        let named: Vec<&str> = COLUMNS
            .iter()
            .filter(|(_, of)| *of == kind)
            .map(|(name, _)| *name)
            .collect();
        match kind {
            Decimal if self.odds(50) => PARTITION_DECIMAL.to_owned(),
            _ => self.of(&named).to_owned(),
        }
    }

    fn value(&mut self, kind: Kind, depth: usize) -> String {
        if depth == 0 || self.odds(60) {
            return match self.odds(60) {
                true => self.column(kind),
                false => self.literal(kind),
            };
        }
        let one = self.value(kind, 0);
        let other = self.value(kind, 0);
        match (self.below(6), kind) {
            (0, _) => format!("coalesce({one}, {other})"),
            (1, _) => format!("nullif({one}, {other})"),
            (2, _) => {
                let condition = self.condition(0);
                format!("case when {condition} then {one} else {other} end")
            }
            (3, Number) => format!("try_cast({} as integer)", self.column(Text)),
            (3, Long) => format!("cast({} as bigint)", self.column(Number)),
            (3, Float) => format!("cast({} as double)", self.column(Number)),
            (3, Text) => format!("cast({} as varchar)", self.column(Day)),
            (3, Day) => format!("cast({} as date)", self.column(Instant)),
            (3, Instant) => format!("cast({} as timestamp)", self.column(Day)),
            (3, Decimal) => format!("cast({} as decimal(12,3))", self.column(Number)),
            (4, Number) => format!("({one} + 1)"),
            (4, Float) => format!("abs({one})"),
            (4, Text) => format!("({one} || 'x')"),
            (4, Truth) => format!("(not {one})"),
            _ => self.column(kind),
        }
    }
}
