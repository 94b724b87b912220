//! Lists and dicts that can be changed, as Python's, and the way from and to JSON.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indexmap::IndexMap;
use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::relation::Relation;

/// A list or dict within lists and dicts, this deep, is a list that was put into itself.
const MAX_DEPTH: usize = 100;

/// What a nested value may hold before its depth is no longer looked into.
const MAX_VISITED: usize = 1_000_000;

#[derive(Default)]
pub(super) struct List(Mutex<Vec<Value>>);

#[derive(Default)]
pub(super) struct Dict(Mutex<IndexMap<Value, Value>>);

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, message.into())
}

/// Splits the arguments of a call in the positional ones and the named ones.
pub(super) fn split(args: &[Value]) -> (&[Value], Option<Kwargs>) {
    match args.split_last() {
        Some((last, rest)) if last.is_kwargs() => (rest, Kwargs::try_from(last.clone()).ok()),
        _ => (args, None),
    }
}

/// A list in the sense of Python: `append`, `extend`, `pop`….
///
/// # Errors
/// When an item is nested deeper than any honest value.
pub(super) fn list(items: impl IntoIterator<Item = Value>) -> Result<Value, Error> {
    let items: Vec<Value> = items.into_iter().collect();
    items.iter().try_for_each(check_depth)?;
    Ok(Value::from_object(List(Mutex::new(items))))
}

/// A dict in the sense of Python: `update`, `pop`, `setdefault`….
///
/// # Errors
/// When a value is nested deeper than any honest value.
pub(super) fn dict(entries: impl IntoIterator<Item = (Value, Value)>) -> Result<Value, Error> {
    let entries: IndexMap<Value, Value> = entries.into_iter().collect();
    entries.values().try_for_each(check_depth)?;
    Ok(Value::from_object(Dict(Mutex::new(entries))))
}

/// The literal `[…]` of a template, or any other iterable.
pub(super) fn list_of(value: &Value) -> Result<Value, Error> {
    list(value.try_iter()?)
}

/// The literal `{…}` of a template, or any other map or list of pairs.
pub(super) fn dict_of(value: &Value) -> Result<Value, Error> {
    dict(pairs(value)?)
}

pub(super) fn pairs(value: &Value) -> Result<Vec<(Value, Value)>, Error> {
    let mut pairs = Vec::new();
    let is_map = value.kind() == ValueKind::Map;
    for key in value.try_iter()? {
        if is_map {
            let item = value.get_item(&key)?;
            pairs.push((key, item));
        } else {
            pairs.push((key.get_item_by_index(0)?, key.get_item_by_index(1)?));
        }
    }
    Ok(pairs)
}

/// Refuses a value that is nested so deep that printing or dropping it would exhaust the stack.
fn check_depth(value: &Value) -> Result<(), Error> {
    fn fits(value: &Value, depth: usize, visited: &mut usize) -> bool {
        *visited += 1;
        if *visited > MAX_VISITED {
            return false;
        }
        let Some(object) = value.as_object() else {
            return true;
        };
        if depth == 0 {
            return false;
        }
        if let Some(list) = object.downcast_ref::<List>() {
            let items = locked(&list.0).clone();
            items.iter().all(|item| fits(item, depth - 1, visited))
        } else if let Some(dict) = object.downcast_ref::<Dict>() {
            let items: Vec<Value> = locked(&dict.0).values().cloned().collect();
            items.iter().all(|item| fits(item, depth - 1, visited))
        } else {
            true
        }
    }
    if fits(value, MAX_DEPTH, &mut 0) {
        Ok(())
    } else {
        Err(invalid("lists and dicts are nested too deeply"))
    }
}

impl List {
    /// The position that an index of Python means, none when it is outside.
    fn position(index: i64, length: usize) -> Option<usize> {
        let length = i64::try_from(length).ok()?;
        let index = if index < 0 { index + length } else { index };
        (0..length)
            .contains(&index)
            .then(|| usize::try_from(index).ok())?
    }
}

impl fmt::Debug for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let items = locked(&self.0).clone();
        f.debug_list().entries(items).finish()
    }
}

impl Object for List {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        let index = i64::try_from(key.clone()).ok()?;
        let items = locked(&self.0);
        items.get(List::position(index, items.len())?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(locked(&self.0).clone())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(locked(&self.0).len())
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let argument = |index: usize| {
            args.get(index)
                .cloned()
                .ok_or_else(|| Error::from(ErrorKind::MissingArgument))
        };
        let number = |value: Value| {
            i64::try_from(value.clone())
                .map_err(|_| invalid(format!("an index is a whole number, not `{value}`")))
        };
        match method {
            "append" => {
                let item = argument(0)?;
                check_depth(&item)?;
                locked(&self.0).push(item);
                self.check_self()?;
            }
            "extend" => {
                let items: Vec<Value> = argument(0)?.try_iter()?.collect();
                items.iter().try_for_each(check_depth)?;
                state.consume_fuel(items.len() as u64)?;
                locked(&self.0).extend(items);
                self.check_self()?;
            }
            "insert" => {
                let (index, item) = (number(argument(0)?)?, argument(1)?);
                check_depth(&item)?;
                {
                    let mut items = locked(&self.0);
                    let length = items.len();
                    let end = i64::try_from(length).unwrap_or(i64::MAX);
                    let at = if index < 0 { index + end } else { index };
                    let at = usize::try_from(at.clamp(0, end)).unwrap_or(length);
                    items.insert(at, item);
                }
                self.check_self()?;
            }
            "pop" => {
                let mut items = locked(&self.0);
                let index = match args.first() {
                    Some(index) => number(index.clone())?,
                    None => -1,
                };
                let at = List::position(index, items.len())
                    .ok_or_else(|| invalid("`pop` from outside of the list"))?;
                return Ok(items.remove(at));
            }
            "remove" => {
                let item = argument(0)?;
                let items = locked(&self.0).clone();
                let at = items
                    .iter()
                    .position(|known| *known == item)
                    .ok_or_else(|| invalid(format!("`{item}` is not in the list")))?;
                locked(&self.0).remove(at);
            }
            "clear" => locked(&self.0).clear(),
            "reverse" => locked(&self.0).reverse(),
            "sort" => {
                let (_, keywords) = split(args);
                let mut items = locked(&self.0).clone();
                items.sort();
                if keywords.is_some_and(|k| k.get::<bool>("reverse").unwrap_or(false)) {
                    items.reverse();
                }
                *locked(&self.0) = items;
            }
            "copy" => {
                let items = locked(&self.0).clone();
                return list(items);
            }
            "index" => {
                let item = argument(0)?;
                let items = locked(&self.0).clone();
                return items
                    .iter()
                    .position(|known| *known == item)
                    .map(Value::from)
                    .ok_or_else(|| invalid(format!("`{item}` is not in the list")));
            }
            "__setitem__" => {
                let (index, item) = (number(argument(0)?)?, argument(1)?);
                check_depth(&item)?;
                {
                    let mut items = locked(&self.0);
                    let at = List::position(index, items.len())
                        .ok_or_else(|| invalid("an index outside of the list"))?;
                    items[at] = item;
                }
                self.check_self()?;
            }
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        }
        Ok(Value::from(()))
    }
}

impl List {
    /// A list that now contains itself is emptied and refused.
    fn check_self(self: &Arc<Self>) -> Result<(), Error> {
        // Only an object as the last item can have closed a circle; plain items are the common case.
        let nested = locked(&self.0)
            .iter()
            .rev()
            .take(1)
            .any(|item| item.as_object().is_some());
        if nested {
            check_depth(&Value::from_dyn_object(self.clone()))
                .inspect_err(|_| locked(&self.0).clear())?;
        }
        Ok(())
    }
}

impl Dict {
    fn put(self: &Arc<Self>, entries: Vec<(Value, Value)>) -> Result<(), Error> {
        entries
            .iter()
            .try_for_each(|(_, value)| check_depth(value))?;
        let nested = entries.iter().any(|(_, value)| value.as_object().is_some());
        locked(&self.0).extend(entries);
        if nested {
            check_depth(&Value::from_dyn_object(self.clone()))
                .inspect_err(|_| locked(&self.0).clear())?;
        }
        Ok(())
    }
}

impl fmt::Debug for Dict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let entries = locked(&self.0).clone();
        f.debug_map().entries(entries).finish()
    }
}

impl Object for Dict {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        locked(&self.0).get(key).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(locked(&self.0).keys().cloned().collect())
    }

    fn enumerator_len(self: &Arc<Self>) -> Option<usize> {
        Some(locked(&self.0).len())
    }

    fn call_method(
        self: &Arc<Self>,
        _state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        let (positional, keywords) = split(args);
        let key = || {
            positional
                .first()
                .cloned()
                .ok_or_else(|| Error::from(ErrorKind::MissingArgument))
        };
        let default = || positional.get(1).cloned();
        Ok(match method {
            "update" => {
                let mut entries = match positional.first() {
                    Some(other) => pairs(other)?,
                    None => Vec::new(),
                };
                if let Some(keywords) = keywords {
                    for name in keywords.args() {
                        entries.push((Value::from(name), keywords.get(name)?));
                    }
                }
                self.put(entries)?;
                Value::from(())
            }
            "__setitem__" => {
                self.put(vec![(key()?, default().unwrap_or_default())])?;
                Value::from(())
            }
            "setdefault" => {
                let key = key()?;
                let known = locked(&self.0).get(&key).cloned();
                match known {
                    Some(value) => value,
                    None => {
                        let value = default().unwrap_or(Value::from(()));
                        self.put(vec![(key, value.clone())])?;
                        value
                    }
                }
            }
            "pop" => {
                let key = key()?;
                let removed = locked(&self.0).shift_remove(&key);
                match removed.or_else(default) {
                    Some(value) => value,
                    None => return Err(invalid(format!("the dict has no key `{key}`"))),
                }
            }
            "clear" => {
                locked(&self.0).clear();
                Value::from(())
            }
            "copy" => {
                let entries = locked(&self.0).clone();
                dict(entries)?
            }
            // Python's `keys()` and the like see later changes; a copy is what templates expect
            // while they change the dict in the loop.
            "keys" => list(locked(&self.0).keys().cloned().collect::<Vec<_>>())?,
            "values" => list(locked(&self.0).values().cloned().collect::<Vec<_>>())?,
            _ => return Err(Error::from(ErrorKind::UnknownMethod)),
        })
    }
}

/// JSON as a value of templates, its arrays and objects changeable.
pub(super) fn from_json(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(b) => Value::from(*b),
        serde_json::Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => Value::from(n),
            (None, Some(n)) => Value::from(n),
            (None, None) => Value::from(n.as_f64().unwrap_or(f64::NAN)),
        },
        serde_json::Value::String(s) => Value::from(s.as_str()),
        serde_json::Value::Array(items) => {
            Value::from_object(List(Mutex::new(items.iter().map(from_json).collect())))
        }
        serde_json::Value::Object(entries) => Value::from_object(Dict(Mutex::new(
            entries
                .iter()
                .map(|(key, value)| (Value::from(key.as_str()), from_json(value)))
                .collect(),
        ))),
    }
}

/// A value as JSON. What has no JSON form, a relation or a date, becomes the text that it prints.
pub(super) fn to_json(value: &Value) -> serde_json::Value {
    let items = || value.try_iter().into_iter().flatten();
    match value.kind() {
        ValueKind::Undefined | ValueKind::None => serde_json::Value::Null,
        _ if Relation::from_value(value).is_some() => value.to_string().into(),
        ValueKind::Seq | ValueKind::Iterable => items().map(|item| to_json(&item)).collect(),
        ValueKind::Map => items()
            .map(|key| {
                let item = value.get_item(&key).unwrap_or_default();
                (key.to_string(), to_json(&item))
            })
            .collect(),
        _ => serde_json::to_value(value).unwrap_or_else(|_| value.to_string().into()),
    }
}

/// What a query, a macro or an undefined name gives in the parse pass, where nothing is executed:
/// any use of it succeeds and yields nothing.
#[derive(Debug)]
pub(super) struct Placeholder;

impl Object for Placeholder {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn get_value(self: &Arc<Self>, _key: &Value) -> Option<Value> {
        Some(Value::from_dyn_object(self.clone()))
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Empty
    }

    fn call(self: &Arc<Self>, _: &mut State<'_, '_>, _: &[Value]) -> Result<Value, Error> {
        Ok(Value::from_dyn_object(self.clone()))
    }

    fn call_method(
        self: &Arc<Self>,
        _: &mut State<'_, '_>,
        _: &str,
        _: &[Value],
    ) -> Result<Value, Error> {
        Ok(Value::from_dyn_object(self.clone()))
    }

    fn render(self: &Arc<Self>, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}
