//! Sums of doubles without rounding.
//!
//! A double is a whole number times a power of two, so a wide enough whole number adds any doubles up
//! exactly. The result is rounded once, when it is read: it depends neither on the order of the rows
//! nor on how they were divided among partitions, and a value can be taken back out of the sum.
//!
//! Most sums have values of like sizes: for those, 128 bits around the first value do ([`Small`]).
//! Where they do not, the sum moves to the heap: to 256 bits ([`Medium`]), and then to as many as
//! span all doubles ([`Wide`]), which also counts infinities and NaN.

mod round;
mod wide;
mod window;

#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

pub(super) use round::round;
use wide::Wide;
use window::{Medium, Small};

/// Places are counted from the lowest bit of the least double, 2^-1074.
pub(super) const LOWEST: i64 = -1074;

/// The exact sum of some doubles.
#[derive(Clone, Debug)]
pub(super) enum Sum {
    Small(Small),
    Large(Box<Large>),
}

/// A sum on the heap.
#[derive(Clone, Debug)]
pub(crate) enum Large {
    Medium(Medium),
    Wide(Box<Wide>),
}

impl Default for Sum {
    fn default() -> Sum {
        Sum::Small(Small::empty())
    }
}

/// A finite double as `whole * 2^(place - 1074)`.
struct Parts {
    whole: u64,
    place: i32,
    negative: bool,
}

/// None for infinities and NaN.
#[inline]
fn parts(value: f64) -> Option<Parts> {
    const FRACTION: u64 = (1 << 52) - 1;
    let bits = value.to_bits();
    let exponent = (bits >> 52) as i32 & 0x7ff;
    let fraction = bits & FRACTION;
    let (whole, place) = match exponent {
        0x7ff => return None,
        0 => (fraction, 0),
        _ => (fraction | (FRACTION + 1), exponent - 1),
    };
    Some(Parts {
        whole,
        place,
        negative: bits >> 63 == 1,
    })
}

impl Sum {
    #[inline]
    pub(super) fn add(&mut self, value: f64) {
        self.enter(value, false);
    }

    /// Takes a value out that was added before.
    #[inline]
    pub(super) fn remove(&mut self, value: f64) {
        self.enter(value, true);
    }

    #[inline]
    fn enter(&mut self, value: f64, removed: bool) {
        let Some(parts) = parts(value) else {
            self.wide().count(value, if removed { -1 } else { 1 });
            return;
        };
        if parts.whole == 0 {
            return;
        }
        let negative = parts.negative != removed;
        if let Sum::Small(small) = self
            && small.enter(parts.whole, parts.place, negative)
        {
            return;
        }
        self.enter_whole(u128::from(parts.whole), parts.place, negative);
    }

    /// Adds the product of two values as it is before it is rounded.
    #[inline]
    pub(super) fn add_product(&mut self, left: f64, right: f64) {
        self.enter_product(left, right, false);
    }

    /// Takes a product out that was added before.
    #[inline]
    pub(super) fn remove_product(&mut self, left: f64, right: f64) {
        self.enter_product(left, right, true);
    }

    #[inline]
    fn enter_product(&mut self, left: f64, right: f64, removed: bool) {
        let rounded = left * right;
        let (Some(a), Some(b)) = (parts(left), parts(right)) else {
            return self.enter(rounded, removed);
        };
        if rounded.is_infinite() {
            return self.enter(rounded, removed);
        }
        let mut whole = u128::from(a.whole) * u128::from(b.whole);
        let mut place = a.place + b.place + LOWEST as i32;
        if place < 0 {
            // What lies below the least double is cut off.
            whole = whole.checked_shr(place.unsigned_abs()).unwrap_or(0);
            place = 0;
        }
        if whole != 0 {
            self.enter_whole(whole, place, (a.negative != b.negative) != removed);
        }
    }

    /// Adds a number of up to 106 bits.
    #[inline]
    fn enter_whole(&mut self, whole: u128, place: i32, negative: bool) {
        if let Sum::Small(small) = self {
            *self = Sum::Large(Box::new(Large::Medium(Medium::of(small))));
        }
        if let Sum::Large(large) = self
            && let Large::Medium(medium) = large.as_mut()
            && medium.enter(whole, place, negative)
        {
            return;
        }
        let wide = self.wide();
        wide.enter(whole as u64, place, negative);
        wide.enter((whole >> 64) as u64, place + 64, negative);
    }

    /// Adds many values: first those of one exponent to each other, then their sums.
    pub(super) fn add_all(&mut self, values: impl Iterator<Item = f64>) {
        /// The fractions of 2^10 values leave no 64 bits.
        const AT_ONCE: u32 = 1 << 10;
        let mut bins = [0_i64; 0x7ff];
        let mut count = 0;
        let (mut least, mut greatest) = (0x7ff, 0);
        for value in values {
            let Some(parts) = parts(value) else {
                self.add(value);
                continue;
            };
            let place = parts.place as usize;
            let whole = parts.whole as i64;
            bins[place] += if parts.negative { -whole } else { whole };
            (least, greatest) = (place.min(least), place.max(greatest));
            count += 1;
            if count == AT_ONCE {
                self.enter_bins(&mut bins, least..=greatest);
                (count, least, greatest) = (0, 0x7ff, 0);
            }
        }
        if count > 0 {
            self.enter_bins(&mut bins, least..=greatest);
        }
    }

    fn enter_bins(&mut self, bins: &mut [i64; 0x7ff], used: RangeInclusive<usize>) {
        for place in used {
            let whole = std::mem::take(&mut bins[place]);
            if whole != 0 {
                self.enter_whole(u128::from(whole.unsigned_abs()), place as i32, whole < 0);
            }
        }
    }

    /// The sum in its widest form, moved there when it is not yet.
    #[cold]
    fn wide(&mut self) -> &mut Wide {
        if self.as_wide().is_none() {
            let mut wide = Box::<Wide>::default();
            let (negative, limbs, place) = self.whole();
            for (at, limb) in limbs.into_iter().enumerate() {
                if limb != 0 {
                    wide.enter(limb, place as i32 + 64 * at as i32, negative);
                }
            }
            *self = Sum::Large(Box::new(Large::Wide(wide)));
        }
        if let Sum::Large(large) = self
            && let Large::Wide(wide) = large.as_mut()
        {
            return wide;
        }
        unreachable!("it was just widened")
    }

    fn as_wide(&self) -> Option<&Wide> {
        match self {
            Sum::Large(large) => match large.as_ref() {
                Large::Wide(wide) => Some(wide),
                Large::Medium(_) => None,
            },
            Sum::Small(_) => None,
        }
    }

    /// Adds all that another sum has.
    pub(super) fn merge(&mut self, other: &Sum) {
        if let Some(other) = other.as_wide() {
            return self.wide().merge(other);
        }
        if let Sum::Small(small) = self {
            if small.is_empty() {
                *self = other.clone();
                return;
            }
            if let Sum::Small(other) = other
                && (other.is_empty() || small.merge(other))
            {
                return;
            }
        }
        let (negative, limbs, place) = other.whole();
        for (at, limb) in limbs.into_iter().enumerate() {
            if limb != 0 {
                self.enter_whole(u128::from(limb), place as i32 + 64 * at as i32, negative);
            }
        }
    }

    /// Bytes on the heap.
    #[inline]
    pub(super) fn heap(&self) -> usize {
        match self {
            Sum::Small(_) => 0,
            Sum::Large(large) => match large.as_ref() {
                Large::Medium(_) => size_of::<Large>(),
                Large::Wide(_) => size_of::<Large>() + size_of::<Wide>(),
            },
        }
    }

    /// The sum, rounded to the nearest double.
    pub(super) fn rounded(&self) -> f64 {
        let (negative, value) = match self {
            Sum::Small(small) => {
                let (negative, limbs) = small.magnitude();
                (negative, round(&limbs, i64::from(small.place()), false))
            }
            Sum::Large(large) => match large.as_ref() {
                Large::Medium(medium) => {
                    let (negative, limbs) = medium.magnitude();
                    (negative, round(&limbs, i64::from(medium.place()), false))
                }
                Large::Wide(wide) => match wide.special() {
                    Some(value) => return value,
                    None => {
                        let (negative, limbs) = wide.magnitude();
                        (negative, round(&limbs, 0, false))
                    }
                },
            },
        };
        if negative { -value } else { value }
    }

    /// The value where it is no finite number.
    pub(super) fn special(&self) -> Option<f64> {
        self.as_wide()?.special()
    }

    /// The sum as `whole * 2^(place - 1074)`: its sign, the limbs of its magnitude from the lowest on,
    /// its place. Only of a sum of finite values.
    pub(super) fn whole(&self) -> (bool, Vec<u64>, i64) {
        match self {
            Sum::Small(small) => {
                let (negative, limbs) = small.magnitude();
                (negative, limbs.to_vec(), i64::from(small.place()))
            }
            Sum::Large(large) => match large.as_ref() {
                Large::Medium(medium) => {
                    let (negative, limbs) = medium.magnitude();
                    (negative, limbs.to_vec(), i64::from(medium.place()))
                }
                Large::Wide(wide) => {
                    let (negative, limbs) = wide.magnitude();
                    (negative, limbs.to_vec(), 0)
                }
            },
        }
    }

    /// Appends what [`Sum::decode`] reads.
    pub(super) fn encode(&self, bytes: &mut Vec<u8>) {
        match self {
            Sum::Small(small) => {
                bytes.push(0);
                small.encode(bytes);
            }
            Sum::Large(large) => match large.as_ref() {
                Large::Medium(medium) => {
                    bytes.push(1);
                    medium.encode(bytes);
                }
                Large::Wide(wide) => {
                    bytes.push(2);
                    wide.encode(bytes);
                }
            },
        }
    }

    /// Takes a sum off the front; none where the bytes are not of [`Sum::encode`].
    pub(super) fn decode(bytes: &mut &[u8]) -> Option<Sum> {
        let (kind, rest) = bytes.split_first()?;
        *bytes = rest;
        let large = match kind {
            0 => return Small::decode(bytes).map(Sum::Small),
            1 => Medium::decode(bytes).map(Large::Medium),
            2 => Wide::decode(bytes).map(Large::Wide),
            _ => None,
        };
        large.map(|large| Sum::Large(Box::new(large)))
    }
}

/// Takes an array of bytes off the front.
pub(super) fn take<const N: usize>(bytes: &mut &[u8]) -> Option<[u8; N]> {
    let (first, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    Some(*first)
}
