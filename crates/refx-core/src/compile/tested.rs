//! A model as a unit test sees it: its own variables, instant, and answers of macros.

use std::sync::Arc;

use super::{Basis, Compiled, Queries, Resolved, scope};
use crate::diagnostic::{Code, Diagnostic};
use crate::manifest::{Invocation, UnitTest};
use crate::template::{self, CameOut, Host, Source as Text, Trace};

/// Compiles the model of a unit test with what the test overrides.
///
/// # Errors
/// The diagnostic of the template.
pub fn tested(
    basis: &Basis,
    test: &UnitTest,
    queries: Arc<dyn Queries>,
) -> Result<Compiled, Diagnostic> {
    let basis = overridden(basis, test);
    let node = basis.manifest.get(&test.model);
    let Some((node, model)) = node.and_then(|node| Some((node, node.as_model()?))) else {
        return Err(Diagnostic::error(
            Code::UnknownRef,
            format!("`{}` is not in the manifest", test.model),
        ));
    };
    let mut scope = scope(&basis, Some(node));
    scope.environment = Arc::new(scope.environment.with(&test.overrides.env_vars));
    scope.overrides = Arc::new(test.overrides.macros.clone());
    let host: Arc<dyn Host> = Arc::new(Resolved {
        basis: basis.clone(),
        node: Some(node.id().clone()),
        queries: Some(queries),
        incremental: Some(test.is_incremental()),
    });
    let source = Text::whole(model.common.path.clone(), model.text.clone());
    let rendered = template::render(&basis.macros, &source, &scope, &host)?;
    let start = source.span(&(0..0));
    let trace = |out: CameOut| Trace::of_template(&basis.macros, &source, &scope, &host, out);
    Ok(Compiled::of(rendered, start, trace))
}

/// The basis with the test's variables and instant.
pub fn overridden(basis: &Basis, test: &UnitTest) -> Basis {
    let overrides = &test.overrides;
    let mut invocation = Invocation::clone(&basis.invocation);
    if !overrides.vars.is_empty() {
        let mut vars = template::Vars::clone(&invocation.vars);
        vars.command_line.extend(overrides.vars.clone());
        invocation.vars = Arc::new(vars);
    }
    invocation.as_of = overrides.as_of.unwrap_or(invocation.as_of);
    Basis {
        invocation: Arc::new(invocation),
        ..basis.clone()
    }
}
