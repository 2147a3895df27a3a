//! Patched bit-packing of unsigned numbers in blocks of 64.
//!
//! ```text
//! block   header u8: bit width w (0..=64), 0x80 when there are exceptions
//!         if exceptions: extra width x u8, count c u8,
//!                        positions: c bytes when c < ceil(n / 8), else a bitmap of ceil(n / 8) bytes
//!         low w bits of every number, then the x bits above them of every exception; both LSB first
//! ```
//! The width is the one that makes the block smallest. After the idea of PFOR (Zukowski et al., 2006).

/// Numbers in a block; only the last block of a column is shorter.
pub(crate) const BLOCK: usize = 64;

const HAS_EXCEPTIONS: u8 = 0x80;

/// Number of bits that `v` needs.
#[inline]
fn bits(v: u64) -> usize {
    64 - v.leading_zeros() as usize
}

/// How many numbers of a block need how many bits.
struct Widths {
    counts: [u8; 65],
    longest: usize,
}

impl Widths {
    #[inline]
    fn of(values: impl Iterator<Item = u64>) -> Self {
        let (mut counts, mut longest) = ([0u8; 65], 0);
        for v in values {
            let b = bits(v);
            counts[b] += 1;
            longest = longest.max(b);
        }
        Self { counts, longest }
    }

    /// The cheapest width and its exceptions.
    #[inline]
    fn best(&self, n: usize) -> (usize, usize) {
        let mut best = (self.longest, 0);
        let mut least = (n * self.longest).div_ceil(8);
        let mut exceptions = 0;
        for w in (0..self.longest).rev() {
            exceptions += usize::from(self.counts[w + 1]);
            // Only a width that some number has can be the best one; zero stands for "all are exceptions".
            if self.counts[w] == 0 && w != 0 {
                continue;
            }
            let high = (exceptions * (self.longest - w)).div_ceil(8);
            let cost = (n * w).div_ceil(8) + 2 + exceptions.min(n.div_ceil(8)) + high;
            if cost < least {
                (best, least) = ((w, exceptions), cost);
            }
        }
        best
    }
}

/// Appends the blocks of `values`.
pub(crate) fn put(out: &mut Vec<u8>, values: impl ExactSizeIterator<Item = u64>) {
    let mut left = values.len();
    let mut values = values;
    let mut block = [0u64; BLOCK];
    while left > 0 {
        let n = left.min(BLOCK);
        for (slot, v) in block.iter_mut().zip(values.by_ref().take(n)) {
            *slot = v;
        }
        put_block(out, &block[..n]);
        left -= n;
    }
}

fn put_block(out: &mut Vec<u8>, block: &[u64]) {
    let n = block.len();
    let widths = Widths::of(block.iter().copied());
    let (w, exceptions) = widths.best(n);
    if exceptions == 0 {
        out.push(w as u8);
        put_bits(out, block.iter().copied(), w);
        return;
    }
    let extra = widths.longest - w;
    out.extend_from_slice(&[w as u8 | HAS_EXCEPTIONS, extra as u8, exceptions as u8]);
    let is_exception = |v: u64| bits(v) > w;
    if exceptions < n.div_ceil(8) {
        out.extend((0..n as u8).filter(|&i| is_exception(block[usize::from(i)])));
    } else {
        let mut map = 0u64;
        for (i, &v) in block.iter().enumerate() {
            map |= u64::from(is_exception(v)) << i;
        }
        out.extend_from_slice(&map.to_le_bytes()[..n.div_ceil(8)]);
    }
    put_bits(out, block.iter().map(|v| v & mask(w)), w);
    put_bits(out, block.iter().filter(|&&v| is_exception(v)).map(|v| v >> w), extra);
}

#[inline]
fn mask(w: usize) -> u64 {
    if w == 64 { u64::MAX } else { (1 << w) - 1 }
}

fn put_bits(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, w: usize) {
    if w == 0 {
        return;
    }
    let (mut acc, mut filled) = (0u128, 0usize);
    for v in values {
        acc |= u128::from(v) << filled;
        filled += w;
        if filled >= 64 {
            out.extend_from_slice(&(acc as u64).to_le_bytes());
            acc >>= 64;
            filled -= 64;
        }
    }
    out.extend_from_slice(&(acc as u64).to_le_bytes()[..filled.div_ceil(8)]);
}

/// Takes `n` numbers off the front of `input` and appends them to `out`; `None` when the bytes are no such blocks.
pub(crate) fn take(input: &mut &[u8], n: usize, out: &mut Vec<u64>) -> Option<()> {
    // A block of 64 takes at least a byte, so a forged count cannot make us reserve without bound.
    if n.div_ceil(BLOCK) > input.len() {
        return None;
    }
    out.reserve(n);
    let mut left = n;
    while left > 0 {
        let n = left.min(BLOCK);
        take_block(input, n, out)?;
        left -= n;
    }
    Some(())
}

fn take_block(input: &mut &[u8], n: usize, out: &mut Vec<u64>) -> Option<()> {
    let header = take_byte(input)?;
    let w = usize::from(header & !HAS_EXCEPTIONS);
    if w > 64 {
        return None;
    }
    if header & HAS_EXCEPTIONS == 0 {
        return take_bits(input, n, w, out);
    }
    let (extra, count) = (usize::from(take_byte(input)?), usize::from(take_byte(input)?));
    if count == 0 || count > n || extra == 0 || w + extra > 64 {
        return None;
    }
    let mut map = 0u64;
    if count < n.div_ceil(8) {
        for &i in take_slice(input, count)? {
            if usize::from(i) >= n {
                return None;
            }
            map |= 1 << i;
        }
    } else {
        let mut bytes = [0; 8];
        bytes[..n.div_ceil(8)].copy_from_slice(take_slice(input, n.div_ceil(8))?);
        map = u64::from_le_bytes(bytes);
    }
    if map.count_ones() as usize != count || (n < 64 && map >> n != 0) {
        return None;
    }
    let start = out.len();
    take_bits(input, n, w, out)?;
    let middle = out.len();
    take_bits(input, count, extra, out)?;
    for k in middle..out.len() {
        let at = start + map.trailing_zeros() as usize;
        out[at] |= out[k] << w;
        map &= map - 1;
    }
    out.truncate(middle);
    Some(())
}

/// Unpacks `n` (at most 64) numbers of `w` bits.
#[inline]
fn take_bits(input: &mut &[u8], n: usize, w: usize, out: &mut Vec<u64>) -> Option<()> {
    if w == 0 {
        out.resize(out.len() + n, 0);
        return Some(());
    }
    let packed = take_slice(input, (n * w).div_ceil(8))?;
    // Sixteen bytes of slack let every number be read by one unaligned load.
    let mut padded = [0u8; BLOCK * 8 + 16];
    padded[..packed.len()].copy_from_slice(packed);
    let m = mask(w);
    if w <= 56 {
        out.extend((0..n).map(|i| {
            let at = i * w;
            let word: [u8; 8] = padded[at / 8..at / 8 + 8].try_into().expect("eight bytes");
            u64::from_le_bytes(word) >> (at % 8) & m
        }));
    } else {
        out.extend((0..n).map(|i| {
            let at = i * w;
            let word: [u8; 16] = padded[at / 8..at / 8 + 16].try_into().expect("sixteen bytes");
            (u128::from_le_bytes(word) >> (at % 8)) as u64 & m
        }));
    }
    Some(())
}

pub(crate) fn take_byte(input: &mut &[u8]) -> Option<u8> {
    take_slice(input, 1).map(|b| b[0])
}

pub(crate) fn take_slice<'a>(input: &mut &'a [u8], n: usize) -> Option<&'a [u8]> {
    plimsoll_model::varint::take_bytes(input, n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = u64> {
        prop_oneof![8 => 0u64..4, 4 => 0u64..1000, 1 => any::<u64>(), 1 => (0u32..64).prop_map(|b| 1 << b)]
    }

    proptest! {
        #[test]
        fn numbers_come_back(values in proptest::collection::vec(number(), 0..300)) {
            let mut out = Vec::new();
            put(&mut out, values.iter().copied());
            let (mut input, mut back) = (&out[..], Vec::new());
            prop_assert!(take(&mut input, values.len(), &mut back).is_some());
            prop_assert!(input.is_empty());
            prop_assert_eq!(back, values);
        }

        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), n in 0usize..400) {
            let mut back = Vec::new();
            let _ = take(&mut &bytes[..], n, &mut back);
        }
    }

    #[test]
    fn blocks_are_golden() {
        let mut out = Vec::new();
        put(&mut out, [1, 2, 3, 0].into_iter());
        assert_eq!(out, [2, 0b0011_1001]);
        out.clear();
        let mut values = [0u64; 64];
        values[9] = 500;
        put(&mut out, values.into_iter());
        assert_eq!(out, [0x80, 9, 1, 9, 0xf4, 0x01]);
    }
}
