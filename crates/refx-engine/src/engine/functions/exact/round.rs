//! A whole number of any length as the nearest double.

use std::num::Wrapping;

/// The double nearest to `limbs * 2^(place - 1074)`, to an even one where two are as near. `more` says
/// that the number is a little greater than its limbs.
pub(crate) fn round(limbs: &[u64], place: i64, more: bool) -> f64 {
    let Some(last) = limbs.iter().rposition(|limb| *limb != 0) else {
        return 0.0;
    };
    let top = last as i64 * 64 + 63 - i64::from(limbs[last].leading_zeros());
    // Bits below the fraction of a double, counted in places and in the limbs.
    let dropped = (place + top - 52).max(0);
    let below = dropped - place;
    let (fraction, half, rest) = if below <= 0 {
        // All of it is in the lowest limb: it has at most 53 bits.
        (limbs[0] << below.unsigned_abs(), false, more)
    } else {
        (
            bits_from(limbs, below),
            bit(limbs, below - 1),
            more || any_below(limbs, below - 1),
        )
    };
    let up = half && (rest || fraction & 1 == 1);
    // A fraction that grows to 2^53 carries into the exponent, as it should.
    let bits = (Wrapping((dropped as u64) << 52) + Wrapping(fraction) + Wrapping(u64::from(up))).0;
    match dropped > 2046 || bits >= f64::INFINITY.to_bits() {
        true => f64::INFINITY,
        false => f64::from_bits(bits),
    }
}

fn bit(limbs: &[u64], at: i64) -> bool {
    let limb = usize::try_from(at / 64).ok().and_then(|at| limbs.get(at));
    limb.is_some_and(|limb| limb >> (at % 64) & 1 == 1)
}

/// The 64 bits from a place on.
fn bits_from(limbs: &[u64], at: i64) -> u64 {
    let (limb, offset) = ((at / 64) as usize, (at % 64) as u32);
    let get = |at: usize| limbs.get(at).copied().unwrap_or(0);
    match offset {
        0 => get(limb),
        _ => get(limb) >> offset | get(limb + 1) << (64 - offset),
    }
}

fn any_below(limbs: &[u64], at: i64) -> bool {
    let (limb, offset) = ((at / 64) as usize, at % 64);
    let whole = limbs.iter().take(limb).any(|limb| *limb != 0);
    whole
        || limbs
            .get(limb)
            .is_some_and(|limb| limb & ((1 << offset) - 1) != 0)
}
