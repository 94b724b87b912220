//! A model in each form that it takes: its first load, and the increments after it.

use std::sync::Arc;

use super::node::{Checking, Unknown};
use super::{Planned, Query, contract, lint};
use crate::delta::{self, OwnColumn, PrimaryKey};
use crate::engine::{Name, Plan};
use refx_core::compile::Compiled;
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::Model;

/// The columns that readers of the model see, given the plan of its first load; with what is to be
/// said of the later ones.
pub(super) async fn of_model(
    checking: &Checking<'_>,
    model: &Model,
    (compiled, first): (&Compiled, &Plan),
) -> Result<(Arc<Planned>, Vec<Diagnostic>), Unknown> {
    let lost = |error: delta::Error| {
        let place = error.place(model);
        Unknown::Broken(error.into_diagnostic().at(place))
    };
    let engine = |error| lost(delta::Error::Engine(error));
    let mut query = Query {
        lineage: first.lineage(),
        own: first.meaning(&|_| None),
        whole: checking.whole(first),
        increment: None,
        findings: checking.findings(model, compiled, first),
    };
    if !model.materialization.lands() {
        let planned = Planned::new(first.schema(), Some(query)).map_err(engine)?;
        return Ok((planned, Vec::new()));
    }
    let first = &contract::in_order(model, first).map_err(engine)?;
    let key = PrimaryKey::new(&model.primary_key);
    let missing = model.config.on_missing.as_ref();
    let own = missing.and_then(|missing| OwnColumn::of(&missing.value));
    let table = delta::landed(&first.schema(), key.as_ref(), own.as_ref()).map_err(lost)?;
    if !model.asks_incremental {
        let planned = Planned::new(table, Some(query)).map_err(engine)?;
        return Ok((planned, Vec::new()));
    }

    let name = Name::of(&model.relation);
    let session = checking.session;
    session
        .register_shape(&name, Arc::clone(&table))
        .map_err(engine)?;
    let later = checking.compile(&checking.scope.standing)?;
    let plan = checking.plan(&later).await;
    let plan = plan.map_err(|diagnostic| Unknown::Broken(of_increment(diagnostic)))?;
    query.increment = Some(plan.meaning(&|_| None));
    query.findings = lint::of_both(query.findings, checking.findings(model, &later, &plan));
    let broken = contract::broken(session, model, &plan);
    if !broken.is_empty() {
        // What the first load breaks in the same way is told already.
        let told = contract::broken(session, model, first);
        let new = broken.into_iter().filter(|one| !told.contains(one));
        let planned = Planned::new(table, Some(query)).map_err(engine)?;
        return Ok((planned, new.map(of_increment).collect()));
    }
    let partitions = model.config.partition_by.as_ref();
    let partitions = partitions.map(|columns| columns.value.0.clone());
    let changes = delta::would_change(
        &table,
        &plan.schema(),
        key.as_ref(),
        own.as_ref(),
        &partitions.unwrap_or_default(),
        model.config.on_schema_change.unwrap_or_default(),
    );
    let changes = changes.map_err(|error| {
        let diagnostic = error.into_diagnostic();
        Unknown::Broken(of_increment(Diagnostic {
            message: format!(
                "the two forms of the model do not fit: {}",
                diagnostic.message
            ),
            ..diagnostic.at(later.otherwise.clone())
        }))
    })?;
    let warnings = changes.iter().map(|change| {
        of_increment(
            Diagnostic::warning(
                Code::SchemaMismatch,
                format!("the table that the first load makes gets {change} at the next"),
            )
            .at(later.otherwise.clone())
            .help("select the same columns in both forms of the model"),
        )
    });
    let warnings = warnings.collect();
    let planned = Planned::new(table, Some(query)).map_err(engine)?;
    Ok((planned, warnings))
}

fn of_increment(diagnostic: Diagnostic) -> Diagnostic {
    diagnostic.note("this is the model's form where `is_incremental()` holds")
}
