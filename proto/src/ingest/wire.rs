//! Protobuf's wire format, read in place: <https://protobuf.dev/programming-guides/encoding/>.

use super::DecodeError;
use plimsoll_model::varint;

/// A field's value, as far as its wire type tells.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'a [u8]),
    Fixed32(u32),
}

/// Goes through the fields of one message. Groups are refused: proto3 has none, and they would nest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    #[inline]
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    /// The next field's number and value; `None` at the end of the message.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Result<Option<(u32, Wire<'a>)>, DecodeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        if tag < 8 || tag > u64::from(u32::MAX) {
            return Err(DecodeError::Malformed("a field has no valid number"));
        }
        let field = (tag >> 3) as u32;
        let value = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Wire::Bytes(self.sized()?),
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(DecodeError::Malformed("a field has an unknown wire type")),
        };
        Ok(Some((field, value)))
    }

    /// Bytes of the message that were not read yet.
    #[inline]
    pub(super) fn left(&self) -> usize {
        self.rest.len()
    }

    #[inline(always)]
    fn varint(&mut self) -> Result<u64, DecodeError> {
        take_varint(&mut self.rest)
    }

    #[inline(always)]
    fn sized(&mut self) -> Result<&'a [u8], DecodeError> {
        let n = self.varint()?;
        if n > self.rest.len() as u64 {
            return Err(CUT);
        }
        let (head, tail) = self.rest.split_at(n as usize);
        self.rest = tail;
        Ok(head)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (head, tail) = self.rest.split_first_chunk::<N>().ok_or(CUT)?;
        self.rest = tail;
        Ok(*head)
    }
}

/// Takes a varint off `rest`. One and two bytes, which nearly all tags and lengths have, are read in line.
#[inline(always)]
pub(super) fn take_varint(rest: &mut &[u8]) -> Result<u64, DecodeError> {
    if let [a, tail @ ..] = *rest
        && *a < 0x80
    {
        *rest = tail;
        return Ok(u64::from(*a));
    }
    if let [a, b, tail @ ..] = *rest
        && *b < 0x80
    {
        *rest = tail;
        return Ok(u64::from(*a & 0x7f) | u64::from(*b) << 7);
    }
    take_long_varint(rest)
}

#[inline(never)]
fn take_long_varint(rest: &mut &[u8]) -> Result<u64, DecodeError> {
    varint::take(rest).ok_or(DecodeError::Malformed("a number is cut off or too long"))
}

const CUT: DecodeError = DecodeError::Malformed("a field reaches beyond its message");
const WRONG_TYPE: DecodeError = DecodeError::Malformed("a field has the wrong wire type");

impl<'a> Wire<'a> {
    #[inline]
    pub(super) fn varint(self) -> Result<u64, DecodeError> {
        if let Self::Varint(v) = self { Ok(v) } else { Err(WRONG_TYPE) }
    }

    #[inline]
    pub(super) fn double(self) -> Result<f64, DecodeError> {
        if let Self::Fixed64(v) = self { Ok(f64::from_bits(v)) } else { Err(WRONG_TYPE) }
    }

    #[inline]
    pub(super) fn bytes(self) -> Result<&'a [u8], DecodeError> {
        if let Self::Bytes(v) = self { Ok(v) } else { Err(WRONG_TYPE) }
    }

    /// A repeated varint field may be packed or not; `visit` gets each number.
    #[inline]
    pub(super) fn varints(
        self,
        mut visit: impl FnMut(u64) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        match self {
            Self::Varint(v) => visit(v),
            Self::Bytes(mut packed) => {
                while !packed.is_empty() {
                    visit(take_varint(&mut packed)?)?;
                }
                Ok(())
            }
            _ => Err(WRONG_TYPE),
        }
    }

    #[inline]
    pub(super) fn fixed64(self) -> Result<u64, DecodeError> {
        if let Self::Fixed64(v) = self { Ok(v) } else { Err(WRONG_TYPE) }
    }

    /// A repeated double field may be packed or not.
    pub(super) fn doubles(
        self,
        mut visit: impl FnMut(f64) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        self.fixed64s(|bits| visit(f64::from_bits(bits)))
    }

    /// A repeated field of eight bytes each may be packed or not.
    pub(super) fn fixed64s(
        self,
        mut visit: impl FnMut(u64) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        match self {
            Self::Fixed64(v) => visit(v),
            Self::Bytes(packed) => {
                let (numbers, rest) = packed.as_chunks::<8>();
                if !rest.is_empty() {
                    return Err(CUT);
                }
                numbers.iter().try_for_each(|n| visit(u64::from_le_bytes(*n)))
            }
            _ => Err(WRONG_TYPE),
        }
    }
}
