//! What every value in a shard's column family begins with: a version and a checksum.
//!
//! ```text
//! version u8 | crc32c of the body, u32 little-endian | body
//! ```

use super::Flaw;

/// Version that this code writes.
pub(crate) const VERSION: u8 = 1;

const HEADER: usize = 5;

/// Level of zstd. Higher levels gain less than a hundredth (see `docs/storage.md`).
const LEVEL: i32 = 1;

/// Largest body of a compressed part; larger ones are refused before anything is allocated.
const LARGEST: usize = 64 << 20;

/// Puts the header before `body`.
pub(crate) fn seal(body: &[u8]) -> Vec<u8> {
    seal_as(VERSION, body)
}

/// As [`seal`], for a row that has versions of its own.
pub(crate) fn seal_as(version: u8, body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.push(version);
    out.extend_from_slice(&crc32c::crc32c(body).to_le_bytes());
    out.extend_from_slice(body);
    out
}

/// The body, when its checksum holds.
pub(crate) fn open(value: &[u8]) -> Result<&[u8], Flaw> {
    open_up_to(VERSION, value).map(|(_, body)| body)
}

/// Version and body of a row that has versions of its own, up to `newest`.
pub(crate) fn open_up_to(newest: u8, value: &[u8]) -> Result<(u8, &[u8]), Flaw> {
    let (header, body) = value.split_at_checked(HEADER).ok_or(Flaw::Damaged)?;
    if crc32c::crc32c(body).to_le_bytes() != header[1..] {
        return Err(Flaw::Damaged);
    }
    match header[0] {
        version if (1..=newest).contains(&version) => Ok((version, body)),
        version => Err(Flaw::Version(version)),
    }
}

/// Compresses, with a context that is used again and again: making one costs more than a small frame.
#[derive(Default)]
pub(crate) struct Packer(Option<zstd::bulk::Compressor<'static>>);

/// Decompresses, with a context that is used again and again.
#[derive(Default)]
pub(crate) struct Unpacker(Option<zstd::bulk::Decompressor<'static>>);

impl Packer {
    /// Appends `bytes` compressed, or as they are when that is shorter: varint length, u8 whether compressed, bytes.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        plimsoll_model::varint::put(out, bytes.len() as u64);
        if self.0.is_none() {
            self.0 = zstd::bulk::Compressor::new(LEVEL).ok();
        }
        match self.0.as_mut().map(|c| c.compress(bytes)) {
            Some(Ok(packed)) if packed.len() < bytes.len() => {
                out.push(1);
                out.extend_from_slice(&packed);
            }
            // Bytes that cannot be compressed, for want of memory too, are kept as they are.
            _ => {
                out.push(0);
                out.extend_from_slice(bytes);
            }
        }
    }
}

impl Unpacker {
    /// Reads the rest of `input` as [`Packer::put`] wrote it.
    pub(crate) fn take(&mut self, mut input: &[u8]) -> Result<Vec<u8>, Flaw> {
        let input = &mut input;
        let length = plimsoll_model::varint::take(input).and_then(|n| usize::try_from(n).ok());
        let length = length.filter(|n| *n <= LARGEST).ok_or(Flaw::Damaged)?;
        let (packed, bytes) = input.split_first().ok_or(Flaw::Damaged)?;
        let out = match packed {
            0 => bytes.to_vec(),
            1 => {
                if self.0.is_none() {
                    self.0 = zstd::bulk::Decompressor::new().ok();
                }
                let unpacked = self.0.as_mut().and_then(|d| d.decompress(bytes, length).ok());
                unpacked.ok_or(Flaw::Damaged)?
            }
            _ => return Err(Flaw::Damaged),
        };
        if out.len() == length { Ok(out) } else { Err(Flaw::Damaged) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_golden_and_every_flipped_bit_is_seen() {
        let sealed = seal(b"123456789");
        assert_eq!(sealed[..5], [1, 0x83, 0x92, 0x06, 0xe3]);
        assert_eq!(open(&sealed), Ok(&b"123456789"[..]));
        for bit in 0..sealed.len() * 8 {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&flipped).is_err());
        }
    }

    #[test]
    fn packed_bytes_come_back() {
        for bytes in [vec![], vec![7; 1000], (0..=255).collect::<Vec<u8>>()] {
            let mut out = Vec::new();
            Packer::default().put(&mut out, &bytes);
            assert_eq!(Unpacker::default().take(&out), Ok(bytes));
        }
    }
}
