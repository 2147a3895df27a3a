use xxhash_rust::xxh3::xxh3_128_with_secret;

/// Keys of series: xxh3-128 under a secret that is drawn from the caller's seed.
///
/// A secret, not a seed, is given to the hash: for more than 240 bytes a seeded xxh3 would draw one in each call.
/// Formats have different secrets, so that bytes which mean different series in two formats do not meet.
pub(super) struct Keys {
    secret: [u8; 192],
}

/// Where the raw bytes come from.
#[derive(Clone, Copy)]
pub(super) enum Format {
    RemoteWriteV1 = 1,
    RemoteWriteV2 = 2,
    Text = 3,
    JsonLines = 4,
    Native = 5,
    Otlp = 6,
    Exposition = 7,
}

impl Keys {
    pub(super) fn new(seed: u64, format: Format) -> Self {
        let mut secret = [0; 192];
        let mut state = seed ^ (format as u64).wrapping_mul(0xd6e8_feb8_6659_fd93);
        for word in secret.chunks_exact_mut(8) {
            word.copy_from_slice(&split_mix(&mut state).to_le_bytes());
        }
        Self { secret }
    }

    #[inline]
    pub(super) fn of(&self, raw: &[u8]) -> u128 {
        xxh3_128_with_secret(raw, &self.secret)
    }
}

/// SplitMix64 by Sebastiano Vigna, <https://prng.di.unimi.it/splitmix64.c>.
fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_depend_on_bytes_seed_and_format_alone() {
        for raw in [&b""[..], b"a", &[7; 1000]] {
            let key = Keys::new(1, Format::Text).of(raw);
            assert_eq!(key, Keys::new(1, Format::Text).of(raw));
            assert_ne!(key, Keys::new(2, Format::Text).of(raw));
            assert_ne!(key, Keys::new(1, Format::Native).of(raw));
        }
    }
}
