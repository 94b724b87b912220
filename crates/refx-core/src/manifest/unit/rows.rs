//! Rows of a unit test, in any of the three ways to write them, with the place of every value.

use std::sync::Arc;

use crate::diagnostic::{Code, Diagnostic, Span};
use crate::project::yaml::{self, Value};
use crate::project::{Node as Yaml, RowFormat, Spanned, TextFile};

use super::{Content, Grid, Rows};

/// `rows`, `format` and `fixture`, as they stand beside each other in a properties file.
pub(super) struct Written<'a> {
    pub rows: Option<&'a Yaml>,
    pub format: Option<&'a Spanned<RowFormat>>,
    pub fixture: Option<&'a Spanned<String>>,
    /// Where what they belong to is named.
    pub place: &'a Span,
}

/// The texts that rows can be in beside the properties file itself.
#[derive(Clone, Copy)]
pub(super) struct Texts<'a> {
    pub fixtures: &'a [TextFile],
    /// The text of a file of the project.
    pub file: &'a dyn Fn(&str) -> Option<Arc<str>>,
}

impl Rows {
    /// Rows that stand by themselves: a list of maps.
    ///
    /// # Errors
    /// [`Code::InvalidRows`] where they are none.
    pub fn read(node: &Yaml) -> Result<Rows, Diagnostic> {
        let written = Written {
            rows: Some(node),
            format: None,
            fixture: None,
            place: &node.span,
        };
        written.read(Texts {
            fixtures: &[],
            file: &|_| None,
        })
    }
}

impl Written<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_none() && self.fixture.is_none()
    }

    /// Reads the rows.
    ///
    /// # Errors
    /// [`Code::UnknownFixture`]; [`Code::InvalidRows`] where they are not what their format says.
    pub(super) fn read(&self, texts: Texts<'_>) -> Result<Rows, Diagnostic> {
        match (self.rows, self.fixture) {
            (Some(rows), None) => self.inline(rows, texts),
            (None, Some(fixture)) => self.of_fixture(fixture, texts.fixtures),
            (Some(rows), Some(_)) => Err(Diagnostic::error(
                Code::InvalidRows,
                "`rows` stands beside `fixture`, and both say what the rows are",
            )
            .at(rows.span.clone())
            .help("keep one of the two")),
            (None, None) => Err(Diagnostic::error(Code::InvalidRows, "no rows are given")
                .at(self.place.clone())
                .help("write them under `rows:`, or `rows: []` for none")),
        }
    }

    fn inline(&self, rows: &Yaml, texts: Texts<'_>) -> Result<Rows, Diagnostic> {
        let format = self.format.map(|format| format.value);
        let content =
            match (format, &rows.value) {
                (None | Some(RowFormat::Dict), Value::List(items)) => Content::Grid(dicts(items)?),
                (None | Some(RowFormat::Dict), Value::Null) => Content::Grid(Grid::default()),
                (Some(RowFormat::Csv), Value::String(text)) => {
                    let lines = Lines::of(rows, text, texts);
                    Content::Grid(csv(text, &|at| lines.place(at))?)
                }
                (Some(RowFormat::Sql), Value::String(text)) => Content::Sql(Spanned {
                    value: text.as_str().into(),
                    span: rows.span.clone(),
                }),
                (None, Value::String(_)) => {
                    return Err(Diagnostic::error(
                        Code::InvalidRows,
                        "`rows` is text, and nothing says how to read it",
                    )
                    .at(rows.span.clone())
                    .help("say it beside `rows:`: `format: csv` or `format: sql`"));
                }
                (Some(RowFormat::Csv | RowFormat::Sql), _) => {
                    let format = format.map_or("", RowFormat::as_str);
                    return Err(yaml::wrong_type("text", rows)
                        .help(format!("write {format} below `rows: |`")));
                }
                _ => {
                    return Err(yaml::wrong_type("a list", rows)
                        .help("write a row a line: `- {user_id: u1}`"));
                }
            };
        Ok(Rows {
            content,
            format: format.unwrap_or(RowFormat::Dict),
            fixture: None,
            span: rows.span.clone(),
        })
    }

    fn of_fixture(
        &self,
        fixture: &Spanned<String>,
        files: &[TextFile],
    ) -> Result<Rows, Diagnostic> {
        let wanted = self.format.map(|format| format.value);
        let known = |file: &TextFile| {
            let (stem, ending) = file.path.rsplit('/').next()?.rsplit_once('.')?;
            let format = match ending {
                "csv" => RowFormat::Csv,
                _ => RowFormat::Sql,
            };
            Some((stem.to_owned(), format))
        };
        let found = files.iter().find_map(|file| {
            let (name, format) = known(file)?;
            let fits = name == fixture.value && wanted.is_none_or(|wanted| wanted == format);
            fits.then_some((file, format))
        });
        let Some((file, format)) = found else {
            let names: Vec<String> = files
                .iter()
                .filter_map(known)
                .map(|(name, _)| name)
                .collect();
            let ending = match wanted {
                Some(RowFormat::Sql) => "sql",
                _ => "csv",
            };
            let diagnostic = Diagnostic::error(
                Code::UnknownFixture,
                format!("no fixture named `{}`", fixture.value),
            )
            .at(fixture.span.clone())
            .did_you_mean(&fixture.value, names.iter().map(String::as_str));
            return Err(match diagnostic.help {
                Some(_) => diagnostic,
                None => diagnostic.help(format!(
                    "make the file tests/fixtures/{}.{ending}",
                    fixture.value
                )),
            });
        };
        let whole = Span::new(file.path.clone(), 0..0);
        let content = match format {
            RowFormat::Sql => Content::Sql(Spanned {
                value: file.text.clone(),
                span: whole.clone(),
            }),
            RowFormat::Csv | RowFormat::Dict => {
                Content::Grid(csv(&file.text, &|at| Span::new(file.path.clone(), at..at))?)
            }
        };
        Ok(Rows {
            content,
            format,
            fixture: Some(fixture.value.clone()),
            span: whole,
        })
    }
}

/// Rows as maps. A column that only some rows name is NULL in the others.
fn dicts(items: &[Yaml]) -> Result<Grid, Diagnostic> {
    let mut grid = Grid::default();
    for item in items {
        let Some(entries) = item.as_map().filter(|entries| !entries.is_empty()) else {
            return Err(yaml::wrong_type("the columns of a row by name", item)
                .help("write a row as `- {user_id: u1, plays: 3}`"));
        };
        let mut row: Vec<Option<Yaml>> = vec![None; grid.columns.len()];
        for (key, value) in entries {
            let name = key.scalar_text().unwrap_or_default().into_owned();
            let at = grid.columns.iter().position(|known| known.value == name);
            match at {
                Some(at) => row[at] = Some(value.clone()),
                None => {
                    let span = key.span.clone();
                    grid.columns.push(Spanned { value: name, span });
                    row.push(Some(value.clone()));
                }
            }
        }
        grid.rows.push(row);
    }
    for row in &mut grid.rows {
        row.resize(grid.columns.len(), None);
    }
    Ok(grid)
}

/// A line of names, and a line for each row. `place` gives the place of a byte of the text.
fn csv(text: &str, place: &dyn Fn(usize) -> Span) -> Result<Grid, Diagnostic> {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text.as_bytes());
    let mut grid = Grid::default();
    for record in reader.records() {
        let record = record.map_err(|error| {
            let at = error.position().map_or(0, |position| position.byte());
            Diagnostic::error(Code::InvalidRows, format!("this is no CSV: {error}"))
                .at(place(usize::try_from(at).unwrap_or_default()))
        })?;
        let start = record.position().map_or(0, |position| position.byte());
        let span = place(usize::try_from(start).unwrap_or_default());
        if record.iter().all(|value| value.trim().is_empty()) && record.len() <= 1 {
            continue;
        }
        if grid.columns.is_empty() {
            let names = record.iter().map(|name| Spanned {
                value: name.trim().to_owned(),
                span: span.clone(),
            });
            grid.columns = names.collect();
            named(&grid.columns)?;
            continue;
        }
        if record.len() != grid.columns.len() {
            return Err(uneven(&record, &grid).at(span));
        }
        let values = record.iter().map(|value| {
            Some(match value {
                "" => Yaml::null(span.clone()),
                value => Yaml::text(value, span.clone()),
            })
        });
        grid.rows.push(values.collect());
    }
    Ok(grid)
}

/// Refuses columns without a name, and two of one name.
fn named(columns: &[Spanned<String>]) -> Result<(), Diagnostic> {
    for (at, column) in columns.iter().enumerate() {
        let problem = if column.value.is_empty() {
            format!("column {} has no name", at + 1)
        } else if columns[..at]
            .iter()
            .any(|other| other.value == column.value)
        {
            format!("two columns are named `{}`", column.value)
        } else {
            continue;
        };
        return Err(Diagnostic::error(Code::InvalidRows, problem)
            .at(column.span.clone())
            .help("the first line names the columns, each once"));
    }
    Ok(())
}

fn uneven(record: &csv::StringRecord, grid: &Grid) -> Diagnostic {
    let values = match record.len() {
        1 => "1 value".to_owned(),
        many => format!("{many} values"),
    };
    let columns = match grid.columns.len() {
        1 => "1 column".to_owned(),
        many => format!("{many} columns"),
    };
    let diagnostic = Diagnostic::error(
        Code::InvalidRows,
        format!("the row has {values}, and the first line names {columns}"),
    );
    match record.len() > grid.columns.len() {
        true => diagnostic.help("put quotes round a value that holds a comma: `\"a, b\"`"),
        false => diagnostic.help("an empty value is NULL; its comma has to stand"),
    }
}

/// From bytes of an inline text to the lines of the properties file: YAML takes the indentation away.
struct Lines<'a> {
    text: &'a str,
    /// The place of the text as a whole.
    whole: Span,
    /// Where each line of the text stands in the file; empty where they do not correspond.
    lines: Vec<(usize, usize)>,
}

impl<'a> Lines<'a> {
    fn of(node: &Yaml, text: &'a str, texts: Texts<'_>) -> Lines<'a> {
        let whole = node.span.clone();
        let lines = (texts.file)(&whole.file)
            .and_then(|file| found(text, &file, whole.start))
            .unwrap_or_default();
        Lines { text, whole, lines }
    }

    fn place(&self, at: usize) -> Span {
        let before = self.text.get(..at).unwrap_or_default();
        let line = before.matches('\n').count();
        match self.lines.get(line) {
            Some((start, end)) => Span::new(self.whole.file.clone(), *start..*end),
            None => self.whole.clone(),
        }
    }
}

/// The lines of a text in the file, each the next one that reads the same but for its indentation.
fn found(text: &str, file: &str, start: usize) -> Option<Vec<(usize, usize)>> {
    let mut rest = start;
    let mut lines = Vec::new();
    for wanted in text.lines() {
        loop {
            let line = file.get(rest..)?.split('\n').next()?;
            let trimmed = line.trim();
            let here = rest + line.len() - line.trim_start().len();
            let done = rest + line.len() >= file.len();
            rest += line.len() + 1;
            if trimmed == wanted.trim() {
                lines.push((here, here + trimmed.len()));
                break;
            }
            if done {
                return None;
            }
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(grid: &Grid) -> String {
        let names: Vec<&str> = grid
            .columns
            .iter()
            .map(|name| name.value.as_str())
            .collect();
        let rows = grid.rows.iter().map(|row| {
            let cells = row.iter().map(|cell| match cell {
                None => "-".to_owned(),
                Some(cell) => cell
                    .scalar_text()
                    .map_or("NULL".into(), |text| text.into_owned()),
            });
            cells.collect::<Vec<_>>().join(" ")
        });
        let rows: Vec<String> = rows.collect();
        format!("{}: {}", names.join(" "), rows.join(", "))
    }

    fn read(yaml: &str) -> Result<Rows, String> {
        let file: Arc<str> = "models/a.yml".into();
        let node = yaml::parse(&file, yaml).unwrap();
        let format = node.get("format").map(|format| Spanned {
            value: yaml::decode(format).unwrap(),
            span: format.span.clone(),
        });
        let fixture = node.get("fixture").map(|name| Spanned {
            value: name.as_str().unwrap().to_owned(),
            span: name.span.clone(),
        });
        let fixtures = [TextFile {
            path: "tests/fixtures/two_users.csv".into(),
            text: "id,name\n1,Ada\n2,\n".into(),
        }];
        let whole: Arc<str> = yaml.into();
        let texts = Texts {
            fixtures: &fixtures,
            file: &|_| Some(whole.clone()),
        };
        let written = Written {
            rows: node.get("rows"),
            format: format.as_ref(),
            fixture: fixture.as_ref(),
            place: &node.span,
        };
        written.read(texts).map_err(|diagnostic| {
            let (line, column) = diagnostic.span.as_ref().unwrap().position(yaml);
            format!("{line}:{column} {}", diagnostic.message)
        })
    }

    fn check(yaml: &str, expected: &str) {
        let told = match read(yaml) {
            Ok(Rows {
                content: Content::Grid(grid),
                ..
            }) => shown(&grid),
            Ok(Rows {
                content: Content::Sql(sql),
                ..
            }) => sql.value.to_string(),
            Err(told) => told,
        };
        assert_eq!(told, expected, "{yaml}");
    }

    #[test]
    fn rows_are_written_in_three_ways() {
        check("rows: [{a: 1}, {b: x, a: null}]", "a b: 1 -, NULL x");
        check("rows: []", ": ");
        check(
            "format: csv\nrows: |\n  a, b\n  1,\"x, y\"\n\n  ,z\n",
            "a b: 1 x, y, NULL z",
        );
        check("format: sql\nrows: select 1 as a", "select 1 as a");
        check("fixture: two_users", "id name: 1 Ada, 2 NULL");
    }

    #[test]
    fn what_is_wrong_is_told_at_its_line() {
        check(
            "format: csv\nrows: |\n  a,b\n  1,2\n  3,4,5\n",
            "5:3 the row has 3 values, and the first line names 2 columns",
        );
        check(
            "format: csv\nrows: |\n  a,a\n",
            "3:3 two columns are named `a`",
        );
        check(
            "rows: a,b",
            "1:7 `rows` is text, and nothing says how to read it",
        );
        check("fixture: two_user", "1:10 no fixture named `two_user`");
        check(
            "fixture: two_users\nrows: []",
            "2:7 `rows` stands beside `fixture`, and both say what the rows are",
        );
        check("format: dict", "1:1 no rows are given");
    }
}
