//! Whether commits may still be made: a run that is given up closes the gate, and then knows that what
//! it finds in a log is final.

use std::sync::Arc;

use tokio::sync::watch;

/// Lets commits through until it is closed. All clones are one gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<State>>);

#[derive(Clone, Copy, Debug, Default)]
struct State {
    closed: bool,
    /// Commits that are on their way.
    passing: usize,
}

impl Default for Gate {
    fn default() -> Gate {
        Gate(Arc::new(watch::Sender::new(State::default())))
    }
}

impl Gate {
    /// Leave for one commit, until it is dropped; `None` once the gate is closed.
    pub(super) fn enter(&self) -> Option<Passing> {
        let entered = self.0.send_if_modified(|state| {
            if !state.closed {
                state.passing += 1;
            }
            !state.closed
        });
        entered.then(|| Passing(self.clone()))
    }

    /// Lets no further commit through, and waits for those that are on their way.
    pub async fn close(&self) {
        self.0.send_modify(|state| state.closed = true);
        let mut receiver = self.0.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = receiver.wait_for(|state| state.passing == 0).await;
    }
}

/// A commit that is on its way.
#[derive(Debug)]
pub(super) struct Passing(Gate);

impl Drop for Passing {
    fn drop(&mut self) {
        self.0.0.send_modify(|state| state.passing -= 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::task::{Context, Poll, Waker};

    #[test]
    fn closing_waits_for_what_is_on_its_way() {
        let gate = Gate::default();
        let first = gate.enter().unwrap();
        let mut closing = Box::pin(gate.close());
        let mut context = Context::from_waker(Waker::noop());
        assert_eq!(closing.as_mut().poll(&mut context), Poll::Pending);
        assert!(gate.enter().is_none(), "it is closed");
        drop(first);
        assert_eq!(closing.as_mut().poll(&mut context), Poll::Ready(()));
    }
}
