//! One node: its text compiled and planned over the shapes of what it reads.

use std::sync::Arc;

use datafusion::arrow::datatypes::Schema;

use super::queries::Shapes;
use super::{
    Checked, Outcome, Planned, Query, Scope, contract, forms, hooks, lint, memory, source,
};
use crate::engine::{self, Filled, Keys, Kind, Meaning, Name, Plan, Rows, Session, located};
use refx_core::compile::{self, Basis, Compiled};
use refx_core::diagnostic::{Code, Diagnostic};
use refx_core::manifest::{Model, Node, NodeId, Test};

/// The way out where a model reads its own table before there is one.
pub(super) const OWN_TABLE: &str = "a model's own table is not there at its first run: read it inside of \
    `{% if is_incremental() %} … {% endif %}`";

/// Checks a node, given the answers for what it reads.
pub(super) async fn check(
    scope: &Scope,
    id: &NodeId,
    inputs: Vec<(NodeId, Arc<Checked>)>,
) -> Checked {
    let Some(node) = scope.fresh.manifest.get(id) else {
        return Checked::failed(Diagnostic::error(
            Code::UnknownRef,
            format!("`{id}` is not in the manifest"),
        ));
    };
    if let Some(because) = inputs.iter().find_map(|(id, input)| match &input.outcome {
        Outcome::Planned(_) => None,
        Outcome::Failed => Some(id.clone()),
        Outcome::NotChecked { because } => Some(because.clone()),
    }) {
        return not_checked(because, Vec::new());
    }
    let session = scope.engine.checking_session();
    let checking = Checking {
        scope,
        node,
        session: &session,
        inputs: &inputs,
    };
    if let Err(error) = checking.register() {
        return Checked::failed(error.into_diagnostic().at(node.common().span.clone()));
    }
    match node {
        Node::Source(table) => source::of_source(scope, &session, table).await,
        Node::Seed(seed) => source::of_seed(scope, &session, seed).await,
        Node::Model(model) => checking.model(model).await,
        Node::Test(_) | Node::Analysis(_) => checking.query().await,
        // An exposure is a name for what it reads; the rows of a unit test are looked at when it runs.
        Node::Exposure(_) | Node::UnitTest(_) => source::known(Arc::new(Schema::empty()), None),
    }
}

pub(super) fn planned(
    planned: Arc<Planned>,
    diagnostics: Vec<Diagnostic>,
    key: Option<String>,
) -> Checked {
    Checked {
        outcome: Outcome::Planned(planned),
        diagnostics,
        remembered: false,
        key,
    }
}

fn not_checked(because: NodeId, diagnostics: Vec<Diagnostic>) -> Checked {
    Checked {
        outcome: Outcome::NotChecked { because },
        diagnostics,
        remembered: false,
        key: None,
    }
}

/// Why a text that would be compiled has none.
pub(super) enum Unknown {
    /// It asks for rows, and a check reads none.
    NeedsData,
    Broken(Diagnostic),
}

/// A node in a session that has the shapes of what it reads.
pub(super) struct Checking<'a> {
    pub scope: &'a Scope,
    pub node: &'a Node,
    pub session: &'a Session,
    pub inputs: &'a [(NodeId, Arc<Checked>)],
}

impl Checking<'_> {
    fn register(&self) -> Result<(), engine::Error> {
        for (id, input) in self.inputs {
            let relation = self.scope.fresh.manifest.get(id).and_then(Node::relation);
            if let (Some(relation), Some(planned)) = (relation, input.planned()) {
                let shape = Arc::clone(&planned.shape);
                self.session.register_shape(&Name::of(relation), shape)?;
            }
        }
        Ok(())
    }

    async fn model(&self, model: &Model) -> Checked {
        let first = match self.compile(&self.scope.fresh) {
            Ok(compiled) => compiled,
            Err(unknown) => return self.unknown(unknown),
        };
        let key = self.key(&first);
        if let Some(answer) = self.scope.memory.planned(self.node.id(), &key) {
            return Checked {
                remembered: true,
                ..planned(answer, Vec::new(), Some(key))
            };
        }
        let plan = match self.plan(&first).await {
            Ok(plan) => plan,
            Err(diagnostic) => return Checked::failed(diagnostic),
        };
        let mut found = self.declared(model, &plan);
        match forms::of_model(self, model, (&first, &plan)).await {
            Ok((shape, more)) => {
                found.extend(more);
                found.extend(self.hooks(model, &shape).await);
                let elsewhere = |query: &Query| lint::reaches_out(&query.findings, model);
                let worth_it = found.is_empty() && !shape.query.as_ref().is_some_and(elsewhere);
                let key = worth_it.then_some(key);
                planned(shape, found, key)
            }
            Err(unknown) => {
                let mut checked = self.unknown(unknown);
                checked.diagnostics.splice(..0, found);
                checked
            }
        }
    }

    /// What is wrong with the model's hooks, which may read its own table.
    async fn hooks(&self, model: &Model, shape: &Planned) -> Vec<Diagnostic> {
        if model.config.pre_hook.is_empty() && model.config.post_hook.is_empty() {
            return Vec::new();
        }
        let name = Name::of(&model.relation);
        match self.session.register_shape(&name, Arc::clone(&shape.shape)) {
            Ok(()) => hooks::of_model(self, model).await,
            Err(error) => vec![error.into_diagnostic().at(self.node.common().span.clone())],
        }
    }

    /// What the model declares, held against its plan.
    fn declared(&self, model: &Model, plan: &Plan) -> Vec<Diagnostic> {
        let declared = contract::Declared {
            manifest: &self.scope.fresh.manifest,
            model,
            session: self.session,
            plan,
        };
        contract::of_model(&declared, &|id| {
            let mut inputs = self.inputs.iter();
            let (_, input) = inputs.find(|(known, _)| known == id)?;
            Some(input.planned()?.shape.clone())
        })
    }

    /// A test or an analysis: nobody reads it.
    async fn query(&self) -> Checked {
        let compiled = match self.compile(&self.scope.fresh) {
            Ok(compiled) => compiled,
            Err(unknown) => return self.unknown(unknown),
        };
        let key = self.key(&compiled);
        if let Some(answer) = self.scope.memory.planned(self.node.id(), &key) {
            return Checked {
                remembered: true,
                ..planned(answer, Vec::new(), Some(key))
            };
        }
        let shape = match self.plan(&compiled).await {
            Ok(plan) => Planned::new(plan.schema(), None),
            Err(diagnostic) => return Checked::failed(diagnostic),
        };
        if let Node::Test(test) = self.node
            && let Err(diagnostic) = self.counting(test, &compiled).await
        {
            return Checked::failed(diagnostic);
        }
        match shape {
            Ok(shape) => planned(shape, Vec::new(), Some(key)),
            Err(error) => Checked::failed(located(error, &compiled)),
        }
    }

    /// The settings of a test that judge the number of its failures: they are SQL as well.
    async fn counting(&self, test: &Test, compiled: &Compiled) -> Result<(), Diagnostic> {
        let config = &test.config;
        let written = [&config.fail_calc, &config.warn_if, &config.error_if];
        let written: Vec<_> = written.into_iter().flatten().collect();
        if written.is_empty() {
            return Ok(());
        }
        let counting = compile::counting(test, compile::written(compiled));
        let planned = self.session.plan(&counting.sql).await;
        planned.map(|_| ()).map_err(|error| {
            // Of several settings, the one that holds what the error is about.
            let about = error.written.clone().unwrap_or_default();
            let mut holding = written.iter().filter(|text| text.value.contains(&about));
            let place = holding.next().or(written.first());
            let place = place.map_or(&test.common.span, |text| &text.span);
            error.into_diagnostic().at(place.clone())
        })
    }

    /// What lint finds in one form of the model's query.
    pub(super) fn findings(
        &self,
        model: &Model,
        compiled: &Compiled,
        plan: &Plan,
    ) -> Vec<Diagnostic> {
        lint::of_query(
            self.session,
            (compiled, plan),
            model,
            self.known_of_inputs(),
        )
    }

    /// The keys of the inputs, and their columns that hold no NULL.
    fn known_of_inputs(&self) -> (Keys, Filled) {
        let manifest = &self.scope.fresh.manifest;
        let inputs = || self.inputs.iter().map(|(id, _)| id);
        (
            lint::named(manifest, &self.scope.keys, inputs()),
            lint::named(manifest, &self.scope.filled, inputs()),
        )
    }

    /// The node's SQL as a run would compile it.
    pub(super) fn compile(&self, basis: &Basis) -> Result<Compiled, Unknown> {
        let queries = Arc::new(Shapes::new(self.session));
        match compile::render(basis, self.node, Some(queries.clone())) {
            _ if queries.asked_for_rows() => Err(Unknown::NeedsData),
            Ok(compiled) => Ok(compiled),
            Err(diagnostic) => Err(Unknown::Broken(diagnostic)),
        }
    }

    /// What the model's query means, given what its inputs do.
    pub(super) fn whole(&self, plan: &Plan) -> Meaning {
        plan.meaning(&|name| {
            let (_, input) = self.inputs.iter().find(|(id, _)| {
                let node = self.scope.fresh.manifest.get(id);
                let relation = node.and_then(Node::relation);
                relation.is_some_and(|relation| Name::of(relation).is(name))
            })?;
            let whole = &input.planned()?.query.as_ref()?.whole;
            Some(Meaning {
                // What is above counts as one table: else chains of joins would add up.
                parts: Rows::one(whole.rows),
                ..whole.clone()
            })
        })
    }

    pub(super) async fn plan(&self, compiled: &Compiled) -> Result<Plan, Diagnostic> {
        let plan = self.session.plan(&compiled.sql).await;
        plan.map_err(|error| {
            let (kind, written) = (error.kind, error.written.clone());
            let offered = error.candidates.clone();
            let diagnostic = located(error, compiled);
            match kind {
                Kind::UnknownTable => match written.and_then(|name| self.meant(&name)) {
                    Some(help) => diagnostic.help(help),
                    None => diagnostic,
                },
                Kind::UnknownColumn if diagnostic.help.is_none() => {
                    self.undeclared(diagnostic, &offered)
                }
                _ => diagnostic,
            }
        })
    }

    /// The files of a source whose columns are offered may have more than it declares.
    fn undeclared(&self, diagnostic: Diagnostic, offered: &[String]) -> Diagnostic {
        let nodes = self.inputs.iter();
        let nodes = nodes.filter_map(|(id, _)| self.scope.fresh.manifest.get(id));
        let declared = nodes.filter_map(|node| match node {
            Node::Source(table)
                if source::is_declared(table)
                    && table
                        .common
                        .columns
                        .iter()
                        .all(|column| offered.contains(&column.name.value.to_string())) =>
            {
                Some(format!("`{}.{}`", table.source_name, node.name()))
            }
            _ => None,
        });
        let declared: Vec<String> = declared.collect();
        match declared.is_empty() {
            true => diagnostic,
            false => diagnostic.help(format!(
                "if the files of {} have it, declare it there with its `data_type`",
                declared.join(" or ")
            )),
        }
    }

    /// How to read what is named as a table and is a node of the project.
    fn meant(&self, name: &str) -> Option<String> {
        let local = name.rsplit('.').next().unwrap_or(name);
        let nodes = self.scope.fresh.manifest.nodes.values();
        let node = nodes
            .filter(|node| node.relation().is_some())
            .find(|node| node.name().eq_ignore_ascii_case(local))?;
        Some(match node {
            node if node.id() == self.node.id() => OWN_TABLE.to_owned(),
            Node::Source(source) => format!(
                "it is a source: write `{{{{ source('{}', '{}') }}}}`",
                source.source_name,
                node.name()
            ),
            _ => format!("write `{{{{ ref('{}') }}}}`", node.name()),
        })
    }

    fn unknown(&self, unknown: Unknown) -> Checked {
        match unknown {
            Unknown::Broken(diagnostic) => Checked::failed(match diagnostic.span {
                Some(_) => diagnostic,
                None => diagnostic.at(self.node.common().span.clone()),
            }),
            Unknown::NeedsData => not_checked(
                self.node.id().clone(),
                vec![
                    Diagnostic::warning(
                        Code::NotChecked,
                        format!("`{}` asks for rows while it is compiled", self.node.name()),
                    )
                    .at(self.node.common().span.clone())
                    .note("a check reads no data, so neither this nor what reads it is planned")
                    .help("`refx plan` and `refx build` compile it over the tables as they are"),
                ],
            ),
        }
    }

    /// What the answer depends on: the text, where it and its properties stand, what decides about
    /// texts, and the inputs.
    fn key(&self, compiled: &Compiled) -> String {
        let common = self.node.common();
        let invocation = &self.scope.fresh.invocation;
        let described = format!(
            "{:?}{:?}{:?}{:?}{:?}",
            common.columns,
            invocation.vars,
            invocation.target,
            invocation.flags,
            self.known_of_inputs()
        );
        let constraints = self.node.as_model().map(|model| &model.constraints);
        let constraints = format!("{constraints:?}");
        let own = [
            compiled.sql.as_ref(),
            common.fingerprint.as_str(),
            described.as_str(),
            constraints.as_str(),
        ];
        let inputs = self.inputs.iter().flat_map(|(id, input)| {
            let digest = input.planned().map_or("", |planned| &planned.digest);
            [id.as_str(), digest]
        });
        memory::digest(own.into_iter().chain(inputs))
    }
}
