//! Rows that are not as expected, drawn so that the cells that differ are seen.
//!
//! ```text
//! expected → actual
//!     user_id  level          plays
//!  →  u1       heavy → light  7
//!  -  u2       none           0
//!  +  u3       none           0
//! ```

use unicode_width::UnicodeWidthStr;

use super::compare::{Cell, Difference, Sheet};

/// Rows that are drawn.
const ROWS: usize = 10;
/// Columns of the terminal that a drawing may take.
const WIDTH: usize = 92;
/// Columns of the terminal that one value may take.
const CELL: usize = 32;

/// The rows that differ, side by side; the first of them where they are many.
pub(super) fn drawn(expected: &Sheet, actual: &Sheet, difference: &Difference) -> String {
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for (wanted, found) in difference.changed.iter().take(ROWS) {
        let cells = expected.rows[*wanted].iter().zip(&actual.rows[*found]);
        lines.push((
            "→",
            cells.map(|(wanted, found)| pair(wanted, found)).collect(),
        ));
    }
    let alone = |mark, sheet: &Sheet, rows: &[usize]| {
        let rows: Vec<_> = rows
            .iter()
            .map(|at| {
                let cells = sheet.rows[*at].iter().map(|cell| short(&cell.shown, CELL));
                (mark, cells.collect::<Vec<String>>())
            })
            .collect();
        rows
    };
    lines.extend(alone("-", expected, &difference.missing));
    lines.extend(alone("+", actual, &difference.unexpected));
    let total = usize::try_from(difference.rows()).unwrap_or(usize::MAX);
    lines.truncate(ROWS);

    let kept = columns(expected, actual, difference, &lines);
    let mut text = vec![match difference.changed.is_empty() {
        true => "`-` is missing, `+` is unexpected".to_owned(),
        false => "expected → actual".to_owned(),
    }];
    let header = kept
        .iter()
        .map(|at| expected.columns[*at].clone())
        .collect();
    let rows = lines.iter().map(|(mark, cells)| {
        let cells = kept.iter().map(|at| cells[*at].clone()).collect();
        (*mark, cells)
    });
    let table: Vec<(&str, Vec<String>)> = std::iter::once((" ", header)).chain(rows).collect();
    text.extend(aligned(&table));
    let hidden = expected.columns.len() - kept.len();
    if hidden > 0 {
        let columns = if hidden == 1 { "column" } else { "columns" };
        text.push(format!("and {hidden} more {columns}"));
    }
    let more = total.saturating_sub(lines.len());
    if more > 0 {
        let rows = if more == 1 { "row" } else { "rows" };
        text.push(format!("and {more} more {rows}"));
    }
    text.join("\n")
}

fn pair(wanted: &Cell, found: &Cell) -> String {
    match wanted.value == found.value {
        true => short(&found.shown, CELL),
        false => {
            let half = CELL * 3 / 4;
            format!(
                "{} → {}",
                short(&wanted.shown, half),
                short(&found.shown, half)
            )
        }
    }
}

/// The columns that are drawn: those of the key, those that differ, and of the others as many as fit.
fn columns(
    expected: &Sheet,
    actual: &Sheet,
    difference: &Difference,
    lines: &[(&str, Vec<String>)],
) -> Vec<usize> {
    let width = |at: usize| {
        let cells = lines.iter().map(|(_, cells)| cells[at].width());
        let widest = cells.max().unwrap_or_default();
        widest.max(expected.columns[at].width()) + 2
    };
    let differs = |at: usize| {
        let mut changed = difference.changed.iter();
        changed.any(|(one, other)| expected.rows[*one][at].value != actual.rows[*other][at].value)
    };
    let all = 0..expected.columns.len();
    let mut kept: Vec<usize> = all
        .clone()
        .filter(|at| difference.key.contains(at) || differs(*at))
        .collect();
    let mut room = WIDTH.saturating_sub(kept.iter().map(|at| width(*at)).sum());
    for at in all {
        if !kept.contains(&at) {
            let wide = width(at);
            // One column at least says which row it is.
            if wide <= room || kept.is_empty() {
                kept.push(at);
                room = room.saturating_sub(wide);
            }
        }
    }
    kept.sort_unstable();
    kept
}

fn aligned(table: &[(&str, Vec<String>)]) -> Vec<String> {
    let columns = table.first().map_or(0, |(_, cells)| cells.len());
    let widths: Vec<usize> = (0..columns)
        .map(|at| {
            let cells = table.iter().map(|(_, cells)| cells[at].width());
            cells.max().unwrap_or_default()
        })
        .collect();
    let line = |(mark, cells): &(&str, Vec<String>)| {
        let mut text = format!(" {mark} ");
        for (cell, width) in cells.iter().zip(&widths) {
            text.push_str(&format!(" {cell}{} ", " ".repeat(width - cell.width())));
        }
        text.trim_end().to_owned()
    };
    table.iter().map(line).collect()
}

/// The text, cut to so many columns of the terminal.
fn short(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for letter in text.chars() {
        kept.push(letter);
        if kept.width() >= columns {
            kept.pop();
            break;
        }
    }
    kept + "…"
}

#[cfg(test)]
mod tests {
    use super::super::compare::difference;
    use super::super::compare::tests::sheet;
    use super::*;

    fn check(expected: &str, actual: &str, told: &str) {
        let (expected, actual) = (sheet(expected), sheet(actual));
        let difference = difference(&expected, &actual, &["id".to_owned()]);
        assert_eq!(drawn(&expected, &actual, &difference), told);
    }

    #[test]
    fn cells_that_differ_are_marked() {
        check(
            "id level plays; u1 heavy 7; u2 none 0; u4 light 1",
            "id level plays; u1 light 7; u3 none 0; u4 light 1",
            "expected → actual\n    id  level          plays\n →  u1  heavy → light  7\n -  u2  none           0\n +  u3  none           0",
        );
    }

    #[test]
    fn many_rows_and_columns_are_cut() {
        let rows: String = (0..12).map(|at| format!("; u{at} x")).collect();
        let drawing = |text: &str| {
            let (expected, actual) = (sheet(text), sheet(text.split(';').next().unwrap()));
            let difference = difference(&expected, &actual, &["id".to_owned()]);
            drawn(&expected, &actual, &difference)
        };
        let told = drawing(&format!("id a{rows}"));
        assert_eq!(told.lines().count(), 13);
        assert!(told.ends_with("and 2 more rows"), "{told}");
        let names: String = (0..30).map(|at| format!(" column_{at}")).collect();
        let values = " value".repeat(30);
        let told = drawing(&format!("id{names}; u1{values}"));
        assert!(told.ends_with("and 22 more columns"), "{told}");
        assert!(told.lines().all(|line| line.width() <= WIDTH + 4), "{told}");
    }
}
