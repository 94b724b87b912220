//! Dice that remember nothing: a throw is a hash of what it decides about, so that any row can be
//! made on its own, in any order, on any machine.
//!
//! ```ignore
//! let user = Dice::new(42).of(USER).of(no);
//! let region = user.of(REGION).below(13);
//! ```

/// The hash of a path of keys. Only whole numbers are used: a float library may differ in its last
/// bit from one machine to the next, and one bit is enough to make another row.
#[derive(Clone, Copy)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Dice(mix(seed))
    }

    /// The dice of one more key: a table, a user, a day, a question.
    pub fn of(self, key: u64) -> Self {
        Dice(mix(self.0 ^ key.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    /// A number in `0..n`.
    pub fn below(self, n: u64) -> u64 {
        ((u128::from(self.0) * u128::from(n)) >> 64) as u64
    }

    /// True this many times out of 10,000.
    pub fn chance(self, of_10_000: u64) -> bool {
        self.below(10_000) < of_10_000
    }

    /// One item, all equally likely.
    pub fn pick<T: Copy>(self, items: &[T]) -> T {
        items[self.below(items.len() as u64) as usize]
    }

    /// An index, as likely as its weight. `running` holds the running totals of the weights.
    pub fn weighted(self, running: &[u64]) -> usize {
        let total = running.last().copied().unwrap_or(0);
        let at = self.below(total.max(1));
        running.partition_point(|&sum| sum <= at)
    }
}

/// The running totals that [`Dice::weighted`] wants.
pub fn running(weights: impl IntoIterator<Item = u64>) -> Vec<u64> {
    weights
        .into_iter()
        .scan(0, |sum, weight| {
            *sum += weight;
            Some(*sum)
        })
        .collect()
}

/// Zipf: the item of rank r is 1/r as popular as the first.
pub fn zipf(n: usize) -> Vec<u64> {
    running((1..=n as u64).map(|rank| 1_000_000 / rank))
}

/// The finalizer of splitmix64 (Steele, Lea and Flood, 2014).
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
