//! A request to stop: Ctrl-C, or the end of a caller's patience.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::delta::Gate;

/// How long a step that was told to stop may take for it, before it is left to itself: its query may
/// not look up from its work.
const PATIENCE: Duration = Duration::from_secs(1);

/// Raised once, seen by all clones. Steps that run are given up; a commit is whole or not there.
#[derive(Clone, Debug)]
pub struct Interrupt {
    raised: Arc<watch::Sender<bool>>,
    /// Closed before anyone looks for what was committed.
    pub(super) gate: Gate,
}

impl Default for Interrupt {
    fn default() -> Self {
        Interrupt {
            raised: Arc::new(watch::Sender::new(false)),
            gate: Gate::default(),
        }
    }
}

impl Interrupt {
    pub fn raise(&self) {
        self.raised.send_replace(true);
    }

    pub fn is_raised(&self) -> bool {
        *self.raised.borrow()
    }

    /// Completes when the request is raised, at once when it already is.
    pub async fn wait(&self) {
        let mut receiver = self.raised.subscribe();
        // The sender lives in `self`, so the channel cannot close while this waits.
        let _ = receiver.wait_for(|raised| *raised).await;
    }

    /// Completes some time after [`Interrupt::wait`]: who has not stopped by then does not listen.
    pub(super) async fn out_of_patience(&self) {
        self.wait().await;
        tokio::time::sleep(PATIENCE).await;
    }
}
