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
    use super::*;
    use proptest::{collection::vec, prelude::*};

    /// Writes bits, for chunks to read back.
    #[derive(Default)]
    struct Writer {
        bytes: Vec<u8>,
        used: usize,
    }

    impl Writer {
        fn put(&mut self, value: u64, count: u32) {
            for i in (0..count).rev() {
                if self.used.is_multiple_of(8) {
                    self.bytes.push(0);
                }
                let at = self.used / 8;
                self.bytes[at] |= ((value >> i & 1) as u8) << (7 - self.used % 8);
                self.used += 1;
            }
        }

        fn varint(&mut self, mut value: u64) {
            while value >= 0x80 {
                self.put(value & 0x7f | 0x80, 8);
                value >>= 7;
            }
            self.put(value, 8);
        }

        fn change(&mut self, change: i64) {
            let fits = |size: u32| change > -(1 << (size - 1)) && change <= 1 << (size - 1);
            match change {
                0 => self.put(0, 1),
                c if fits(14) => self.sized(0b10, 2, c, 14),
                c if fits(17) => self.sized(0b110, 3, c, 17),
                c if fits(20) => self.sized(0b1110, 4, c, 20),
                c => self.sized(0b1111, 4, c, 64),
            }
        }

        fn sized(&mut self, prefix: u64, prefix_bits: u32, change: i64, size: u32) {
            self.put(prefix, prefix_bits);
            self.put(if size == 64 { change as u64 } else { change as u64 & ((1 << size) - 1) }, size);
        }

        fn value(&mut self, before: f64, value: f64, window: &mut (u32, u32)) {
            let xor = before.to_bits() ^ value.to_bits();
            if xor == 0 {
                return self.put(0, 1);
            }
            let (leading, trailing) = (xor.leading_zeros().min(31), xor.trailing_zeros());
            if *window != (99, 0) && leading >= window.0 && trailing >= window.1 {
                self.put(0b10, 2);
                return self.put(xor >> window.1, 64 - window.0 - window.1);
            }
            *window = (leading, trailing);
            let meaning = 64 - leading - trailing;
            self.put(0b11, 2);
            self.put(u64::from(leading), 5);
            self.put(u64::from(meaning & 63), 6);
            self.put(xor >> trailing, meaning);
        }
    }

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
