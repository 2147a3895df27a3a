//! The sample message of remote write, which 1.0 and 2.0 have in common up to one field.

use super::DecodeError;
use super::wire::Fields;
use plimsoll_model::{Timestamp, varint};

/// A float sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireSample {
    pub(super) timestamp: Timestamp,
    pub(super) value: f64,
    /// Zero when the sender does not know.
    pub(super) start_timestamp: Timestamp,
}

/// Nearly all senders write a sample as `09 value:8 10 timestamp`; other forms take the general way.
#[inline]
pub(super) fn read(sample: &[u8]) -> Result<WireSample, DecodeError> {
    if let Some((head, mut rest)) = sample.split_first_chunk::<10>()
        && head[0] == 1 << 3 | 1
        && head[9] == 2 << 3
        && let Some(timestamp) = varint::take(&mut rest)
        && rest.is_empty()
    {
        let value = u64::from_le_bytes(head[1..9].try_into().expect("eight bytes"));
        return Ok(WireSample {
            timestamp: timestamp as i64,
            value: f64::from_bits(value),
            start_timestamp: 0,
        });
    }
    read_fields(sample)
}

fn read_fields(sample: &[u8]) -> Result<WireSample, DecodeError> {
    let mut out = WireSample { timestamp: 0, value: 0.0, start_timestamp: 0 };
    let mut fields = Fields::new(sample);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => out.value = field.double()?,
            2 => out.timestamp = field.varint()? as i64,
            3 => out.start_timestamp = field.varint()? as i64,
            _ => {}
        }
    }
    Ok(out)
}
