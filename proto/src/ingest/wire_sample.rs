//! The sample message of remote write, which 1.0 and 2.0 have in common up to one field.

use super::DecodeError;
use super::wire::Fields;
use plimsoll_model::Timestamp;

/// A float sample.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireSample {
    pub(super) timestamp: Timestamp,
    pub(super) value: f64,
    /// Zero when the sender does not know.
    pub(super) start_timestamp: Timestamp,
}

/// Nearly all senders write a sample as `09 value:8 10 timestamp`; other forms take the general way.
#[inline(always)]
pub(super) fn read(sample: &[u8]) -> Result<WireSample, DecodeError> {
    match read_common(sample) {
        Some((timestamp, value)) => Ok(WireSample { timestamp, value, start_timestamp: 0 }),
        None => read_fields(sample),
    }
}

#[inline(always)]
fn read_common(sample: &[u8]) -> Option<(Timestamp, f64)> {
    let (head, rest) = sample.split_first_chunk::<10>()?;
    if head[0] != 1 << 3 | 1 || head[9] != 2 << 3 || rest.is_empty() || rest.len() > 8 {
        return None;
    }
    // The last eight bytes of the sample hold the timestamp and, below it, bytes that are shifted out.
    let (_, tail) = sample.split_last_chunk::<8>()?;
    let varint = u64::from_le_bytes(*tail) >> (8 * (8 - rest.len()));
    let more = 0x8080_8080_8080_8080 & ((1 << (8 * (rest.len() - 1))) - 1);
    if varint & 0x8080_8080_8080_8080 != more {
        return None;
    }
    let value = u64::from_le_bytes(head[1..9].try_into().expect("eight bytes"));
    Some((join_groups(varint) as i64, f64::from_bits(value)))
}

/// Joins the seven low bits of each byte: pairs, then fours, then eights.
#[inline(always)]
fn join_groups(bytes: u64) -> u64 {
    let x = (bytes & 0x007f_007f_007f_007f) | (bytes & 0x7f00_7f00_7f00_7f00) >> 1;
    let x = (x & 0x0000_3fff_0000_3fff) | (x & 0x3fff_0000_3fff_0000) >> 2;
    (x & 0x0fff_ffff) | (x & 0x0fff_ffff_0000_0000) >> 4
}

#[inline(never)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_model::varint;

    #[test]
    fn timestamps_of_every_length_are_read_as_in_the_general_way() {
        let mut timestamps = vec![0, -1, i64::MIN, i64::MAX];
        timestamps.extend((0..63).flat_map(|bit| [1i64 << bit, (1i64 << bit) - 1, -(1i64 << bit)]));
        for timestamp in timestamps {
            let mut sample = vec![9];
            sample.extend_from_slice(&(-0.0f64).to_le_bytes());
            sample.push(16);
            varint::put(&mut sample, timestamp as u64);
            let got = read(&sample).expect("a sample");
            assert_eq!((got.timestamp, got.value.to_bits()), (timestamp, 1 << 63));
            let general = read_fields(&sample).expect("a sample");
            assert_eq!((general.timestamp, general.value.to_bits()), (timestamp, 1 << 63));
        }
    }

    #[test]
    fn two_numbers_where_one_is_expected_are_not_joined() {
        let sample = [9, 0, 0, 0, 0, 0, 0, 0, 0, 16, 5, 16, 7];
        assert_eq!(read(&sample).expect("the last of a field counts").timestamp, 7);
        assert!(read(&sample[..12]).is_err());
    }
}
