//! A seed: a small file of the project, loaded into a table.

use super::step::{Ended, Work};
use super::{hooks, landing};
use crate::delta::{self, PrimaryKey, Write};
use crate::engine::{Name, SourceTable};
use refx_core::diagnostic::{Diagnostic, Span};
use refx_core::manifest::Seed;

pub(super) async fn run(work: &Work<'_>, seed: &Seed) -> Result<Ended, Diagnostic> {
    let Work { job, node, .. } = *work;
    let inputs = job.inputs();
    let session = job.engine.session();
    let file = Name::qualified("refx", "seed");
    let source = SourceTable::of_seed(seed, &job.root);
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
    write.commit_info = landing::of_seed(job, node);
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
        Err(error) => {
            let personal = job.basis.manifest.personal(node);
            return Err(error.masked(&personal).into_diagnostic().at(whole()));
        }
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
