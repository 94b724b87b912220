//! Macros by name: which one a call means, and how they look to templates.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Value};
use minijinja::{Error, State};

use crate::diagnostic::{Code, Diagnostic};

use super::calls::Site;
use super::failure::{Known, Place, fail, unknown_macro};
use super::functions;
use super::macros::{BUILTIN, Dispatch, MacroDefinition};
use super::render::Render;

/// The implementations that `adapter.dispatch` looks for, nearest first: packages that know nothing of
/// refx often have one for a dialect that DataFusion shares.
const PREFIXES: [&str; 5] = ["refx", "datafusion", "duckdb", "postgres", "default"];

/// The macros by name, without the environment that runs them.
pub(super) struct Library {
    pub definitions: Vec<MacroDefinition>,
    /// For each definition the template that holds it; none for a materialization.
    pub places: Vec<Option<Place>>,
    values: Vec<Value>,
    packages: BTreeMap<Arc<str>, HashMap<Arc<str>, usize>>,
    namespaces: HashMap<Arc<str>, Value>,
    dispatch: HashMap<String, Vec<String>>,
    project: Arc<str>,
}

impl Library {
    pub fn new(project: &str, dispatch: &[Dispatch]) -> Self {
        Library {
            definitions: Vec::new(),
            places: Vec::new(),
            values: Vec::new(),
            packages: BTreeMap::new(),
            namespaces: HashMap::new(),
            dispatch: dispatch
                .iter()
                .map(|entry| (entry.namespace.clone(), entry.search_order.clone()))
                .collect(),
            project: project.into(),
        }
    }

    /// Adds a macro, with the template that holds it; none where it cannot be called.
    ///
    /// # Errors
    /// [`Code::DuplicateMacro`] when the package has one of that name.
    pub fn add(
        &mut self,
        definition: MacroDefinition,
        place: Option<Place>,
    ) -> Result<(), Diagnostic> {
        let names = self.packages.entry(definition.package.clone()).or_default();
        if let Some(first) = names.get(&definition.name) {
            let first = &self.definitions[*first];
            let message = format!("two macros named `{}`", definition.name);
            return Err(Diagnostic::error(Code::DuplicateMacro, message)
                .at(definition.name_span)
                .related(first.name_span.clone(), "the first is here"));
        }
        names.insert(definition.name.clone(), self.definitions.len());
        self.definitions.push(definition);
        self.places.push(place);
        Ok(())
    }

    /// Makes the values that templates see, once all macros are there.
    pub fn finish(&mut self) {
        self.values = (self.definitions.iter().enumerate())
            .map(|(index, definition)| {
                Value::from_object(MacroObject {
                    index,
                    name: definition.name.clone(),
                })
            })
            .collect();
        for (package, names) in &self.packages {
            let members = names
                .iter()
                .map(|(name, index)| (name.clone(), self.values[*index].clone()))
                .collect();
            let namespace = Namespace {
                package: package.clone(),
                members,
            };
            self.namespaces
                .insert(package.clone(), Value::from_object(namespace));
        }
    }

    fn find(&self, package: &str, name: &str) -> Option<usize> {
        self.packages.get(package)?.get(name).copied()
    }

    pub fn by_id(&self, unique_id: &str) -> Option<usize> {
        let (package, name) = unique_id.strip_prefix("macro.")?.split_once('.')?;
        self.find(package, name)
    }

    pub fn resolve(&self, package: &str, name: &str) -> Option<usize> {
        match name.split_once('.') {
            Some((package, name)) => self.find(package, name),
            None => self
                .find(package, name)
                .or_else(|| self.find(&self.project, name))
                .or_else(|| self.find(BUILTIN, name)),
        }
    }

    /// The macro that a bare name means, as a value.
    pub fn value(&self, package: &str, name: &str) -> Option<Value> {
        self.values.get(self.resolve(package, name)?).cloned()
    }

    pub fn namespace(&self, name: &str) -> Option<Value> {
        self.namespaces.get(name).cloned()
    }

    pub fn macro_value(&self, index: usize) -> Value {
        self.values.get(index).cloned().unwrap_or_default()
    }

    /// The implementation that `adapter.dispatch` picks, called from a file of a package.
    pub fn dispatch(&self, from: &str, name: &str, namespace: Option<&str>) -> Option<usize> {
        let searched: Vec<&str> = match namespace {
            Some(namespace) => {
                let mut searched = match self.dispatch.get(namespace) {
                    Some(order) => order.iter().map(String::as_str).collect(),
                    None => vec![&*self.project, namespace],
                };
                searched.push(BUILTIN);
                searched
            }
            None => vec![from, &self.project, BUILTIN],
        };
        searched.into_iter().find_map(|package| {
            let names = self.packages.get(package)?;
            PREFIXES
                .iter()
                .find_map(|prefix| names.get(format!("{prefix}__{name}").as_str()).copied())
        })
    }

    /// The macros that calls in a text mean.
    pub fn called<'a>(
        &'a self,
        package: &'a str,
        sites: &'a [Site],
    ) -> impl Iterator<Item = usize> + 'a {
        sites.iter().filter_map(move |site| {
            if site.name == "adapter.dispatch" {
                let literal = |at: usize, keyword: &str| {
                    let named = site
                        .arguments
                        .iter()
                        .find(|argument| argument.keyword.as_deref() == Some(keyword));
                    let placed = site
                        .arguments
                        .get(at)
                        .filter(|argument| argument.keyword.is_none());
                    named.or(placed)?.literal.as_deref()
                };
                let name = literal(0, "macro_name")?;
                self.dispatch(package, name, literal(1, "macro_namespace"))
            } else {
                self.resolve(package, &site.name)
            }
        })
    }

    /// All names that a file of the package can call.
    pub fn names(&self, package: &str) -> Vec<String> {
        let mut names: Vec<String> = functions::names().map(str::to_owned).collect();
        for (owner, macros) in &self.packages {
            let bare = &**owner == package || **owner == *self.project || &**owner == BUILTIN;
            names.push(owner.to_string());
            for name in macros.keys() {
                names.push(if bare {
                    name.to_string()
                } else {
                    format!("{owner}.{name}")
                });
            }
        }
        names.sort();
        names.dedup();
        names
    }
}

impl Known for Library {
    fn place(&self, template: &str) -> Option<&Place> {
        self.places.get(self.by_id(template)?)?.as_ref()
    }

    fn names(&self) -> Vec<String> {
        Library::names(self, &self.project)
    }
}

/// How a value is called, where it is a macro.
pub(super) fn called(value: &Value) -> Option<String> {
    let called = value.downcast_object_ref::<MacroObject>()?;
    Some(format!("{}()", called.name))
}

/// A macro as a value of templates.
struct MacroObject {
    index: usize,
    name: Arc<str>,
}

impl fmt::Debug for MacroObject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<macro {}>", self.name)
    }
}

impl Object for MacroObject {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Plain
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        (key.as_str()? == "name").then(|| Value::from(&*self.name))
    }

    fn call(self: &Arc<Self>, state: &mut State<'_, '_>, args: &[Value]) -> Result<Value, Error> {
        Render::of(state)?.call_macro(self.index, state, args)
    }
}

/// A package as a value of templates: `dbt_utils` in `dbt_utils.star(…)`.
struct Namespace {
    package: Arc<str>,
    members: HashMap<Arc<str>, Value>,
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<package {}>", self.package)
    }
}

impl Object for Namespace {
    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.members.get(key.as_str()?).cloned()
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        let mut names: Vec<&Arc<str>> = self.members.keys().collect();
        names.sort();
        Enumerator::Values(names.into_iter().map(|name| Value::from(&**name)).collect())
    }

    fn is_true(self: &Arc<Self>) -> bool {
        true
    }

    fn call_method(
        self: &Arc<Self>,
        state: &mut State<'_, '_>,
        method: &str,
        args: &[Value],
    ) -> Result<Value, Error> {
        match self.members.get(method) {
            Some(member) => member.call(state, args),
            None => {
                let name = format!("{}.{method}", self.package);
                let mut known: Vec<String> = self
                    .members
                    .keys()
                    .map(|member| format!("{}.{member}", self.package))
                    .collect();
                known.sort();
                Err(fail(unknown_macro(&name, &known)))
            }
        }
    }
}
