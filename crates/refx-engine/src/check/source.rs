//! The columns of what refx reads and does not make: sources, and the files of seeds.

use datafusion::arrow::datatypes::SchemaRef;

use super::{Checked, Planned, Scope, Sources, memory, node};
use crate::delta::{self, PrimaryKey};
use crate::engine::{Name, Session, SourceTable};
use refx_core::diagnostic::{Code, Diagnostic, Span};
use refx_core::manifest::{Seed, Source};

/// The columns of a source: those of its files or its Delta log, in the types that are declared, which
/// the next check may take from its memory. Where all declared columns have types, those stand in for
/// files that are not there, and for an object store, which is not asked.
pub(super) async fn of_source(scope: &Scope, session: &Session, source: &Source) -> Checked {
    let Some(place) = &source.place else {
        return Checked::failed(
            Diagnostic::error(
                Code::UnreadableSource,
                format!(
                    "the source `{}.{}` names no `location`",
                    source.source_name, source.common.name
                ),
            )
            .at(source.common.span.clone())
            .help("say where it is: `location: data/{name}/*.parquet`"),
        );
    };
    let table = SourceTable::of(source, place, &scope.root);
    let key = memory::digest([format!("{table:?}").as_str()]);
    let declared = match is_declared(source) {
        true => match session.declared_shape(&table.options.columns) {
            Ok(shape) => Some(shape),
            Err(error) => {
                let place = declared_at(source, error.written.as_deref(), &source.common.span);
                return Checked::failed(error.into_diagnostic().at(place));
            }
        },
        false => None,
    };
    if let Some(shape) = declared.clone()
        && scope.sources != Sources::Remembered
        && !table.is_local()
    {
        return known(shape, None);
    }
    if scope.sources == Sources::Remembered {
        let remembered = scope.memory.source(&source.common.id, &key);
        return match (remembered, declared) {
            (Some(shape), _) => known(shape, Some(key)),
            (None, Some(shape)) => known(shape, None),
            (None, None) => Checked::failed(not_remembered(source)),
        };
    }
    let name = Name::of(&source.relation);
    let registered = delta::register_source(session, &name, &table, &place.storage_options.0).await;
    let shape = match registered {
        Ok(_) => session.shape(&name).await.map_err(delta::Error::from),
        Err(error) => Err(error),
    };
    match (shape, declared) {
        (Ok(shape), _) => known(shape, Some(key)),
        (Err(error), Some(shape)) if error.is_missing() => known(shape, None),
        (Err(error), _) => {
            if scope.sources == Sources::ReadOrRemembered
                && let Some(shape) = scope.memory.source(&source.common.id, &key)
            {
                return known(shape, Some(key));
            }
            let error = error.of_source();
            let written = match &error {
                delta::Error::Engine(error) => error.written.clone(),
                _ => None,
            };
            let place = declared_at(source, written.as_deref(), &place.span);
            let diagnostic = Diagnostic {
                code: Code::UnreadableSource,
                ..error.into_diagnostic()
            };
            Checked::failed(diagnostic.at(place))
        }
    }
}

/// Whether the source's columns are those that it declares, each with a type.
pub(super) fn is_declared(source: &Source) -> bool {
    let columns = &source.common.columns;
    !columns.is_empty() && columns.iter().all(|column| column.data_type.is_some())
}

/// Where a column that is spoken of is declared; else where the source is said to be.
fn declared_at(source: &Source, written: Option<&str>, otherwise: &Span) -> Span {
    let columns = source.common.columns.iter();
    let mut named =
        columns.filter(|column| Some(column.name.value.to_string().as_str()) == written);
    let column = named.next();
    let place = column.map(|column| match &column.data_type {
        Some(data_type) => data_type.span.clone(),
        None => column.name.span.clone(),
    });
    place.unwrap_or_else(|| otherwise.clone())
}

fn not_remembered(source: &Source) -> Diagnostic {
    let name = format!("{}.{}", source.source_name, source.common.name);
    Diagnostic::error(
        Code::UnreadableSource,
        format!("the columns of the source `{name}` are not known offline"),
    )
    .at(source.common.span.clone())
    .help(
        "run `refx check` once where the source can be read, or declare all of its columns with \
         their `data_type`",
    )
}

/// The columns of a seed's table: a small file of the project, looked at each time.
pub(super) async fn of_seed(scope: &Scope, session: &Session, seed: &Seed) -> Checked {
    let whole = || Span::file(seed.common.path.clone());
    let file = Name::qualified("refx", "seed");
    let table = SourceTable::of_seed(seed, &scope.root);
    let read = async {
        session.register_source(&file, &table).await?;
        session.shape(&file).await
    };
    let shape = match read.await {
        Ok(shape) => shape,
        Err(error) => return Checked::failed(error.into_diagnostic().at(whole())),
    };
    let key = seed.config.primary_key.as_ref();
    let key = key.and_then(|key| PrimaryKey::new(key.value.iter()));
    match delta::landed(&shape, key.as_ref(), None) {
        Ok(shape) => known(shape, None),
        Err(error) => Checked::failed(error.into_diagnostic().at(whole())),
    }
}

pub(super) fn known(shape: SchemaRef, key: Option<String>) -> Checked {
    match Planned::new(shape, None) {
        Ok(planned) => node::planned(planned, Vec::new(), key),
        Err(error) => Checked::failed(error.into_diagnostic()),
    }
}
