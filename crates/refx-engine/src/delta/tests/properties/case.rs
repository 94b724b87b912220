//! What is drawn: the settings of a table, and the batches that go into it.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, Utc};
use proptest::collection::vec;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::super::merging::rules;
use super::super::{Action, Location, Merge, OwnColumn, Write, key};
use super::model::{Cell, Float, Row};
use refx_core::project::config::{ColumnRule, OnDuplicateKey, OnMissing};

const NAMES: [&str; 4] = ["a", "B", "ä ö/%", "="];
const NUMBERS: [f64; 5] = [f64::NAN, 0.0, 1.5, -2.0, 1e300];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    Refused,
    First,
    Last,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    Keep,
    Delete,
    Flag,
    Expire(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Merge,
    Overwrite,
    DeleteInsert,
    Append,
    Partitions,
}

/// A table's settings and its batches.
#[derive(Clone, Debug)]
pub struct Case {
    pub key: Vec<String>,
    pub partition_by: Vec<String>,
    pub rules: BTreeMap<String, ColumnRule>,
    pub duplicates: Duplicates,
    pub only_newer: bool,
    pub chooses: bool,
    pub forgets: bool,
    pub missing: Missing,
    /// Whether only a part of the table can go missing.
    pub partly: bool,
    pub ratio: f64,
    pub prune_by: Vec<String>,
    pub batches: Vec<Batch>,
}

/// The rows of one write.
#[derive(Clone, Debug)]
pub struct Batch {
    step: Step,
    rows: Vec<Drawn>,
    /// Columns that are selected besides those of every batch.
    more: Vec<&'static str>,
    /// Whether a key may come twice.
    repeats: bool,
    null_key: bool,
    /// Whether it is the batch before once more.
    again: bool,
}

#[derive(Clone, Debug)]
struct Drawn {
    key: (i64, &'static str, i32),
    n: Option<i64>,
    f: Option<f64>,
    s: Option<&'static str>,
    at: Option<i64>,
    gone: Option<bool>,
    p: Option<&'static str>,
    more: (Option<&'static str>, Option<i64>),
}

pub fn strategy() -> impl Strategy<Value = Case> {
    let keys = select(vec![
        vec!["id"],
        vec!["name"],
        vec!["day"],
        vec!["id", "name"],
        vec!["name", "day"],
        vec!["day", "id"],
    ]);
    let partitions = prop_oneof![
        2 => Just(vec![]),
        2 => Just(vec!["p"]),
        1 => Just(vec!["key"]),
        1 => Just(vec!["p", "key"]),
    ];
    let conditions = (
        weighted_bool(0.3),
        weighted_bool(0.25),
        weighted_bool(0.3),
        weighted_bool(0.3),
    );
    let missing = prop_oneof![
        3 => Just(Missing::Keep),
        2 => Just(Missing::Delete),
        2 => Just(Missing::Flag),
        1 => (0_u32..3).prop_map(Missing::Expire),
    ];
    let duplicates = select(vec![
        Duplicates::Refused,
        Duplicates::First,
        Duplicates::Last,
        Duplicates::Last,
    ]);
    let ratio = prop_oneof![3 => Just(1.0), 1 => Just(0.5)];
    let prune_by = prop_oneof![3 => Just(None), 1 => Just(Some("key")), 1 => Just(Some("at"))];
    let settings = (keys, partitions, column_rules(), duplicates, conditions);
    (settings, missing, ratio, prune_by, vec(batch(), 2..6)).prop_map(
        |((key, by, rules, duplicates, conditions), missing, ratio, prune_by, mut batches)| {
            for at in 1..batches.len() {
                if batches[at].again {
                    batches[at] = batches[at - 1].clone();
                }
            }
            let own = |names: &[&str]| -> Vec<String> {
                let names = names.iter();
                let names = names.map(|name| if *name == "key" { key[0] } else { name });
                names.map(str::to_owned).collect()
            };
            let (only_newer, chooses, forgets, partly) = conditions;
            Case {
                partition_by: own(&by),
                prune_by: own(&prune_by.into_iter().collect::<Vec<_>>()),
                key: own(&key),
                rules,
                duplicates,
                only_newer,
                chooses,
                forgets,
                missing,
                partly,
                ratio,
                batches,
            }
        },
    )
}

fn weighted_bool(probability: f64) -> impl Strategy<Value = bool> {
    proptest::bool::weighted(probability)
}

/// A rule for some of the columns; the others are replaced.
fn column_rules() -> impl Strategy<Value = BTreeMap<String, ColumnRule>> {
    let any = || {
        let sum = Just(ColumnRule::Sum);
        prop_oneof![1 => sum, 5 => ordered()]
    };
    let none = || Just(ColumnRule::Replace);
    let number = || prop_oneof![none().boxed(), any().boxed()];
    let text = || prop_oneof![none().boxed(), ordered().boxed()];
    (number(), number(), text(), text(), text(), number()).prop_map(|(n, f, s, at, x, y)| {
        let each = [("n", n), ("f", f), ("s", s), ("at", at), ("x", x), ("y", y)];
        each.into_iter()
            .map(|(name, rule)| (name.to_owned(), rule))
            .collect()
    })
}

fn ordered() -> impl Strategy<Value = ColumnRule> {
    select(vec![
        ColumnRule::Replace,
        ColumnRule::Keep,
        ColumnRule::Min,
        ColumnRule::Max,
        ColumnRule::Coalesce,
    ])
}

fn batch() -> impl Strategy<Value = Batch> {
    let step = prop_oneof![
        8 => Just(Step::Merge),
        1 => Just(Step::Overwrite),
        1 => Just(Step::DeleteInsert),
        1 => Just(Step::Append),
        2 => Just(Step::Partitions),
    ];
    let rows = vec(drawn(), 0..10);
    let more = prop_oneof![
        3 => Just(vec![]),
        2 => subsequence(vec!["x", "y"], 1..=2),
    ];
    let odd = (weighted_bool(0.1), weighted_bool(0.03), weighted_bool(0.2));
    (step, rows, more, odd).prop_map(|(step, rows, more, (repeats, null_key, again))| Batch {
        step,
        rows,
        more,
        repeats,
        null_key,
        again,
    })
}

fn drawn() -> impl Strategy<Value = Drawn> {
    (
        (0_i64..6, select(NAMES.to_vec()), 19_722_i32..19_726),
        weighted(0.8, -1_i64..5),
        weighted(0.8, select(NUMBERS.to_vec())),
        weighted(0.8, select(vec!["", "s", "t's", "\"u\"\n"])),
        weighted(0.9, 0_i64..6),
        weighted(0.8, weighted_bool(0.3)),
        weighted(0.8, select(vec!["p", "Q r", "p=1/2"])),
        (
            weighted(0.6, select(vec!["x", "X"])),
            weighted(0.6, 0_i64..4),
        ),
    )
        .prop_map(|(key, n, f, s, at, gone, p, more)| Drawn {
            key,
            n,
            f,
            s,
            at,
            gone,
            p,
            more,
        })
}

impl Case {
    /// What is done with a batch. Only a table with partitions can have some of them replaced.
    pub fn step(&self, batch: &Batch) -> Step {
        match batch.step {
            Step::Partitions if self.partition_by.is_empty() => Step::Merge,
            step => step,
        }
    }

    pub fn columns(&self, batch: &Batch) -> Vec<String> {
        let columns = ["id", "name", "day", "n", "f", "s", "at", "gone", "p"];
        let all = columns.iter().chain(&batch.more);
        all.map(|name| (*name).to_owned()).collect()
    }

    /// The rows of the query, before any rule is applied.
    pub fn rows(&self, batch: &Batch) -> Vec<Row> {
        let columns = self.columns(batch);
        let mut seen = BTreeSet::new();
        let mut rows = Vec::new();
        for drawn in &batch.rows {
            let mut row = drawn.row();
            row.retain(|column, _| columns.contains(column));
            let key: Vec<Cell> = self.key.iter().map(|name| row[name].clone()).collect();
            let is_new = seen.insert(key);
            if is_new || batch.repeats || self.duplicates != Duplicates::Refused {
                rows.push(row);
            }
        }
        if batch.null_key
            && let Some(row) = rows.first_mut()
        {
            row.insert(self.key[0].clone(), Cell::Null);
        }
        rows
    }

    /// The same as a query. A row that it leaves out again gives the columns their types.
    pub fn sql(&self, batch: &Batch) -> String {
        let typed = Drawn {
            key: (0, "", 0),
            n: Some(0),
            f: Some(0.0),
            s: Some(""),
            at: Some(0),
            gone: Some(false),
            p: Some(""),
            more: (Some(""), Some(0)),
        };
        let columns = self.columns(batch);
        let values = |row: &Row, kept: bool| {
            let values = columns.iter().map(|name| literal(&row[name]));
            let values: Vec<String> = values.chain([kept.to_string()]).collect();
            format!("({})", values.join(", "))
        };
        let rows = self.rows(batch);
        let rows = rows.iter().map(|row| values(row, true));
        let rows: Vec<String> = [values(&typed.row(), false)]
            .into_iter()
            .chain(rows)
            .collect();
        let select = columns.iter().enumerate().map(|(index, name)| {
            let data_type = match name.as_str() {
                "id" | "n" | "at" | "y" => "bigint",
                "f" => "double",
                "day" => "date",
                "gone" => "boolean",
                _ => "varchar",
            };
            format!("cast(column{} as {data_type}) as {name}", index + 1)
        });
        let select: Vec<String> = select.collect();
        let (select, rows) = (select.join(", "), rows.join(", "));
        format!(
            "select {select} from (values {rows}) where column{}",
            columns.len() + 1
        )
    }

    /// The column that refx keeps, and what it is in a row that the query gives.
    pub fn own(&self) -> Option<(String, Cell)> {
        match self.missing {
            Missing::Keep | Missing::Delete => None,
            Missing::Flag => Some(("flagged".to_owned(), Cell::Bool(false))),
            Missing::Expire(_) => Some((OnMissing::SINCE.to_owned(), Cell::Null)),
        }
    }

    pub fn rule(&self, column: &str) -> ColumnRule {
        self.rules.get(column).cloned().unwrap_or_default()
    }

    pub fn inserts(&self, row: &Row) -> bool {
        (!self.chooses || row["n"] != Cell::Int(3)) && !self.deletes(row)
    }

    pub fn deletes(&self, row: &Row) -> bool {
        self.forgets && row["gone"] == Cell::Bool(true)
    }

    /// Whether a row of the table can go missing.
    pub fn misses(&self, row: &Row) -> bool {
        !self.partly || matches!(row["n"], Cell::Int(n) if n > 1)
    }

    pub fn write(&self, location: Location, batch: &Batch, number: usize) -> Write {
        let key = key(&self.key.iter().map(String::as_str).collect::<Vec<_>>());
        let on_missing = match self.missing {
            Missing::Keep => OnMissing::Keep,
            Missing::Delete => OnMissing::Delete,
            Missing::Flag => OnMissing::Flag("flagged".to_owned()),
            Missing::Expire(days) => OnMissing::ExpireAfter(days),
        };
        let text = |given: bool, text: &str| given.then(|| text.to_owned());
        let named: Vec<_> = self.rules.iter().collect();
        let selected = self.columns(batch);
        let named = named
            .into_iter()
            .filter(|(name, _)| selected.contains(name));
        let named: Vec<_> = named
            .map(|(name, rule)| (name.as_str(), rule.clone()))
            .collect();
        let own_column = OwnColumn::of(&on_missing);
        let action = match self.step(batch) {
            Step::Overwrite => Action::Overwrite { key: Some(key) },
            Step::DeleteInsert => Action::DeleteInsert {
                by: key.clone(),
                key: Some(key),
            },
            Step::Append => Action::Append { key: Some(key) },
            Step::Partitions => Action::InsertOverwrite { key: Some(key) },
            Step::Merge => Action::Merge(Merge {
                on_match: rules(&named),
                update_when: text(self.only_newer, "source.at > target.at"),
                insert_when: text(self.chooses, "source.n is distinct from 3"),
                delete_when: text(self.forgets, "gone"),
                on_missing,
                missing_when: text(self.partly, "target.n > 1"),
                max_delete_ratio: self.ratio,
                prune_by: self.prune_by.clone(),
                as_of: instant(number),
                ..Merge::on(key)
            }),
        };
        let feed = ("delta.enableChangeDataFeed".to_owned(), "true".to_owned());
        Write {
            partition_by: self.partition_by.clone(),
            on_duplicate_key: match self.duplicates {
                Duplicates::Refused => OnDuplicateKey::Error,
                Duplicates::First => OnDuplicateKey::FirstBy("at".to_owned()),
                Duplicates::Last => OnDuplicateKey::LastBy("at".to_owned()),
            },
            own_column,
            configuration: BTreeMap::from([feed]),
            ..Write::new(location, action)
        }
    }
}

impl Drawn {
    fn row(&self) -> Row {
        let text = |text: Option<&str>| text.map_or(Cell::Null, |text| Cell::Text(text.to_owned()));
        let whole = |number: Option<i64>| number.map_or(Cell::Null, Cell::Int);
        let (id, name, day) = self.key;
        let cells = [
            ("id", Cell::Int(id)),
            ("name", text(Some(name))),
            ("day", Cell::Day(day)),
            ("n", whole(self.n)),
            ("f", self.f.map_or(Cell::Null, |f| Cell::Float(Float(f)))),
            ("s", text(self.s)),
            ("at", whole(self.at)),
            ("gone", self.gone.map_or(Cell::Null, Cell::Bool)),
            ("p", text(self.p)),
            ("x", text(self.more.0)),
            ("y", whole(self.more.1)),
        ];
        let cells = cells.into_iter();
        cells.map(|(name, cell)| (name.to_owned(), cell)).collect()
    }
}

/// The as-of instant of a batch: they come a day apart.
pub fn instant(number: usize) -> DateTime<Utc> {
    DateTime::UNIX_EPOCH + Duration::days(19_800 + i64::try_from(number).unwrap())
}

fn literal(cell: &Cell) -> String {
    match cell {
        Cell::Null => "null".to_owned(),
        Cell::Bool(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        // As text, of which the query makes numbers: NaN has no literal.
        Cell::Float(Float(value)) => format!("'{value}'"),
        Cell::Text(value) => format!("'{}'", value.replace('\'', "''")),
        Cell::Day(day) => format!(
            "'{}'",
            (DateTime::UNIX_EPOCH + Duration::days((*day).into())).date_naive()
        ),
        Cell::At(_) => panic!("no batch gives instants"),
    }
}
