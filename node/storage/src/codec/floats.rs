//! A column of floats, bit for bit.
//!
//! ```text
//! kind u8   0 all equal:   8 bytes
//!           1 integers:    exponent u8, `integers` column of v * 10^exponent
//!           2 as 1, then exceptions: varint count, each: varint distance to the one before, 8 bytes
//!           3 sums:        exponent u8, `integers` column as in 1, `integers` column of the distances in
//!                          units of the last place between v and its decimal
//!           4 patterns:    8 bytes of the first, trailing zero bits u8, packed exclusive-ors of neighbours
//! ```
//! Kind 1 and its exceptions follow the idea of ALP (Afroozeh et al., 2023), kind 4 that of Gorilla (Pelkonen et
//! al., 2015). Sums of decimals are not decimals, but lie a few units of the last place beside one: kind 3.

use super::decimal::{self, MAX_EXPONENT};
use super::pack::{self, take_byte, take_slice};
use super::{Scratch, integers};
use plimsoll_model::varint;

const EQUAL: u8 = 0;
const INTEGERS: u8 = 1;
const EXCEPTIONS: u8 = 2;
const SUMS: u8 = 3;
const PATTERNS: u8 = 4;

/// Furthest a sum may lie from its decimal, in units of the last place.
const FURTHEST: u64 = 512;

/// Appends the column; `values` may be empty.
pub(crate) fn put(out: &mut Vec<u8>, values: &[f64], scratch: &mut Scratch) {
    let Some(first) = values.first().map(|v| v.to_bits()) else { return };
    if values.iter().all(|v| v.to_bits() == first) {
        out.push(EQUAL);
        out.extend_from_slice(&first.to_le_bytes());
        return;
    }
    if let Some((exponent, exact)) = to_integers(values, &mut scratch.integers) {
        put_integers(out, if exact { &[] } else { values }, exponent, scratch);
        return;
    }
    let start = out.len();
    put_patterns(out, values, scratch);
    if let Some(exponent) = exponent_of_sums(values) {
        let mut sums = Vec::with_capacity(out.len() - start);
        put_sums(&mut sums, values, exponent, scratch);
        if sums.len() < out.len() - start {
            out.truncate(start);
            out.append(&mut sums);
        }
    }
}

/// Fills `out` with the values as integers and answers their exponent and whether that says all of them, when all
/// but a few values have one. A value that has none repeats the integer before it.
fn to_integers(values: &[f64], out: &mut Vec<i64>) -> Option<(usize, bool)> {
    let (mut exponent, mut special, mut misfits) = (0, 0, 0);
    let mut last = None;
    out.clear();
    for &v in values {
        if let Some(m) = decimal::integer(v, exponent) {
            last = Some(m);
            out.push(m);
            continue;
        }
        match decimal::exponent(v, exponent + 1, MAX_EXPONENT) {
            Some(e) => {
                decimal::rescale(out, e - exponent)?;
                exponent = e;
                last = decimal::integer(v, e);
            }
            None if decimal::is_special(v) => special += 1,
            None => misfits += 1,
        }
        if misfits > 1 + values.len() / 32 {
            return None;
        }
        out.push(last.or(out.last().copied()).unwrap_or(0));
    }
    // With nearly nothing but special values the patterns are smaller.
    if special + misfits > 2 + values.len() / 4 {
        return None;
    }
    if special + misfits > 0 {
        let leading = values.iter().take_while(|v| decimal::integer(**v, exponent).is_none()).count();
        if let Some(&next) = out.get(leading) {
            out[..leading].fill(next);
        }
    }
    Some((exponent, special + misfits == 0))
}

/// Writes the integers that [`to_integers`] left in `scratch`, and those of `values` that they do not say.
fn put_integers(out: &mut Vec<u8>, values: &[f64], exponent: usize, scratch: &mut Scratch) {
    let mut exceptions = Vec::new();
    let (mut count, mut last_at) = (0, 0);
    for (i, (v, m)) in values.iter().zip(&scratch.integers).enumerate() {
        if decimal::float(*m, exponent).to_bits() != v.to_bits() {
            varint::put(&mut exceptions, (i - last_at) as u64);
            exceptions.extend_from_slice(&v.to_bits().to_le_bytes());
            (count, last_at) = (count + 1, i);
        }
    }
    out.push(if count == 0 { INTEGERS } else { EXCEPTIONS });
    out.push(exponent as u8);
    integers::put(out, &scratch.integers, &mut scratch.work);
    if count > 0 {
        varint::put(out, count);
        out.append(&mut exceptions);
    }
}

/// Distance in units of the last place from the nearest decimal, with that decimal.
#[inline]
fn beside(v: f64, exponent: usize) -> Option<(i64, i64)> {
    let m = decimal::nearest(v, exponent)?;
    Some((m, v.to_bits().wrapping_sub(decimal::float(m, exponent).to_bits()) as i64))
}

fn exponent_of_sums(values: &[f64]) -> Option<usize> {
    let step = (values.len() / 16).max(1);
    let near = |v: &f64, e| beside(*v, e).is_some_and(|(_, ulps)| ulps.unsigned_abs() <= FURTHEST);
    (1..=9).find(|&e| values.iter().step_by(step).all(|v| near(v, e)) && values.iter().all(|v| near(v, e)))
}

fn put_sums(out: &mut Vec<u8>, values: &[f64], exponent: usize, scratch: &mut Scratch) {
    scratch.integers.clear();
    scratch.more.clear();
    for &v in values {
        let (m, ulps) = beside(v, exponent).expect("the exponent was checked for every value");
        scratch.integers.push(m);
        scratch.more.push(ulps);
    }
    out.extend_from_slice(&[SUMS, exponent as u8]);
    integers::put(out, &scratch.integers, &mut scratch.work);
    integers::put(out, &scratch.more, &mut scratch.work);
}

fn put_patterns(out: &mut Vec<u8>, values: &[f64], scratch: &mut Scratch) {
    let words = &mut scratch.words;
    words.clear();
    words.extend(values.windows(2).map(|w| w[0].to_bits() ^ w[1].to_bits()));
    let all = words.iter().fold(0, |a, w| a | w);
    let zeros = if all == 0 { 0 } else { all.trailing_zeros() };
    out.push(PATTERNS);
    out.extend_from_slice(&values[0].to_bits().to_le_bytes());
    out.push(zeros as u8);
    pack::put(out, words.iter().map(|w| w >> zeros));
}

/// Takes `n` floats off the front of `input` and appends them to `out`; `None` when the bytes are no such column.
pub(crate) fn take(input: &mut &[u8], n: usize, scratch: &mut Scratch, out: &mut Vec<f64>) -> Option<()> {
    if n == 0 {
        return Some(());
    }
    match take_byte(input)? {
        EQUAL => out.resize(out.len() + n, take_float(input)?),
        INTEGERS => take_integers(input, n, scratch, out)?,
        EXCEPTIONS => {
            let start = out.len();
            take_integers(input, n, scratch, out)?;
            let (count, mut at) = (varint::take(input)?, 0u64);
            for _ in 0..count {
                at = at.checked_add(varint::take(input)?)?;
                let slot = out[start..].get_mut(usize::try_from(at).ok()?)?;
                *slot = take_float(input)?;
            }
        }
        SUMS => take_sums(input, n, scratch, out)?,
        PATTERNS => {
            let mut bits = take_float(input)?.to_bits();
            let zeros = take_byte(input)?;
            if zeros > 63 {
                return None;
            }
            scratch.words.clear();
            pack::take(input, n - 1, &mut scratch.words)?;
            out.push(f64::from_bits(bits));
            out.extend(scratch.words.iter().map(|w| {
                bits ^= w << zeros;
                f64::from_bits(bits)
            }));
        }
        _ => return None,
    }
    Some(())
}

fn take_float(input: &mut &[u8]) -> Option<f64> {
    Some(f64::from_bits(u64::from_le_bytes(take_slice(input, 8)?.try_into().ok()?)))
}

fn take_exponent(input: &mut &[u8]) -> Option<usize> {
    take_byte(input).map(usize::from).filter(|e| *e <= MAX_EXPONENT)
}

fn take_integers(input: &mut &[u8], n: usize, scratch: &mut Scratch, out: &mut Vec<f64>) -> Option<()> {
    let exponent = take_exponent(input)?;
    scratch.integers.clear();
    integers::take(input, n, &mut scratch.words, &mut scratch.integers)?;
    out.extend(scratch.integers.iter().map(|&m| decimal::float(m, exponent)));
    Some(())
}

fn take_sums(input: &mut &[u8], n: usize, scratch: &mut Scratch, out: &mut Vec<f64>) -> Option<()> {
    let exponent = take_exponent(input)?;
    scratch.integers.clear();
    scratch.more.clear();
    integers::take(input, n, &mut scratch.words, &mut scratch.integers)?;
    integers::take(input, n, &mut scratch.words, &mut scratch.more)?;
    out.extend(
        scratch.integers.iter().zip(&scratch.more).map(|(&m, &ulps)| {
            f64::from_bits(decimal::float(m, exponent).to_bits().wrapping_add(ulps as u64))
        }),
    );
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::STALE_NAN_BITS;
    use proptest::prelude::*;

    /// Bytes of the column after checking that it comes back bit for bit.
    fn size(values: &[f64]) -> usize {
        let (mut out, mut scratch) = (Vec::new(), Scratch::default());
        put(&mut out, values, &mut scratch);
        let (mut input, mut back) = (&out[..], Vec::new());
        take(&mut input, values.len(), &mut scratch, &mut back).expect("own bytes");
        assert!(input.is_empty());
        let bits = |v: &[f64]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&back), bits(values));
        out.len()
    }

    fn special() -> impl Strategy<Value = f64> {
        let bits = prop_oneof![
            Just(STALE_NAN_BITS),
            Just(0x7ff8_0000_0000_0001),
            Just(0xfff8_dead_beef_0001),
            Just((-0.0f64).to_bits()),
            Just(f64::INFINITY.to_bits()),
            Just(f64::NEG_INFINITY.to_bits()),
            Just(1),
            Just(f64::MAX.to_bits()),
            Just(f64::MIN_POSITIVE.to_bits()),
            Just(9_007_199_254_740_993.0f64.to_bits()),
        ];
        bits.prop_map(f64::from_bits)
    }

    fn decimals() -> impl Strategy<Value = f64> {
        (-1_000_000i64..1_000_000, 0usize..6).prop_map(|(m, e)| decimal::float(m, e))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(512))]

        #[test]
        fn any_mixture_comes_back_bit_for_bit(
            values in proptest::collection::vec(
                prop_oneof![6 => decimals(), 1 => special(), 1 => any::<u64>().prop_map(f64::from_bits)], 0..300)
        ) {
            size(&values);
        }

        #[test]
        fn decimals_with_a_few_special_values_come_back(
            values in proptest::collection::vec(prop_oneof![30 => decimals(), 1 => special()], 0..300)
        ) {
            size(&values);
        }

        #[test]
        fn random_bits_come_back(values in proptest::collection::vec(any::<u64>(), 0..200)) {
            size(&values.into_iter().map(f64::from_bits).collect::<Vec<_>>());
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100), n in 0usize..300) {
            let _ = take(&mut &bytes[..], n, &mut Scratch::default(), &mut Vec::new());
        }
    }

    #[test]
    fn sums_of_decimals_cost_less_than_their_patterns() {
        let mut sum = 0.0;
        let sums: Vec<f64> = (0..256)
            .map(|i| {
                sum += f64::from(i % 7) * 0.1 + 0.003;
                sum
            })
            .collect();
        let bytes = size(&sums);
        assert!(bytes < 256 * 3, "{bytes} bytes");
    }

    #[test]
    fn a_stale_marker_first_or_last_costs_a_dozen_bytes() {
        let plain: Vec<f64> = (0..200).map(f64::from).collect();
        let marked: Vec<f64> = [f64::from_bits(STALE_NAN_BITS)].into_iter().chain(plain.clone()).collect();
        assert!(size(&marked) <= size(&plain) + 16);
    }

    #[test]
    fn columns_are_golden() {
        let bytes = |values: &[f64]| {
            let mut out = Vec::new();
            put(&mut out, values, &mut Scratch::default());
            out
        };
        assert_eq!(bytes(&[2.0, 2.0]), [0, 0, 0, 0, 0, 0, 0, 0, 64]);
        assert_eq!(bytes(&[0.1, 0.2, 0.4]), [1, 1, 2, 2, 2, 1, 0b10]);
        assert_eq!(bytes(&[1.0, -0.0, 1.0]), [2, 0, 4, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 128],);
    }
}
