//! Chunks of floats: timestamps by the change of their distance, values by XOR.

use super::Fault;
use super::bits::{Bits, XorValue};
use plimsoll_model::Timestamp;

/// The samples of a chunk.
pub(super) fn floats(chunk: &[u8]) -> Result<Vec<(Timestamp, f64)>, Fault> {
    let (count, rest) = chunk.split_first_chunk::<2>().ok_or("a chunk has no header")?;
    let count = u16::from_be_bytes(*count);
    let mut bits = Bits::new(rest);
    let mut samples = Vec::with_capacity(usize::from(count));
    let (mut at, mut step, mut value) = (0i64, 0i64, XorValue::default());
    for n in 0..count {
        match n {
            0 => {
                at = bits.varint()?;
                value = XorValue::first(bits.take(64)?);
            }
            1 => {
                step = bits.uvarint()? as i64;
                at = at.wrapping_add(step);
                value.next(&mut bits)?;
            }
            _ => {
                step = step.wrapping_add(change(&mut bits)?);
                at = at.wrapping_add(step);
                value.next(&mut bits)?;
            }
        }
        samples.push((at, value.value()));
    }
    Ok(samples)
}

/// The change of the distance: none, or a number of 14, 17, 20 or 64 bits.
fn change(bits: &mut Bits<'_>) -> Result<i64, Fault> {
    let size = match bits.ones(4)? {
        0 => return Ok(0),
        1 => 14,
        2 => 17,
        3 => 20,
        _ => return Ok(bits.take(64)? as i64),
    };
    let raw = bits.take(size)? as i64;
    Ok(if raw > 1 << (size - 1) { raw - (1 << size) } else { raw })
}

#[cfg(test)]
mod tests {
    use super::super::bits_writer::Writer;
    use super::*;
    use proptest::{collection::vec, prelude::*};

    fn chunk(samples: &[(i64, f64)]) -> Vec<u8> {
        let mut out = Writer::default();
        out.put(samples.len() as u64, 16);
        let mut window = (99, 0);
        for (n, (at, value)) in samples.iter().enumerate() {
            let step = |n: usize| samples[n].0.wrapping_sub(samples[n - 1].0);
            match n {
                0 => {
                    out.varint(plimsoll_model::varint::zigzag(*at));
                    out.put(value.to_bits(), 64);
                    continue;
                }
                1 => out.varint(step(1) as u64),
                _ => out.change(step(n).wrapping_sub(step(n - 1))),
            }
            out.value(samples[n - 1].1, *value, &mut window);
        }
        out.bytes
    }

    proptest! {
        #[test]
        fn samples_come_back_bit_for_bit(steps in vec((prop_oneof![Just(0i64), -9000..9000i64, any::<i32>().prop_map(i64::from), any::<i64>()], any::<u64>()), 1..200)) {
            let mut at = 1_700_000_000_000i64;
            let samples: Vec<_> = steps.iter().map(|(step, bits)| {
                at = at.wrapping_add(*step);
                (at, f64::from_bits(*bits))
            }).collect();
            let back = floats(&chunk(&samples)).expect("a chunk");
            let bits = |s: &[(i64, f64)]| s.iter().map(|(at, v)| (*at, v.to_bits())).collect::<Vec<_>>();
            prop_assert_eq!(bits(&back), bits(&samples));
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in vec(any::<u8>(), 0..300)) {
            let _ = floats(&bytes);
        }
    }
}
