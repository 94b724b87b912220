//! A request to stop: Ctrl-C, or the end of a caller's patience.

use std::sync::Arc;

use tokio::sync::watch;

/// Raised once, seen by all clones. Steps that run are given up; a commit is whole or not there.
#[derive(Clone, Debug)]
pub struct Interrupt {
    raised: Arc<watch::Sender<bool>>,
}

impl Default for Interrupt {
    fn default() -> Self {
        Interrupt {
            raised: Arc::new(watch::Sender::new(false)),
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
}
