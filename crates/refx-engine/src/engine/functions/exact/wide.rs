//! A sum that spans all doubles.

use super::take;
use super::window::magnitude;

/// Bits of a chunk that belong to it alone; the rest is room for carries.
const CHUNK: i32 = 32;
/// Chunks for the bits of the greatest double (2,099 of them), a carry and a whole window.
const CHUNKS: usize = 76;
/// Additions before the chunks have to pass their carries on.
const CARRY_AFTER: u32 = 1 << 29;

/// A sum that spans all doubles, and counts what is no number.
#[derive(Clone, Debug)]
pub(crate) struct Wide {
    chunks: [i64; CHUNKS],
    /// Additions since the carries were passed on.
    pending: u32,
    nan: i64,
    plus_infinity: i64,
    minus_infinity: i64,
}

impl Default for Wide {
    fn default() -> Wide {
        Wide {
            chunks: [0; CHUNKS],
            pending: 0,
            nan: 0,
            plus_infinity: 0,
            minus_infinity: 0,
        }
    }
}

impl Wide {
    #[inline]
    pub(super) fn enter(&mut self, whole: u64, place: i32, negative: bool) {
        let (first, offset) = ((place / CHUNK) as usize, place % CHUNK);
        let shifted = u128::from(whole) << offset;
        let chunk = |at: i32| (shifted >> (CHUNK * at)) as u32 as i64;
        let sign = if negative { -1 } else { 1 };
        for at in 0..3 {
            self.chunks[first + at] += sign * chunk(at as i32);
        }
        self.pending += 1;
        if self.pending == CARRY_AFTER {
            self.carry();
        }
    }

    pub(super) fn merge(&mut self, other: &Wide) {
        let mut other = other.clone();
        other.carry();
        self.carry();
        for (chunk, more) in self.chunks.iter_mut().zip(other.chunks) {
            *chunk += more;
        }
        self.pending = 1;
        self.nan += other.nan;
        self.plus_infinity += other.plus_infinity;
        self.minus_infinity += other.minus_infinity;
    }

    /// Leaves each chunk but the last between 0 and 2^32.
    fn carry(&mut self) {
        let mut carried = 0;
        for chunk in &mut self.chunks[..CHUNKS - 1] {
            let sum = *chunk + carried;
            carried = sum >> CHUNK;
            *chunk = sum & ((1 << CHUNK) - 1);
        }
        self.chunks[CHUNKS - 1] += carried;
        self.pending = 0;
    }

    #[cold]
    pub(super) fn count(&mut self, value: f64, by: i64) {
        match value {
            value if value.is_nan() => self.nan += by,
            value if value > 0.0 => self.plus_infinity += by,
            _ => self.minus_infinity += by,
        }
    }

    pub(super) fn special(&self) -> Option<f64> {
        match (self.nan, self.plus_infinity, self.minus_infinity) {
            (0, 0, 0) => None,
            (0, _, 0) => Some(f64::INFINITY),
            (0, 0, _) => Some(f64::NEG_INFINITY),
            _ => Some(f64::NAN),
        }
    }

    pub(super) fn magnitude(&self) -> (bool, [u64; CHUNKS / 2]) {
        let mut carried = self.clone();
        carried.carry();
        let mut limbs = [0; CHUNKS / 2];
        for (limb, pair) in limbs.iter_mut().zip(carried.chunks.chunks_exact(2)) {
            // The last chunk carries the sign in all of its bits.
            *limb = (pair[0] as u64) | ((pair[1] as u64) << CHUNK);
        }
        magnitude(limbs)
    }

    /// Appends what [`Wide::decode`] reads.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        let mut carried = self.clone();
        carried.carry();
        let counts = [self.nan, self.plus_infinity, self.minus_infinity];
        for number in counts.iter().chain(&carried.chunks) {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
    }

    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Box<Wide>> {
        let mut wide = Box::<Wide>::default();
        let Wide {
            nan,
            plus_infinity,
            minus_infinity,
            chunks,
            ..
        } = wide.as_mut();
        let counts = [nan, plus_infinity, minus_infinity];
        for number in counts.into_iter().chain(chunks) {
            *number = i64::from_le_bytes(take(bytes)?);
        }
        Some(wide)
    }
}
