use super::{DecodeError, Limits};
use std::io::Read;

/// A buffer above this size is given back when requests no longer need it.
const KEEP_BYTES: usize = 4 << 20;

/// Memory that one decoder after the other uses again. One for each thread that decodes.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) body: Vec<u8>,
    pub(super) symbols: Vec<super::remote_write_v2::Symbol>,
    pub(super) labels: Vec<u8>,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Not at all.
    Identity,
    /// gzip, of one member or several.
    Gzip,
    /// Snappy's block format, as remote write has it.
    Snappy,
}

impl Encoding {
    /// The encoding that a `Content-Encoding` header names, if it is known here.
    pub fn from_header(value: Option<&str>) -> Option<Self> {
        let value = value.unwrap_or("").trim();
        let is = |name: &str| value.eq_ignore_ascii_case(name);
        if value.is_empty() || is("identity") {
            Some(Self::Identity)
        } else if is("gzip") || is("x-gzip") {
            Some(Self::Gzip)
        } else if is("snappy") {
            Some(Self::Snappy)
        } else {
            None
        }
    }
}

/// The bytes of a compressed body, at most `limits.decoded_bytes` of them, in `buffer` or where they are.
pub fn decompress<'a>(
    encoding: Encoding,
    body: &'a [u8],
    limits: &Limits,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], DecodeError> {
    match encoding {
        Encoding::Identity => {
            check(body.len() as u64, limits)?;
            Ok(body)
        }
        Encoding::Gzip => gzip(body, limits, buffer),
        Encoding::Snappy => snappy(body, limits, buffer),
    }
}

/// A snappy block. Its head says how long it becomes, which is checked before anything is allocated.
pub(super) fn snappy<'a>(
    body: &[u8],
    limits: &Limits,
    buffer: &'a mut Vec<u8>,
) -> Result<&'a [u8], DecodeError> {
    let failed = |e: snap::Error| DecodeError::Compression { encoding: "snappy", detail: e.to_string() };
    let length = snap::raw::decompress_len(body).map_err(failed)?;
    check(length as u64, limits)?;
    // Snappy's longest copy makes 64 bytes of 3: a head that promises more is a lie, told to make us allocate.
    if length as u64 > body.len() as u64 * 32 {
        let detail = format!("{} bytes cannot become {length}", body.len());
        return Err(DecodeError::Compression { encoding: "snappy", detail });
    }
    fit(buffer, length);
    // Not cleared: zeroing what is overwritten anyway would cost as much as a third of the decompression.
    if buffer.len() < length {
        buffer.resize(length, 0);
    }
    let written = snap::raw::Decoder::new().decompress(body, &mut buffer[..length]).map_err(failed)?;
    Ok(&buffer[..written])
}

fn gzip<'a>(body: &[u8], limits: &Limits, buffer: &'a mut Vec<u8>) -> Result<&'a [u8], DecodeError> {
    fit(buffer, body.len());
    buffer.clear();
    // One byte more than allowed tells a body that just fits from one that does not.
    let most = (limits.decoded_bytes as u64).saturating_add(1);
    flate2::read::MultiGzDecoder::new(body)
        .take(most)
        .read_to_end(buffer)
        .map_err(|e| DecodeError::Compression { encoding: "gzip", detail: e.to_string() })?;
    check(buffer.len() as u64, limits)?;
    Ok(buffer)
}

fn check(size: u64, limits: &Limits) -> Result<(), DecodeError> {
    let limit = limits.decoded_bytes;
    if size > limit as u64 { Err(DecodeError::TooLarge { size, limit }) } else { Ok(()) }
}

/// Gives memory back after a request that was far larger than the present one.
fn fit(buffer: &mut Vec<u8>, needed: usize) {
    if buffer.capacity() > KEEP_BYTES && needed < buffer.capacity() / 4 {
        *buffer = Vec::new();
    }
}

/// Empties a buffer for labels and gives it back when someone's labels made it far too large.
pub(super) fn clear(buffer: &mut Vec<u8>) {
    fit(buffer, 0);
    buffer.clear();
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn a_snappy_block_that_announces_4_gib_is_refused_before_allocation() {
        let mut buffer = Vec::new();
        let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f];
        let got = snappy(&bomb, &Limits::default(), &mut buffer);
        assert_eq!(got, Err(DecodeError::TooLarge { size: u64::from(u32::MAX), limit: 32 << 20 }));
        let mut lie = vec![0x80, 0x80, 0x80, 0x08];
        lie.extend_from_slice(&[0; 100]);
        assert!(matches!(
            snappy(&lie, &Limits::default(), &mut buffer),
            Err(DecodeError::Compression { encoding: "snappy", .. })
        ));
        assert_eq!(buffer.capacity(), 0);
    }

    #[test]
    fn a_gzip_bomb_is_cut_off_at_the_limit() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        for _ in 0..64 {
            encoder.write_all(&[0; 1 << 20]).expect("writing to memory");
        }
        let bomb = encoder.finish().expect("writing to memory");
        let limits = Limits { decoded_bytes: 1 << 20, ..Limits::default() };
        let mut buffer = Vec::new();
        let got = decompress(Encoding::Gzip, &bomb, &limits, &mut buffer);
        assert_eq!(got, Err(DecodeError::TooLarge { size: (1 << 20) + 1, limit: 1 << 20 }));
        assert!(buffer.capacity() <= 4 << 20, "{}", buffer.capacity());
    }

    #[test]
    fn memory_of_a_huge_request_is_given_back_by_the_next_small_one() {
        let mut buffer = Vec::new();
        let compress = |n: usize| snap::raw::Encoder::new().compress_vec(&vec![7; n]).expect("short enough");
        for (size, most) in [(100, 1 << 20), (20 << 20, 32 << 20), (100, 1 << 20)] {
            let body = compress(size);
            assert_eq!(snappy(&body, &Limits::default(), &mut buffer).map(<[u8]>::len), Ok(size));
            assert!(buffer.capacity() <= most);
        }
    }

    #[test]
    fn encodings_are_known_by_their_header() {
        for (value, want) in [
            (None, Some(Encoding::Identity)),
            (Some(""), Some(Encoding::Identity)),
            (Some("GZIP"), Some(Encoding::Gzip)),
            (Some(" snappy "), Some(Encoding::Snappy)),
            (Some("br"), None),
        ] {
            assert_eq!(Encoding::from_header(value), want);
        }
    }
}
