//! A seed: a small file of the project, loaded into a table.

use super::step::{Ended, Work};
use super::{hooks, landing};
use crate::delta::{self, PrimaryKey, Write};
use crate::diagnostic::{Diagnostic, Span};
use crate::engine::{Name, SourceOptions, SourceTable};
use crate::manifest::Seed;

pub(super) async fn run(work: &Work<'_>, seed: &Seed) -> Result<Ended, Diagnostic> {
    let Work { job, node, .. } = *work;
    let inputs = job.inputs();
    let session = job.engine.session();
    let file = Name::qualified("refx", "seed");
    let delimiter = seed
        .config
        .delimiter
        .as_ref()
        .and_then(|text| text.value.chars().next());
    // A type that the project file gives to a whole folder is for the seeds that have the column.
    let (of_folder, columns): (Vec<_>, Vec<_>) = (seed.config.column_types.iter().flatten())
        .map(|(name, data_type)| (data_type, (name.clone(), data_type.value.clone())))
        .partition(|(data_type, _)| data_type.span.file.ends_with("project.yml"));
    let source = SourceTable {
        options: SourceOptions {
            delimiter,
            columns: columns.into_iter().map(|(_, column)| column).collect(),
            columns_if_there: of_folder.into_iter().map(|(_, column)| column).collect(),
            ..SourceOptions::default()
        },
        ..SourceTable::at(inputs.path(&seed.common.path))
    };
    let whole = || Span::file(seed.common.path.clone());
    session
        .register_source(&file, &source)
        .await
        .map_err(|error| error.into_diagnostic().at(whole()))?;
    inputs.of(&session, node).await?;
    hooks::of_node(&inputs, &session, node, &seed.config.pre_hook).await?;
    let plan = session
        .plan("select * from refx.seed")
        .await
        .map_err(|error| error.into_diagnostic().at(whole()))?;
    let key = seed.config.primary_key.as_ref();
    let key = key.and_then(|key| PrimaryKey::new(key.value.iter()));
    let location = job.tables.location(&seed.relation)?;
    let mut write = Write::new(location, delta::Action::Overwrite { key });
    write.commit_info = landing::commit_info(job, node);
    write.transaction = Some(landing::transaction(job, node, false));
    let commit = match landing::commit(work, &plan, &write, &session).await {
        Ok(commit) => commit,
        Err(delta::Error::Held { version }) => {
            return Ok(Ended {
                outcome: landing::held(work, version),
                warnings: Vec::new(),
            });
        }
        Err(delta::Error::Engine(error)) => {
            return Err(session.told("", error).into_diagnostic().at(whole()));
        }
        Err(error) => return Err(error.into_diagnostic().at(whole())),
    };
    let outcome = landing::outcome(job, node.id(), &commit);
    if !seed.config.post_hook.is_empty() {
        inputs.of(&session, node).await?;
        hooks::of_node(&inputs, &session, node, &seed.config.post_hook).await?;
    }
    Ok(Ended {
        outcome,
        warnings: Vec::new(),
    })
}
