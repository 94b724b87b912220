//! Sums in a window of bits: of 128, and of 256.

use std::num::NonZeroI32;

use super::take;

/// A window without a value.
const UNPLACED: i32 = -1;

/// 128 bits in two's complement, the lowest 64 first, and the place of the lowest bit.
#[derive(Clone, Debug)]
pub(crate) struct Small {
    limbs: [u64; 2],
    base: Base,
}

/// A place or [`UNPLACED`], never zero in memory: an enum needs no bytes of its own beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Base(NonZeroI32);

impl Base {
    #[inline]
    fn at(place: i32) -> Base {
        // Places are from -1 to some thousands.
        Base(NonZeroI32::new(place + 2).unwrap_or(NonZeroI32::MIN))
    }

    #[inline]
    fn place(self) -> i32 {
        self.0.get() - 2
    }
}

impl Small {
    /// Where the lowest bit of the first value goes, and the highest place for one.
    const START: i32 = 34;
    const LAST: i32 = 72;

    pub(super) fn empty() -> Small {
        Small {
            limbs: [0; 2],
            base: Base::at(UNPLACED),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.base.place() == UNPLACED
    }

    pub(super) fn place(&self) -> i32 {
        self.base.place().max(0)
    }

    #[inline]
    fn sum(&self) -> i128 {
        (i128::from(self.limbs[1] as i64) << 64) | i128::from(self.limbs[0])
    }

    #[inline]
    fn set(&mut self, sum: i128) {
        self.limbs = [sum as u64, (sum >> 64) as u64];
    }

    /// Adds a number of up to 53 bits; false, and nothing changed, where it does not fit.
    #[inline]
    pub(super) fn enter(&mut self, whole: u64, place: i32, negative: bool) -> bool {
        if self.is_empty() {
            self.base = Base::at((place - Small::START).max(0));
        }
        let shift = place - self.base.place();
        if !(0..=Small::LAST).contains(&shift) {
            return false;
        }
        let value = i128::from(whole) << shift;
        let value = if negative { -value } else { value };
        match self.sum().checked_add(value) {
            Some(sum) => {
                self.set(sum);
                true
            }
            None => false,
        }
    }

    /// Adds another window; false, and nothing changed, where both do not fit one.
    pub(super) fn merge(&mut self, other: &Small) -> bool {
        let (low, high) = match self.base.place() <= other.base.place() {
            true => (&*self, other),
            false => (other, &*self),
        };
        let (sum, shift) = (
            high.sum(),
            (high.base.place() - low.base.place()).unsigned_abs(),
        );
        let room = if sum < 0 {
            sum.leading_ones()
        } else {
            sum.leading_zeros()
        };
        if shift + 1 >= room {
            return false;
        }
        let Some(sum) = (sum << shift).checked_add(low.sum()) else {
            return false;
        };
        self.base = low.base;
        self.set(sum);
        true
    }

    pub(super) fn magnitude(&self) -> (bool, [u64; 2]) {
        magnitude(self.limbs)
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        encode(&self.limbs, self.base.place(), bytes);
    }

    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Small> {
        let (limbs, base) = decode(bytes)?;
        Some(Small {
            limbs,
            base: Base::at(base),
        })
    }
}

/// 256 bits in two's complement, and the place of the lowest.
#[derive(Clone, Debug)]
pub(crate) struct Medium {
    limbs: [u64; 4],
    base: i32,
}

impl Medium {
    /// Where the lowest bit of the first value goes, and the highest place for one.
    const START: i32 = 70;
    const LAST: i32 = 256 - 108;

    pub(super) const fn empty() -> Medium {
        Medium {
            limbs: [0; 4],
            base: UNPLACED,
        }
    }

    /// The same sum with room on both sides.
    pub(super) fn of(small: &Small) -> Medium {
        let sign = ((small.limbs[1] as i64) >> 63) as u64;
        let [low, high] = small.limbs;
        match small.base.place() {
            UNPLACED => Medium::empty(),
            base if base >= 64 => Medium {
                limbs: [0, low, high, sign],
                base: base - 64,
            },
            base => Medium {
                limbs: [low, high, sign, sign],
                base,
            },
        }
    }

    pub(super) fn place(&self) -> i32 {
        self.base.max(0)
    }

    /// Adds a number of up to 106 bits; false, and nothing changed, where it does not fit.
    #[inline]
    pub(super) fn enter(&mut self, whole: u128, place: i32, negative: bool) -> bool {
        if self.base == UNPLACED {
            self.base = (place - Medium::START).max(0);
        }
        let shift = place - self.base;
        if !(0..=Medium::LAST).contains(&shift) {
            return false;
        }
        let (limb, offset) = ((shift >> 6) as usize, shift & 63);
        let shifted = whole << offset;
        let mut value = [0; 5];
        value[limb] = shifted as u64;
        value[limb + 1] = (shifted >> 64) as u64;
        if offset > 0 {
            value[limb + 2] = (whole >> (128 - offset)) as u64;
        }
        self.combine(&value, negative)
    }

    /// Adds or subtracts, where the sum does not leave the window.
    #[inline]
    fn combine(&mut self, value: &[u64; 5], negative: bool) -> bool {
        let flip = if negative { u64::MAX } else { 0 };
        let mut sum = [0; 4];
        let mut carry = negative;
        for (at, sum) in sum.iter_mut().enumerate() {
            let (first, over) = self.limbs[at].overflowing_add(value[at] ^ flip);
            let (second, again) = first.overflowing_add(u64::from(carry));
            *sum = second;
            carry = over | again;
        }
        let sign = |limb: u64| limb >> 63 == 1;
        let before = sign(self.limbs[3]);
        if before == negative && sign(sum[3]) != before {
            return false;
        }
        self.limbs = sum;
        true
    }

    pub(super) fn magnitude(&self) -> (bool, [u64; 4]) {
        magnitude(self.limbs)
    }

    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        encode(&self.limbs, self.base, bytes);
    }

    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Medium> {
        let (limbs, base) = decode(bytes)?;
        Some(Medium { limbs, base })
    }
}

fn encode(limbs: &[u64], base: i32, bytes: &mut Vec<u8>) {
    bytes.extend_from_slice(&base.to_le_bytes());
    for limb in limbs {
        bytes.extend_from_slice(&limb.to_le_bytes());
    }
}

fn decode<const N: usize>(bytes: &mut &[u8]) -> Option<([u64; N], i32)> {
    let base = i32::from_le_bytes(take(bytes)?);
    let mut limbs = [0; N];
    for limb in &mut limbs {
        *limb = u64::from_le_bytes(take(bytes)?);
    }
    Some((limbs, base))
}

/// Sign and magnitude of a number in two's complement.
pub(super) fn magnitude<const N: usize>(mut limbs: [u64; N]) -> (bool, [u64; N]) {
    let negative = limbs[N - 1] >> 63 == 1;
    if negative {
        let mut carry = true;
        for limb in &mut limbs {
            let (negated, over) = (!*limb).overflowing_add(u64::from(carry));
            *limb = negated;
            carry = over;
        }
    }
    (negative, limbs)
}
