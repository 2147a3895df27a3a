use super::Fault;

/// Reads bits, the highest of each byte first.
pub(super) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub fn bit(&mut self) -> Result<bool, Fault> {
        let byte = self.bytes.get(self.at / 8).ok_or("the chunk ends too early")?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Ok(bit == 1)
    }

    /// The next `count` bits, up to 64, as a number.
    pub fn take(&mut self, count: u32) -> Result<u64, Fault> {
        let mut value = 0;
        let mut left = count as usize;
        while left > 0 {
            let byte = *self.bytes.get(self.at / 8).ok_or("the chunk ends too early")?;
            let free = 8 - self.at % 8;
            let some = free.min(left);
            let part = u64::from(byte) >> (free - some) & ((1 << some) - 1);
            value = value << some | part;
            self.at += some;
            left -= some;
        }
        Ok(value)
    }

    pub fn uvarint(&mut self) -> Result<u64, Fault> {
        let mut value = 0u64;
        for shift in (0..70).step_by(7) {
            let byte = self.take(8)?;
            if shift == 63 && byte > 1 {
                break;
            }
            value |= (byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number of the chunk is longer than 64 bits".into())
    }

    pub fn varint(&mut self) -> Result<i64, Fault> {
        self.uvarint().map(plimsoll_model::varint::unzigzag)
    }

    /// How many of the next bits are 1 before a 0, at most `most`; the 0 is taken as well.
    pub fn ones(&mut self, most: u32) -> Result<u32, Fault> {
        let mut ones = 0;
        while ones < most && self.bit()? {
            ones += 1;
        }
        Ok(ones)
    }
}

/// A value that changes little, by the XOR with the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct XorValue {
    bits: u64,
    leading: u32,
    trailing: u32,
}

impl XorValue {
    pub fn first(value: u64) -> Self {
        // No window of bits is known yet; a chunk that refers to one is damaged.
        Self { bits: value, leading: 0, trailing: 0 }
    }

    pub fn value(&self) -> f64 {
        f64::from_bits(self.bits)
    }

    pub fn next(&mut self, bits: &mut Bits<'_>) -> Result<f64, Fault> {
        if !bits.bit()? {
            return Ok(self.value());
        }
        if bits.bit()? {
            self.leading = bits.take(5)? as u32;
            let meaning = match bits.take(6)? as u32 {
                0 => 64,
                n => n,
            };
            self.trailing =
                64u32.checked_sub(self.leading + meaning).ok_or("a value has more than 64 bits")?;
        }
        let meaning = 64 - self.leading - self.trailing;
        self.bits ^= bits.take(meaning)? << self.trailing;
        Ok(self.value())
    }
}
