//! What a model declares of its columns, its key and its constraints, against what its query gives.

mod columns;
mod constraints;
mod foreign_keys;
mod settings;

use datafusion::arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

use crate::engine::{Error, Plan, Session};
use refx_core::diagnostic::{Code, Diagnostic, closest};
use refx_core::manifest::{Manifest, Model, NodeId};
use refx_core::project::Spanned;
use refx_core::project::config::OnMissing;

/// A model whose query is planned.
pub struct Declared<'a> {
    pub manifest: &'a Manifest,
    pub model: &'a Model,
    /// The session that planned the query.
    pub session: &'a Session,
    pub plan: &'a Plan,
}

/// All that is wrong with what the model declares, in the order of the file: one diagnostic a
/// mistake, at the place of the declaration. `shapes` gives the columns of the tables that foreign
/// keys point to, where they are known.
pub fn of_model(
    declared: &Declared<'_>,
    shapes: &dyn Fn(&NodeId) -> Option<SchemaRef>,
) -> Vec<Diagnostic> {
    let query = declared.plan.schema();
    let mut diagnostics = columns::check(declared.session, declared.model, &query);
    diagnostics.extend(constraints::check(declared, &query));
    diagnostics.extend(foreign_keys::check(declared, &query, shapes));
    diagnostics.extend(settings::check(declared, &query));
    diagnostics
}

/// What breaks a contract that is enforced: columns that are missing, extra or of another type.
pub(super) fn broken(session: &Session, model: &Model, plan: &Plan) -> Vec<Diagnostic> {
    match model.contract() {
        Some(_) => columns::check(session, model, &plan.schema()),
        None => Vec::new(),
    }
}

/// Holds a model to its contract before it is run.
///
/// # Errors
/// [`Code::BrokenContract`], with every mistake at its place.
pub fn hold(session: &Session, model: &Model, plan: &Plan) -> Result<(), Diagnostic> {
    let mut found = broken(session, model, plan);
    if found.len() < 2 {
        return found.pop().map_or(Ok(()), Err);
    }
    let message = format!(
        "the query of `{}` breaks its contract in {} places",
        model.common.name,
        found.len()
    );
    let place = model.common.described_at.as_ref();
    let place = place.unwrap_or(&model.common.span).clone();
    let all = Diagnostic::error(Code::BrokenContract, message).at(place);
    let all = found.into_iter().fold(all, |all, one| match one.span {
        Some(span) => all.related(span, one.message),
        None => all.note(one.message),
    });
    Err(all.help("select what the contract declares, or correct the declaration"))
}

/// The query with its columns in the order of the contract, which is that of the table. A view gives
/// them as its query does, as in dbt.
///
/// # Errors
/// None that a steward can cause: the columns are the query's own.
pub fn in_order(model: &Model, plan: &Plan) -> Result<Plan, Error> {
    match model.contract() {
        Some(_) if model.materialization.lands() => plan.in_order(&order(model)),
        _ => Ok(plan.clone()),
    }
}

fn order(model: &Model) -> Vec<String> {
    let columns = model.common.columns.iter();
    columns
        .map(|column| column.name.value.to_string())
        .collect()
}

/// The column of a name, whatever its case.
fn named<'a>(columns: &'a Schema, name: &str) -> Option<&'a Field> {
    let mut fields = columns.fields().iter();
    let found = fields.find(|field| field.name().eq_ignore_ascii_case(name));
    found.map(|field| field.as_ref())
}

/// The column that refx adds to the table of a merge, with its type.
fn own_column(model: &Model) -> Option<(&str, DataType)> {
    let on_missing = &model.config.on_missing.as_ref()?.value;
    let data_type = match on_missing {
        OnMissing::Flag(_) => DataType::Boolean,
        OnMissing::ExpireAfter(_) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        OnMissing::Keep | OnMissing::Delete | OnMissing::Set(_) => return None,
    };
    Some((on_missing.own_column()?, data_type))
}

/// The columns that conditions may name: the query's, and the one that refx adds.
fn landed(model: &Model, query: &Schema) -> Schema {
    let mut fields: Vec<_> = query.fields().iter().cloned().collect();
    if let Some((name, data_type)) = own_column(model)
        && named(query, name).is_none()
    {
        fields.push(Field::new(name, data_type, true).into());
    }
    Schema::new(fields)
}

/// Tells of a name that is none of the columns; `what` names it.
fn unselected(what: &str, name: &Spanned<String>, columns: &Schema) -> Diagnostic {
    let diagnostic = Diagnostic::error(
        Code::UnselectedColumn,
        format!(
            "{what} names `{}`, which the model does not select",
            name.value
        ),
    )
    .at(name.span.clone());
    with_names(diagnostic, &name.value, columns)
}

/// Did you mean; or all that there is to choose from.
fn with_names(diagnostic: Diagnostic, written: &str, columns: &Schema) -> Diagnostic {
    const SHOWN: usize = 12;
    let names: Vec<&str> = columns
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    if let Some(near) = closest(written, names.iter().copied()) {
        return diagnostic.help(format!("did you mean `{near}`?"));
    }
    let shown: Vec<String> = names
        .iter()
        .take(SHOWN)
        .map(|name| format!("`{name}`"))
        .collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    diagnostic.help(format!("it has {}{more}", shown.join(", ")))
}
