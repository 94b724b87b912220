//! Walks a plan: what is ready runs, side by side, up to a number of steps at a time.

use std::collections::BTreeSet;
use std::future::Future;

use futures::StreamExt;
use futures::stream::FuturesUnordered;

use super::Interrupt;
use super::event::SkipReason;
use refx_core::plan::{Plan, Step};

/// How the walk is to go.
pub(super) struct Rules<'a> {
    /// Steps that run at the same time; at least one does.
    pub threads: usize,
    /// Begin nothing more once a step has failed.
    pub fail_fast: bool,
    pub interrupt: &'a Interrupt,
}

/// A step that has ended.
pub(super) struct Ended {
    pub at: usize,
    pub succeeded: bool,
    /// The tests of its candidate that ended with it.
    pub audits: Vec<usize>,
}

/// Runs every step of the plan once what it waits for has succeeded.
///
/// Tests of a candidate end with the step that makes it, or are skipped with it. A step that waits for one that did not is given to
/// `skip` instead, and so are all that have not begun after an interrupt, or after a failure under
/// `fail_fast`. Among the steps that are ready the one that comes first in the plan goes first.
pub(super) async fn walk<F>(
    plan: &Plan,
    rules: Rules<'_>,
    mut run: impl FnMut(usize) -> F,
    mut skip: impl FnMut(usize, SkipReason),
) where
    F: Future<Output = Ended>,
{
    let steps = &plan.steps;
    let mut waiting: Vec<usize> = steps.iter().map(|step| step.after.len()).collect();
    let mut readers: Vec<Vec<usize>> = vec![Vec::new(); steps.len()];
    for (at, Step { after, .. }) in steps.iter().enumerate() {
        for &before in after {
            readers[before].push(at);
        }
    }
    let mut ready: BTreeSet<usize> = (0..steps.len()).filter(|&at| waiting[at] == 0).collect();
    let mut settled = vec![false; steps.len()];
    let mut running = FuturesUnordered::new();
    let mut failed = false;

    loop {
        let stopped = rules.interrupt.is_raised() || (failed && rules.fail_fast);
        while !stopped && running.len() < rules.threads.max(1) {
            let Some(at) = ready.pop_first() else { break };
            running.push(run(at));
        }
        let Some(ended) = running.next().await else {
            break;
        };
        let Ended { at, succeeded, .. } = ended;
        settled[at] = true;
        for audit in ended.audits {
            settled[audit] = true;
        }
        if succeeded {
            for &reader in &readers[at] {
                waiting[reader] -= 1;
                if waiting[reader] == 0 && !settled[reader] {
                    ready.insert(reader);
                }
            }
        } else {
            failed = true;
            skip_readers(at, plan, &readers, &mut settled, &mut skip);
        }
    }

    let reason = if rules.interrupt.is_raised() {
        SkipReason::Interrupted
    } else {
        SkipReason::FailFast
    };
    for at in (0..steps.len()).filter(|&at| !settled[at]) {
        skip(at, reason.clone());
    }
}

/// Skips everything that waits for a step that did not succeed, naming the nearest cause.
fn skip_readers(
    failed: usize,
    plan: &Plan,
    readers: &[Vec<usize>],
    settled: &mut [bool],
    skip: &mut impl FnMut(usize, SkipReason),
) {
    let mut todo = vec![failed];
    while let Some(at) = todo.pop() {
        for &reader in &readers[at] {
            if !settled[reader] {
                settled[reader] = true;
                skip(
                    reader,
                    SkipReason::Upstream(plan.steps[failed].node.clone()),
                );
                todo.push(reader);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use refx_core::manifest::NodeId;
    use refx_core::plan::Action;
    use std::cell::RefCell;

    /// A plan from lines such as `c: a b`, each step after those that it names.
    fn plan(text: &str) -> Plan {
        let lines: Vec<(&str, &str)> = text
            .split(';')
            .filter_map(|line| line.trim().split_once(':'))
            .collect();
        let at = |name: &str| lines.iter().position(|(step, _)| *step == name);
        Plan {
            steps: lines
                .iter()
                .map(|(name, after)| Step {
                    node: NodeId::new(*name),
                    action: Action::Create,
                    reason: String::new(),
                    after: after.split_whitespace().filter_map(at).collect(),
                    audits: Vec::new(),
                })
                .collect(),
        }
    }

    async fn check(text: &str, failing: &str, threads: usize, fail_fast: bool) -> String {
        let plan = plan(text);
        let name = |at: usize| plan.steps[at].node.to_string();
        let log = RefCell::new(Vec::new());
        walk(
            &plan,
            Rules {
                threads,
                fail_fast,
                interrupt: &Interrupt::default(),
            },
            |at| {
                log.borrow_mut().push(name(at));
                let succeeded = name(at) != failing;
                async move {
                    Ended {
                        at,
                        succeeded,
                        audits: Vec::new(),
                    }
                }
            },
            |at, _| log.borrow_mut().push(format!("-{}", name(at))),
        )
        .await;
        log.into_inner().join(" ")
    }

    #[tokio::test]
    async fn a_failure_skips_its_readers_and_nothing_else() {
        let text = "a:; b: a; c: b; d:; e: d c; f: d";
        assert_eq!(check(text, "b", 1, false).await, "a b -c -e d f");
        assert_eq!(check(text, "", 1, false).await, "a b c d e f");
    }

    #[tokio::test]
    async fn fail_fast_begins_nothing_more() {
        assert_eq!(check("a:; b:; c:", "a", 1, true).await, "a -b -c");
    }
}
