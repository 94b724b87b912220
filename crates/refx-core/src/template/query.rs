//! Queries that a template runs, and their rows as templates see them.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, Value};
use minijinja::{Error, ErrorKind, State};

use super::arguments::{bind, text};
use super::failure::error;
use super::render::Render;
use super::scope::Answer;
use super::values::{self, Placeholder, split};

/// `run_query(sql)`: the rows, and in the parse pass something that swallows every use.
pub(super) fn run_query(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [sql] = bind("run_query", ["sql"], args)?;
    let sql = text("run_query", "sql", sql)?;
    Ok(table(ask(render, &sql)?))
}

/// `{% call statement('name', fetch_result=True) %}select …{% endcall %}`.
pub(super) fn statement(
    state: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    const PARAMETERS: [&str; 5] = ["name", "fetch_result", "auto_begin", "language", "caller"];
    let [name, _fetch, _begin, _language, caller] = bind("statement", PARAMETERS, args)?;
    let Some(caller) = caller else {
        return Err(error(
            "`statement` is called with a block: `{% call statement('x') %}`",
        ));
    };
    let sql = caller.call(state, &[])?.to_string();
    let answer = ask(render, &sql)?;
    if let Some(name) = name.filter(|name| !name.is_none()) {
        let result = result(answer);
        render.progress().results.insert(name.to_string(), result);
    }
    Ok(Value::from(""))
}

/// `load_result('name')`: what the statement of that name gave, none when there was none.
pub(super) fn load_result(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [name] = bind("load_result", ["name"], args)?;
    let name = text("load_result", "name", name)?;
    let known = render.progress().results.get(&name).cloned();
    Ok(match known {
        Some(result) => result,
        None if render.scope.execute => Value::from(()),
        None => Value::from_object(Placeholder),
    })
}

/// `store_result('name', response, agate_table)`.
pub(super) fn store_result(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    let [name, response, table] = bind("store_result", ["name", "response", "agate_table"], args)?;
    let name = text("store_result", "name", name)?;
    let table = table.unwrap_or(Value::from(()));
    let data = table.get_attr("rows").unwrap_or_default();
    let result = values::dict([
        (Value::from("response"), response.unwrap_or_default()),
        (Value::from("data"), data),
        (Value::from("table"), table),
    ])?;
    render.progress().results.insert(name, result);
    Ok(Value::from(""))
}

/// `adapter.execute(sql, auto_begin, fetch)`: the response and the rows.
pub(super) fn execute(
    _: &mut State<'_, '_>,
    render: &Arc<Render>,
    args: &[Value],
) -> Result<Value, Error> {
    const PARAMETERS: [&str; 4] = ["sql", "auto_begin", "fetch", "limit"];
    let [sql, _begin, _fetch, _limit] = bind("adapter.execute", PARAMETERS, args)?;
    let sql = text("adapter.execute", "sql", sql)?;
    let answer = table(ask(render, &sql)?);
    Ok(Value::from(Tuple::from([Value::from("OK"), answer])))
}

/// The answer of the host, none in the parse pass, where nothing is asked.
pub(super) fn ask(render: &Arc<Render>, sql: &str) -> Result<Option<Answer>, Error> {
    if !render.scope.execute {
        return Ok(None);
    }
    let answer = render
        .host
        .query(sql)
        .map_err(|problem| error(format!("the query failed: {problem}")))?;
    Ok(Some(answer))
}

fn table(answer: Option<Answer>) -> Value {
    match answer {
        Some(answer) => Value::from_object(Table(Arc::new(answer))),
        None => Value::from_object(Placeholder),
    }
}

fn result(answer: Option<Answer>) -> Value {
    let Some(answer) = answer else {
        return Value::from_object(Placeholder);
    };
    let answer = Arc::new(answer);
    let table = Value::from_object(Table(answer.clone()));
    let data = table.get_attr("rows").unwrap_or_default();
    values::dict([
        (Value::from("response"), Value::from("OK")),
        (Value::from("data"), data),
        (Value::from("table"), table),
    ])
    .unwrap_or_default()
}

/// The rows of a query, with the attributes of agate's tables that dbt's macros use: `.columns`,
/// `.column_names`, `.column_types`, `.rows`, and iteration over the rows.
struct Table(Arc<Answer>);

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<table of {} rows>", self.0.rows.len())
    }
}

impl Table {
    fn rows(&self) -> Vec<Value> {
        (0..self.0.rows.len())
            .map(|row| {
                Value::from_object(Row {
                    answer: self.0.clone(),
                    row,
                })
            })
            .collect()
    }
}

impl Object for Table {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.rows())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.rows.len())
    }

    /// agate's tables are true even when they hold no row; `| length` asks for rows.
    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let names = || {
            self.0
                .columns
                .iter()
                .map(|(name, _)| Value::from(name.as_str()))
        };
        Some(match key.as_str() {
            Some("columns") => Value::from_object(Columns(self.0.clone())),
            Some("column_names") => Value::from_iter(names()),
            Some("column_types") => {
                Value::from_iter(self.0.columns.iter().map(|(_, kind)| kind.as_str()))
            }
            Some("rows") => values::list(self.rows()).unwrap_or_default(),
            Some(_) => return None,
            None => self.rows().get(key.as_usize()?).cloned()?,
        })
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        match method {
            "print_table" => Ok(Value::from("")),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }

    fn render(self: &Arc<Self>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// `.columns` of a table: by index, by name, or one after the other.
struct Columns(Arc<Answer>);

impl fmt::Debug for Columns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<columns>")
    }
}

impl Columns {
    fn column(&self, index: usize) -> Value {
        Value::from_object(ColumnValues {
            answer: self.0.clone(),
            column: index,
        })
    }
}

impl Object for Columns {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(
            (0..self.0.columns.len())
                .map(|at| self.column(at))
                .collect(),
        )
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.0.columns.len())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = match key.as_str() {
            Some(name) => position(&self.0, name)?,
            None => key.as_usize().filter(|at| *at < self.0.columns.len())?,
        };
        Some(self.column(index))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let all = || (0..self.0.columns.len()).map(|at| self.column(at));
        let names = || (self.0.columns.iter()).map(|(name, _)| Value::from(name.as_str()));
        match (method, split(args).0) {
            ("keys", _) => values::list(names()),
            ("values", _) => values::list(all()),
            ("items", _) => values::list(
                names()
                    .zip(all())
                    .map(|(name, column)| Value::from(Tuple::from([name, column]))),
            ),
            ("get", [key, ..]) => Ok(self.get_value(key).unwrap_or(Value::from(()))),
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}

fn position(answer: &Answer, name: &str) -> Option<usize> {
    answer.columns.iter().position(|(known, _)| known == name)
}

struct ColumnValues {
    answer: Arc<Answer>,
    column: usize,
}

impl fmt::Debug for ColumnValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<column {}>", self.answer.columns[self.column].0)
    }
}

impl ColumnValues {
    fn values(&self) -> Vec<Value> {
        let rows = self.answer.rows.iter();
        rows.map(|row| {
            row.get(self.column)
                .map(values::from_json)
                .unwrap_or_default()
        })
        .collect()
    }
}

impl Object for ColumnValues {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.answer.rows.len())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let (name, kind) = &self.answer.columns[self.column];
        match key.as_str() {
            Some("name") => Some(Value::from(name.as_str())),
            Some("data_type") => Some(Value::from(kind.as_str())),
            Some(_) => None,
            None => self.values().get(key.as_usize()?).cloned(),
        }
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        let mut all = self.values();
        match method {
            "values" => {}
            "values_sorted" => all.sort(),
            "values_distinct" => {
                let mut seen = std::collections::HashSet::new();
                all.retain(|value| seen.insert(value.clone()));
            }
            "values_without_nulls" => all.retain(|value| !value.is_none()),
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        values::list(all)
    }
}

/// A row: by index, by name, or one value after the other.
struct Row {
    answer: Arc<Answer>,
    row: usize,
}

impl fmt::Debug for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.values()).finish()
    }
}

impl Row {
    fn values(&self) -> Vec<Value> {
        self.answer.rows[self.row]
            .iter()
            .map(values::from_json)
            .collect()
    }
}

impl Object for Row {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.values())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(self.answer.rows[self.row].len())
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = match key.as_str() {
            Some(name) => position(&self.answer, name)?,
            None => key.as_usize()?,
        };
        self.answer.rows[self.row].get(index).map(values::from_json)
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let names = || (self.answer.columns.iter()).map(|(name, _)| Value::from(name.as_str()));
        match (method, split(args).0) {
            ("values", _) => values::list(self.values()),
            ("keys", _) => values::list(names()),
            ("dict", _) => values::dict(names().zip(self.values())),
            ("items", _) => values::list(
                names()
                    .zip(self.values())
                    .map(|(name, value)| Value::from(Tuple::from([name, value]))),
            ),
            ("get", [key]) => Ok(self.get_value(key).unwrap_or(Value::from(()))),
            ("get", [key, default, ..]) => {
                Ok(self.get_value(key).unwrap_or_else(|| default.clone()))
            }
            _ => Err(Error::from(ErrorKind::UnknownMethod)),
        }
    }
}
