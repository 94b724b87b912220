//! The memory that all queries of a run share.
//!
//! DataFusion's fair pool lets operators that can spill fill it to the brim; the merge of what they
//! spilled, which cannot spill, then finds nothing left and the query fails. This pool divides it in
//! the same fair way, and keeps a part back for those that cannot spill.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use datafusion::common::{DataFusionError, Result};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation, human_readable_size,
};

#[derive(Debug)]
pub(super) struct SharedPool {
    size: usize,
    /// What operators that can spill get of it at most.
    spilling: usize,
    /// As long as they all hold less than this, one may hold more than its share.
    common: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Consumers that can spill.
    spillers: usize,
    spillable: usize,
    fixed: usize,
}

impl SharedPool {
    pub(super) fn new(size: usize) -> SharedPool {
        // What merges need does not grow with the pool: it is a few batches for each spilled file.
        const ENOUGH: usize = 512 << 20;
        let kept_back = (size / 4).max(ENOUGH.min(size / 2));
        let spilling = size - kept_back;
        SharedPool {
            size,
            spilling,
            // Queries that run side by side have hundreds of such operators, and most hold next to
            // nothing: by shares alone, the few that group many rows would go to disk with the pool
            // empty. A third, and all shares on top, still are no more than the pool.
            common: spilling / 3,
            state: Mutex::default(),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Counters are whole at every instant, so a panic elsewhere leaves nothing torn.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for SharedPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({})", self.name(), human_readable_size(self.size))
    }
}

impl MemoryPool for SharedPool {
    fn name(&self) -> &str {
        "shared"
    }

    fn register(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            self.state().spillers += 1;
        }
    }

    fn unregister(&self, consumer: &MemoryConsumer) {
        if consumer.can_spill() {
            let mut state = self.state();
            state.spillers = state.spillers.saturating_sub(1);
        }
    }

    fn grow(&self, reservation: &MemoryReservation, additional: usize) {
        let mut state = self.state();
        match reservation.consumer().can_spill() {
            true => state.spillable += additional,
            false => state.fixed += additional,
        }
    }

    fn shrink(&self, reservation: &MemoryReservation, shrink: usize) {
        let mut state = self.state();
        match reservation.consumer().can_spill() {
            true => state.spillable = state.spillable.saturating_sub(shrink),
            false => state.fixed = state.fixed.saturating_sub(shrink),
        }
    }

    fn try_grow(&self, reservation: &MemoryReservation, additional: usize) -> Result<()> {
        let mut state = self.state();
        let wanted = reservation.size() + additional;
        let (fits, left) = if reservation.consumer().can_spill() {
            let free = self.size.saturating_sub(state.fixed).min(self.spilling);
            let share = free / state.spillers.max(1);
            let common = state.spillable + additional <= self.common.min(free);
            let left = share.saturating_sub(reservation.size());
            (wanted <= share || common, left)
        } else {
            let free = self.size.saturating_sub(state.fixed + state.spillable);
            (additional <= free, free)
        };
        if !fits {
            return Err(DataFusionError::ResourcesExhausted(format!(
                "{} wants {} and {} are left of {}",
                reservation.consumer().name(),
                human_readable_size(additional),
                human_readable_size(left),
                human_readable_size(self.size),
            )));
        }
        match reservation.consumer().can_spill() {
            true => state.spillable += additional,
            false => state.fixed += additional,
        }
        Ok(())
    }

    fn reserved(&self) -> usize {
        let state = self.state();
        state.spillable + state.fixed
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.size)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_spiller_goes_past_its_share_while_the_pool_is_nearly_empty() {
        let pool: Arc<dyn MemoryPool> = Arc::new(SharedPool::new(4000 << 20));
        let spiller = || {
            let consumer = MemoryConsumer::new("group").with_can_spill(true);
            consumer.register(&pool)
        };
        let many: Vec<MemoryReservation> = (0..100).map(|_| spiller()).collect();
        // A share is 30 MB, and all of them hold up to 1000 MB in common.
        many[0].try_grow(900 << 20).unwrap();
        many[1].try_grow(200 << 20).unwrap_err();
        many[1].try_grow(90 << 20).unwrap();
        many[1].try_grow(20 << 20).unwrap_err();
        many[2].try_grow(29 << 20).unwrap();
        many[0].shrink(500 << 20);
        many[1].try_grow(200 << 20).unwrap();
    }
}
