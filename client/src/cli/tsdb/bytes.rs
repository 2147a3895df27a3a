use super::Fault;

/// Reads numbers as Go's encoding/binary writes them off the front of bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bytes<'a>(pub &'a [u8]);

impl<'a> Bytes<'a> {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let (front, rest) = self.0.split_at_checked(count).ok_or("it ends too early")?;
        self.0 = rest;
        Ok(front)
    }

    pub fn u8(&mut self) -> Result<u8, Fault> {
        Ok(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Result<u32, Fault> {
        let bytes = self.take(4)?.try_into().map_err(|_| "it ends too early")?;
        Ok(u32::from_be_bytes(bytes))
    }

    pub fn u64(&mut self) -> Result<u64, Fault> {
        let bytes = self.take(8)?.try_into().map_err(|_| "it ends too early")?;
        Ok(u64::from_be_bytes(bytes))
    }

    pub fn uvarint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.u8()?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number is longer than 64 bits".into())
    }

    pub fn varint(&mut self) -> Result<i64, Fault> {
        self.uvarint().map(plimsoll_model::varint::unzigzag)
    }

    /// A number of things or bytes that must still be there, each at least a byte long.
    pub fn length(&mut self) -> Result<usize, Fault> {
        let length = self.uvarint()?;
        usize::try_from(length)
            .ok()
            .filter(|n| *n <= self.0.len())
            .ok_or_else(|| "a length is too large".into())
    }
}

/// Whether `sum` is the checksum (CRC-32C) of `parts` one after another.
pub(super) fn check(parts: &[&[u8]], sum: u32) -> Result<(), Fault> {
    let found = parts.iter().fold(0, |sum, part| crc32c::crc32c_append(sum, part));
    if found == sum { Ok(()) } else { Err("a checksum does not fit".into()) }
}
