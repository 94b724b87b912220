use super::Sum;

fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|value| sum.add(*value));
    sum.rounded()
}

/// Doubles of all sizes, from a generator with a fixed start.
fn doubles(seed: u64) -> impl Iterator<Item = f64> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    std::iter::from_fn(move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        Some(f64::from_bits(state.wrapping_mul(0x2545_F491_4F6C_DD1D)))
    })
}

#[test]
fn one_value_comes_back_as_it_is() {
    let edges = [
        0.0,
        1.0,
        -1.5,
        5e-324,
        -5e-324,
        2.2250738585072014e-308,
        f64::MAX,
        f64::MIN,
        1e-310,
    ];
    for value in edges.into_iter().chain(doubles(1).take(5_000)) {
        if value.is_nan() {
            continue;
        }
        assert_eq!(sum(&[value]), value);
        // And from the heap.
        assert_eq!(sum(&[value, 1e300, 1e-300, -1e-300, -1e300]), value);
    }
}

#[test]
fn two_values_are_rounded_as_the_processor_rounds() {
    let values: Vec<f64> = doubles(2).filter(|v| v.is_finite()).take(4_000).collect();
    for pair in values.chunks_exact(2) {
        let near = pair[0] * 1.25e-7 + pair[1] / 3.0;
        for (a, b) in [
            (pair[0], pair[1]),
            (pair[0], near),
            (pair[0], -pair[0] * 0.75),
        ] {
            if (a + b).is_finite() && b.is_finite() {
                assert_eq!(sum(&[a, b]), a + b, "{a:e} + {b:e}");
            }
        }
    }
}

#[test]
fn order_and_parts_do_not_matter() {
    for seed in 0..60 {
        let scale = |v: f64| (v % 1e3) * 10f64.powi((v.to_bits() % 40) as i32 - 20);
        let mut values: Vec<f64> = doubles(seed + 7)
            .filter(|v| v.is_finite())
            .map(|v| if seed % 2 == 0 { v } else { scale(v) })
            .take(300)
            .collect();
        let whole = sum(&values);
        values.reverse();
        assert_eq!(sum(&values).to_bits(), whole.to_bits());
        let mut at_once = Sum::default();
        at_once.add_all(values.iter().cycle().take(3_000).copied());
        (0..9).for_each(|_| values.iter().for_each(|value| at_once.remove(*value)));
        assert_eq!(at_once.rounded().to_bits(), whole.to_bits());
        let mut merged = Sum::default();
        for part in values.chunks(1 + seed as usize) {
            let mut one = Sum::default();
            part.iter().for_each(|value| one.add(*value));
            let mut bytes = Vec::new();
            one.encode(&mut bytes);
            let mut left = bytes.as_slice();
            merged.merge(&Sum::decode(&mut left).expect("it was encoded"));
            assert!(left.is_empty());
        }
        assert_eq!(merged.rounded().to_bits(), whole.to_bits());
        for value in &values[1..] {
            merged.remove(*value);
        }
        assert_eq!(merged.rounded(), values[0]);
    }
}

#[test]
fn what_cancels_leaves_what_was_small() {
    assert_eq!(sum(&[1e16, 1.0, -1e16]), 1.0);
    assert_eq!(sum(&[1e308, 1e308, -1e308]), 1e308);
    assert_eq!(sum(&[1e308, 1e308]), f64::INFINITY);
    assert_eq!(
        sum(&[1.0, 2f64.powi(-53), 2f64.powi(-106)]),
        1.0 + f64::EPSILON
    );
    assert_eq!(sum(&[1.0, 2f64.powi(-53)]), 1.0);
    assert_eq!(sum(&[0.1; 10]), 1.0);
}

#[test]
fn products_are_not_rounded() {
    let mut sum = Sum::default();
    let near = 1.0 + f64::EPSILON;
    sum.add_product(near, near);
    sum.add(-(near * near));
    assert_eq!(sum.rounded(), f64::EPSILON * f64::EPSILON);
    let values: Vec<f64> = doubles(5).filter(|v| v.is_finite()).take(3_000).collect();
    for pair in values.chunks_exact(2) {
        let mut sum = Sum::default();
        sum.add_product(pair[0], pair[1]);
        if (pair[0] * pair[1]).abs() > f64::MIN_POSITIVE {
            assert_eq!(sum.rounded(), pair[0] * pair[1]);
        }
        sum.add(1.0);
        sum.remove_product(pair[0], pair[1]);
        assert!((pair[0] * pair[1]).is_infinite() || sum.rounded() == 1.0);
    }
}

#[test]
fn infinities_and_nan_come_and_go() {
    let mut sum = Sum::default();
    sum.add(2.0);
    sum.add(f64::INFINITY);
    assert_eq!(sum.rounded(), f64::INFINITY);
    sum.add(f64::NEG_INFINITY);
    assert!(sum.rounded().is_nan());
    sum.remove(f64::INFINITY);
    assert_eq!(sum.rounded(), f64::NEG_INFINITY);
    sum.add(f64::NAN);
    assert!(sum.rounded().is_nan());
    sum.remove(f64::NAN);
    sum.remove(f64::NEG_INFINITY);
    assert_eq!(sum.rounded(), 2.0);
}
