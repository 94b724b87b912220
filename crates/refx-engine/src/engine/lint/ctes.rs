//! `unused-cte`: a query under a name that nothing reads.

use std::collections::HashSet;
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Query, Visit, Visitor, visit_relations};

use super::{Finding, written};
use refx_core::diagnostic::Code;

pub(super) fn check(query: &Query, found: &mut Vec<Finding>) {
    let _ = query.visit(&mut Queries(found));
}

struct Queries<'a>(&'a mut Vec<Finding>);

impl Visitor for Queries<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        for (at, cte) in ctes.clone().enumerate() {
            let name = written::folded(&cte.alias.name);
            let mut read = names(&query.body);
            // Only later ones can read it; that one reads itself says nothing.
            for later in ctes.clone().skip(at + 1) {
                read.extend(names(&later.query));
            }
            if let Some(order) = &query.order_by {
                read.extend(names(order));
            }
            if !read.contains(&name) {
                self.0.push(
                    Finding::new(
                        Code::UnusedCte,
                        written::start(&cte.alias),
                        format!("nothing reads `{name}`"),
                    )
                    .help("remove it, or read it where it was meant to be read"),
                );
            }
        }
        ControlFlow::Continue(())
    }
}

/// The names of tables without a schema in a piece of the query: those that a CTE can have.
fn names(piece: &impl Visit) -> HashSet<String> {
    let mut names = HashSet::new();
    let _ = visit_relations(piece, |relation| -> ControlFlow<()> {
        if let [part] = relation.0.as_slice() {
            names.extend(part.as_ident().map(written::folded));
        }
        ControlFlow::Continue(())
    });
    names
}
