//! What becomes of each row of a merge, as expressions over its two sides.

use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Field, FieldRef, Schema};
use datafusion::common::ScalarValue;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr, cast, lit, when};

use super::compare::{differs, source, target};
use super::schema::{Fit, named};
use super::sides::{Assignment, Over, Sides, offered, refused};
use super::{Error, Merge, UpdateColumns};
use crate::engine::{self, sql_type};
use refx_core::project::config::{ColumnRule, OnMissing};

/// The settings of a merge, planned.
pub(super) struct Rules {
    /// The columns that the query gives and that are no key, with what they become where a key is
    /// known.
    pub(super) columns: Vec<(String, Expr)>,
    pub(super) update_when: Option<Expr>,
    pub(super) insert_when: Option<Expr>,
    pub(super) delete_when: Option<Expr>,
    /// Of the missing rows, those that something happens to.
    pub(super) missing_when: Option<Expr>,
    /// What is set in missing rows, for dbt-databricks' `update set`.
    pub(super) set: Vec<Assignment>,
    /// The conditions that limit what can match.
    pub(super) predicates: Vec<Expr>,
    /// The column that refx keeps in the table, as the table spells it.
    pub(super) own: Option<String>,
}

impl Rules {
    /// Plans all that the settings say, against the columns of both sides.
    ///
    /// # Errors
    /// [`Error::Rule`] for what cannot be planned, [`Error::Schema`] for columns that are not there.
    pub(super) fn of(
        state: SessionState,
        merge: &Merge,
        fit: &Fit,
        present: &Schema,
    ) -> Result<Rules, Error> {
        let target_schema = grown(present, &fit.added);
        let sides = Sides::new(
            state,
            Arc::clone(&fit.schema),
            Arc::new(target_schema),
            merge,
        )?;
        let over = |setting, text: &Option<String>, over| match text {
            Some(text) => sides.condition(setting, text, over).map(Some),
            None => Ok(None),
        };
        let predicates = merge.predicates.iter();
        let predicates = predicates
            .map(|text| sides.condition("incremental_predicates", text, Over::Both))
            .collect::<Result<_, _>>()?;
        let set = match &merge.on_missing {
            OnMissing::Set(text) => sides.assignments("not_matched_by_source_action", text)?,
            _ => Vec::new(),
        };
        if let Some(one) = set.iter().find(|one| fit.key.contains(&one.column)) {
            let message = format!("it sets `{}`, a column of the primary key", one.column);
            return Err(refused(
                "not_matched_by_source_action",
                message,
                "leave it out: the key says which row it is",
            ));
        }
        let own = merge.on_missing.own_column();
        let own = own.and_then(|own| named(&fit.schema, own));
        let own = own.map(|field| field.name().clone());
        let columns = columns(merge, fit, &sides, own.as_deref())?;
        let update_when = over("update_when", &merge.update_when, Over::Both)?;
        let insert_when = over("insert_when", &merge.insert_when, Over::Source)?;
        let delete_when = over("delete_when", &merge.delete_when, Over::Source)?;
        Ok(Rules {
            columns,
            update_when,
            insert_when,
            delete_when,
            missing_when: over(
                "not_matched_by_source_condition",
                &merge.missing_when,
                Over::Target,
            )?,
            set,
            predicates,
            own,
        })
    }

    /// Whether new values replace old ones, missing rows stay or go, and nothing else is asked.
    pub(super) fn only_replace(&self, merge: &Merge) -> bool {
        let updates = [&self.update_when, &self.insert_when, &self.delete_when];
        matches!(merge.on_missing, OnMissing::Keep | OnMissing::Delete)
            && updates.iter().all(|one| one.is_none())
            && self.missing_when.is_none()
            && self
                .columns
                .iter()
                .all(|(name, value)| *value == source(name))
    }

    /// The columns that an update changes.
    pub(super) fn updated(&self) -> impl Iterator<Item = &(String, Expr)> {
        let mut columns = self.columns.iter();
        std::iter::from_fn(move || {
            columns
                .by_ref()
                .find(|(name, value)| *value != target(name))
        })
    }

    /// Whether an update would change a value, as far as conditions allow it.
    pub(super) fn changed(&self) -> Option<Expr> {
        let own = |name: &str| self.own.as_deref() == Some(name);
        let differ = |of_refx: bool| {
            let columns = self.updated().filter(move |(name, _)| own(name) == of_refx);
            columns
                .map(|(name, value)| differs(target(name), value.clone()))
                .reduce(Expr::or)
        };
        let content = match (differ(false), &self.update_when) {
            (Some(content), Some(condition)) => Some(content.and(condition.clone())),
            (content, _) => content,
        };
        // That a row is back is told whatever the conditions on its content say.
        [content, differ(true)]
            .into_iter()
            .flatten()
            .reduce(Expr::or)
    }
}

/// The table's columns and those that it gets with this write.
pub(super) fn grown(present: &Schema, added: &[FieldRef]) -> Schema {
    let fields = present.fields().iter().chain(added);
    Schema::new(fields.cloned().collect::<Vec<FieldRef>>())
}

fn columns(
    merge: &Merge,
    fit: &Fit,
    sides: &Sides,
    own: Option<&str>,
) -> Result<Vec<(String, Expr)>, Error> {
    let fields = fit.schema.fields().iter();
    let names: Vec<String> = fields.map(|field| field.name().clone()).collect();
    for (column, _) in &merge.on_match.columns {
        if named(&fit.schema, &column.value).is_none() {
            return Err(Error::Rule {
                setting: "on_match",
                message: format!(
                    "it names `{}`, which the model does not select",
                    column.value
                ),
                help: Some(offered(&column.value, names.iter().map(String::as_str))),
            });
        }
    }
    let updated = updated(merge, &names)?;
    let fields = fit.schema.fields().iter();
    let fields = fields.filter(|field| !fit.key.contains(field.name()));
    let columns = fields.map(|field| {
        let name = field.name();
        let rule = match (own == Some(name.as_str()), updated.contains(name)) {
            (true, _) => &ColumnRule::Replace,
            (false, true) => merge.on_match.of(name),
            (false, false) => &ColumnRule::Keep,
        };
        Ok((name.clone(), value(field, rule, sides)?))
    });
    columns.collect()
}

/// What a column becomes where a row's key is known.
fn value(field: &Field, rule: &ColumnRule, sides: &Sides) -> Result<Expr, Error> {
    let name = field.name();
    let (new, old) = (source(name), target(name));
    let either = |both: Expr| {
        when(old.clone().is_null(), new.clone())
            .when(new.clone().is_null(), old.clone())
            .otherwise(both)
            .map_err(|error| Error::Engine(engine::Error::from(error)))
    };
    let which = |word: &str, takes_new: Expr| {
        if !is_ordered(field.data_type()) {
            return Err(unfit(field, word, "has no order"));
        }
        let both = when(takes_new, new.clone()).otherwise(old.clone());
        either(both.map_err(engine::Error::from)?)
    };
    match rule {
        ColumnRule::Replace => Ok(new),
        ColumnRule::Keep => Ok(old),
        ColumnRule::Min => which("min", new.clone().lt(old.clone())),
        ColumnRule::Max => which("max", new.clone().gt(old.clone())),
        ColumnRule::Coalesce => when(new.clone().is_null(), old)
            .otherwise(new)
            .map_err(|error| Error::Engine(error.into())),
        ColumnRule::Sum => {
            let data_type = field.data_type();
            if !data_type.is_numeric() {
                return Err(unfit(field, "sum", "cannot be added up"));
            }
            // The engine checks that the sum fits.
            either(cast(old.clone() + new.clone(), data_type.clone()))
        }
        ColumnRule::Sql(text) => {
            let value = sides.value("on_match", text, Over::Both)?;
            Ok(cast(value, field.data_type().clone()))
        }
    }
}

fn unfit(field: &Field, rule: &str, why: &str) -> Error {
    let (name, of) = (field.name(), sql_type(field.data_type()));
    Error::Rule {
        setting: "on_match",
        message: format!("`{rule}` of `{name}` is not possible: a value of type {of} {why}"),
        help: Some(format!(
            "choose `replace`, `keep` or `coalesce`, or write `{{sql: \"…\"}}` for `{name}`"
        )),
    }
}

/// Whether values of a type are greater and less than each other.
pub(super) fn is_ordered(data_type: &DataType) -> bool {
    !data_type.is_nested() && *data_type != DataType::Null
}

/// The columns that dbt's lists let a merge update.
fn updated(merge: &Merge, names: &[String]) -> Result<Vec<String>, Error> {
    let setting = match &merge.update {
        UpdateColumns::Except(_) => "merge_exclude_columns",
        UpdateColumns::All | UpdateColumns::Only(_) => "merge_update_columns",
    };
    let find = |wanted: &String| {
        let lower = wanted.to_lowercase();
        let mut found = names.iter();
        let found = found.find(|name| name.to_lowercase() == lower);
        found.cloned().ok_or_else(|| Error::Rule {
            setting,
            message: format!("it names `{wanted}`, which the model does not select"),
            help: Some(offered(wanted, names.iter().map(String::as_str))),
        })
    };
    Ok(match &merge.update {
        UpdateColumns::All => names.to_vec(),
        UpdateColumns::Only(wanted) => wanted.iter().map(find).collect::<Result<_, _>>()?,
        UpdateColumns::Except(kept) => {
            let kept: Vec<String> = kept.iter().map(find).collect::<Result<_, _>>()?;
            let rest = names.iter().filter(|name| !kept.contains(name));
            rest.cloned().collect()
        }
    })
}

/// NULL in the type of a column.
pub(super) fn null(data_type: &DataType) -> Expr {
    cast(lit(ScalarValue::Null), data_type.clone())
}
