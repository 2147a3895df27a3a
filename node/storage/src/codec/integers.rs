//! A column of 64-bit integers: greatest common divisor taken out, then one of four transforms, packed.
//!
//! ```text
//! kind u8        bits 0-1 transform, 0x04 all equal, 0x08 divisor follows
//! first          zigzag varint
//! divisor        varint, only with 0x08
//! floor          zigzag varint, only with transforms 0 and 2
//! blocks         see `pack`; n numbers for transform 0, n - 1 for the others
//! ```
//! With `u[i] = (v[i] - first) / divisor` and `d[i] = u[i] - u[i-1]` the transforms are 0: `u - floor`, 1:
//! zigzag `d`, 2: `d - floor`, 3: zigzag `d[i] - d[i-1]`. All arithmetic wraps, so every i64 comes back.

use super::pack::{self, take_byte};
use plimsoll_model::varint;

const EQUAL: u8 = 0x04;
const DIVIDED: u8 = 0x08;

/// Appends the column; `values` may be empty.
pub(crate) fn put(out: &mut Vec<u8>, values: &[i64], scratch: &mut Vec<i64>) {
    let Some(&first) = values.first() else { return };
    let divisor = divisor(values, first);
    if divisor == 0 {
        out.push(EQUAL);
        varint::put_signed(out, first);
        return;
    }
    scratch.clear();
    if divisor == 1 {
        scratch.extend(values.iter().map(|v| v.wrapping_sub(first)));
    } else {
        scratch.extend(values.iter().map(|v| v.wrapping_sub(first) / divisor));
    }
    let u = &scratch[..];
    let (transform, floor) = choose(u);
    out.push(transform | if divisor > 1 { DIVIDED } else { 0 });
    varint::put_signed(out, first);
    if divisor > 1 {
        varint::put(out, divisor as u64);
    }
    if transform % 2 == 0 {
        varint::put_signed(out, floor);
    }
    match transform {
        0 => pack::put(out, u.iter().map(|v| v.wrapping_sub(floor) as u64)),
        1 => pack::put(out, deltas(u).map(varint::zigzag)),
        2 => pack::put(out, deltas(u).map(|d| d.wrapping_sub(floor) as u64)),
        _ => pack::put(out, seconds(u).map(varint::zigzag)),
    }
}

/// Greatest common divisor of the distances to `first`; 0 when all are equal, 1 when the distances wrap.
fn divisor(values: &[i64], first: i64) -> i64 {
    let mut g = 0u64;
    for &v in values {
        let Some(d) = v.checked_sub(first) else { return 1 };
        if d != 0 {
            g = gcd(g, d.unsigned_abs());
            if g == 1 {
                return 1;
            }
        }
    }
    i64::try_from(g).unwrap_or(1)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

fn deltas(u: &[i64]) -> impl ExactSizeIterator<Item = i64> {
    u.windows(2).map(|w| w[1].wrapping_sub(w[0]))
}

fn seconds(u: &[i64]) -> impl ExactSizeIterator<Item = i64> {
    let mut last = 0i64;
    deltas(u).map(move |d| {
        let second = d.wrapping_sub(last);
        last = d;
        second
    })
}

/// Values by which a transform is chosen; more change the choice hardly ever.
const SAMPLE: usize = 256;

/// The transform that promises to pack `u` smallest, with its floor. It goes by the sum of the bits that the
/// numbers need, which is a third of the work of packing all four and costs less than a hundredth in size.
fn choose(u: &[i64]) -> (u8, i64) {
    let low = u.iter().copied().min().expect("the column is not empty");
    let step = deltas(u).min().unwrap_or(0);
    let bits = |v: u64| u64::from(64 - v.leading_zeros());
    let (mut flat, mut signed, mut rising, mut bent) = (0, 0, 0, 0);
    let (mut before, mut last) = (u[0], 0i64);
    for &v in &u[..u.len().min(SAMPLE)] {
        let d = v.wrapping_sub(before);
        flat += bits(v.wrapping_sub(low) as u64);
        signed += bits(varint::zigzag(d));
        rising += bits(d.wrapping_sub(step) as u64);
        bent += bits(varint::zigzag(d.wrapping_sub(last)));
        (before, last) = (v, d);
    }
    // The first number has no difference to one before it.
    rising -= bits(0i64.wrapping_sub(step) as u64);
    let least = flat.min(signed).min(rising).min(bent);
    match least {
        _ if flat == least => (0, low),
        _ if rising == least => (2, step),
        _ if signed == least => (1, 0),
        _ => (3, 0),
    }
}

/// Takes `n` integers off the front of `input` and appends them to `out`.
pub(crate) fn take(input: &mut &[u8], n: usize, scratch: &mut Vec<u64>, out: &mut Vec<i64>) -> Option<()> {
    if n == 0 {
        return Some(());
    }
    let kind = take_byte(input)?;
    let first = varint::take_signed(input)?;
    if kind == EQUAL {
        out.resize(out.len() + n, first);
        return Some(());
    }
    if kind & !(3 | DIVIDED) != 0 {
        return None;
    }
    let divisor = if kind & DIVIDED != 0 { varint::take(input)? as i64 } else { 1 };
    let transform = kind & 3;
    let floor = if transform % 2 == 0 { varint::take_signed(input)? } else { 0 };
    scratch.clear();
    pack::take(input, if transform == 0 { n } else { n - 1 }, scratch)?;
    let restore = |u: i64| u.wrapping_mul(divisor).wrapping_add(first);
    out.reserve(n);
    if transform == 0 {
        out.extend(scratch.iter().map(|&v| restore((v as i64).wrapping_add(floor))));
        return Some(());
    }
    out.push(first);
    let (mut u, mut d) = (0i64, 0i64);
    match transform {
        1 => out.extend(scratch.iter().map(|&v| {
            u = u.wrapping_add(varint::unzigzag(v));
            restore(u)
        })),
        2 => out.extend(scratch.iter().map(|&v| {
            u = u.wrapping_add(v as i64).wrapping_add(floor);
            restore(u)
        })),
        _ => out.extend(scratch.iter().map(|&v| {
            d = d.wrapping_add(varint::unzigzag(v));
            u = u.wrapping_add(d);
            restore(u)
        })),
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(values: &[i64]) -> (usize, Vec<i64>) {
        let mut out = Vec::new();
        put(&mut out, values, &mut Vec::new());
        let (mut input, mut decoded) = (&out[..], Vec::new());
        take(&mut input, values.len(), &mut Vec::new(), &mut decoded).expect("own bytes");
        assert!(input.is_empty());
        (out.len(), decoded)
    }

    proptest! {
        #[test]
        fn integers_come_back(
            values in proptest::collection::vec(prop_oneof![9 => -1000i64..1000, 1 => any::<i64>()], 0..200)
        ) {
            prop_assert_eq!(back(&values).1, values);
        }

        #[test]
        fn multiples_come_back(
            values in proptest::collection::vec(-1000i64..1000, 1..200), factor in 1i64..10_000, base in any::<i32>()
        ) {
            let values: Vec<i64> = values.iter().map(|v| v * factor + i64::from(base)).collect();
            prop_assert_eq!(back(&values).1, values);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), n in 0usize..300) {
            let _ = take(&mut &bytes[..], n, &mut Vec::new(), &mut Vec::new());
        }
    }

    #[test]
    fn extremes_come_back() {
        for values in [vec![i64::MIN, i64::MAX, 0, -1], vec![i64::MAX; 3], vec![7], vec![]] {
            assert_eq!(back(&values).1, values);
        }
    }

    #[test]
    fn a_steady_counter_and_pages_of_memory_cost_a_fraction_of_a_byte() {
        let steady: Vec<i64> = (0..640).map(|i| 1_000_000 + i * 10_000).collect();
        assert!(back(&steady).0 < 30);
        let pages: Vec<i64> = (0..640).map(|i| 4096 * (1000 + i * 7 % 13)).collect();
        assert!(back(&pages).0 < 640 / 2 + 30);
    }
}
