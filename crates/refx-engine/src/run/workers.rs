//! The threads that queries run on, apart from those that look after the run.
//!
//! A query may compute for minutes without looking up, and then holds the thread that it runs on. So the
//! run itself waits elsewhere: it can leave such a query to itself, and with it its threads.

use std::future::Future;

use tokio::runtime::{Handle, Runtime};
use tokio::task::JoinError;

use super::Interrupt;

/// Stack of the threads that plan and render: deep SQL and nested macros recurse.
pub const STACK: usize = 16 << 20;

pub(super) struct Workers {
    /// None where no threads could be started: then queries share those of the run.
    runtime: Option<Runtime>,
}

impl Workers {
    pub(super) fn new() -> Workers {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("refx-query")
            .thread_stack_size(STACK)
            .build();
        Workers {
            runtime: runtime.ok(),
        }
    }

    /// Runs a task to its end, or leaves it to itself where it does not stop when it is told to; then
    /// there is nothing to return.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        interrupt: &Interrupt,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Option<Result<T, JoinError>> {
        let mut task = match &self.runtime {
            Some(runtime) => runtime.spawn(work),
            None => Handle::current().spawn(work),
        };
        tokio::select! {
            done = &mut task => Some(done),
            () = interrupt.out_of_patience() => {
                // It ends at the next point where it looks up, if that ever comes.
                task.abort();
                None
            }
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // To wait for threads would be to wait for the queries on them.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
