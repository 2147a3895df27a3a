//! A column of timestamps.
//!
//! ```text
//! kind u8    0 plain:   `integers` column
//!            1 steady:  step zigzag varint, `integers` column of t[i] - i * step
//! ```
//! A scrape that comes a few milliseconds late is one number apart in the steady form and two in the plain one; a
//! gap is one apart in the plain form and shifts all that follow in the steady one. The smaller form is taken.

use super::pack::take_byte;
use super::{Scratch, integers};
use plimsoll_model::{Timestamp, varint};

const PLAIN: u8 = 0;
const STEADY: u8 = 1;

/// Appends the column; `times` may be empty.
pub(crate) fn put(out: &mut Vec<u8>, times: &[Timestamp], scratch: &mut Scratch) {
    let start = out.len();
    out.push(PLAIN);
    integers::put(out, times, &mut scratch.work);
    if times.len() < 4 {
        return;
    }
    let step = usual_step(times, &mut scratch.integers);
    scratch.integers.clear();
    let steps = (0i64..).map(|i| i.wrapping_mul(step));
    scratch.integers.extend(times.iter().zip(steps).map(|(t, s)| t.wrapping_sub(s)));
    let plain = out.len() - start;
    out.push(STEADY);
    varint::put_signed(out, step);
    integers::put(out, &scratch.integers, &mut scratch.work);
    if out.len() - start - plain < plain {
        out.drain(start..start + plain);
    } else {
        out.truncate(start + plain);
    }
}

/// The median distance between neighbours.
fn usual_step(times: &[Timestamp], work: &mut Vec<i64>) -> i64 {
    work.clear();
    work.extend(times.windows(2).map(|w| w[1].wrapping_sub(w[0])));
    let middle = work.len() / 2;
    *work.select_nth_unstable(middle).1
}

/// Takes `n` timestamps off the front of `input` and appends them to `out`.
pub(crate) fn take(
    input: &mut &[u8],
    n: usize,
    scratch: &mut Scratch,
    out: &mut Vec<Timestamp>,
) -> Option<()> {
    let kind = take_byte(input)?;
    let step = match kind {
        PLAIN => 0,
        STEADY => varint::take_signed(input)?,
        _ => return None,
    };
    let start = out.len();
    integers::take(input, n, &mut scratch.words, out)?;
    if step != 0 {
        let mut shift = 0i64;
        for t in &mut out[start..] {
            *t = t.wrapping_add(shift);
            shift = shift.wrapping_add(step);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn size(times: &[i64]) -> usize {
        let (mut out, mut scratch) = (Vec::new(), Scratch::default());
        put(&mut out, times, &mut scratch);
        let (mut input, mut back) = (&out[..], Vec::new());
        take(&mut input, times.len(), &mut scratch, &mut back).expect("own bytes");
        assert!(input.is_empty());
        assert_eq!(back, times);
        out.len()
    }

    proptest! {
        #[test]
        fn any_timestamps_come_back(
            times in proptest::collection::vec(prop_oneof![any::<i64>(), 0i64..1_000_000], 0..300)
        ) {
            size(&times);
        }

        #[test]
        fn jittered_scrapes_with_gaps_come_back(
            steps in proptest::collection::vec(prop_oneof![8 => Just(10_000i64), 2 => 9_990i64..10_010, 1 => Just(90_000)], 0..300)
        ) {
            let mut t = 1_700_000_000_123;
            size(&steps.iter().map(|s| { t += s; t }).collect::<Vec<_>>());
        }
    }

    #[test]
    fn steady_scrapes_with_a_little_jitter_cost_a_tenth_of_a_byte() {
        let times: Vec<i64> = (0..720).map(|i| i * 10_000 + if i % 13 == 0 { i % 4 } else { 0 }).collect();
        assert!(size(&times) < 110, "{}", size(&times));
        assert!(size(&(0..720).map(|i| i * 15_000).collect::<Vec<_>>()) < 24);
    }
}
