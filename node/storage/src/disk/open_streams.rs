//! The open streams of a checkpoint: what the head goes on from after a restart.
//!
//! ```text
//! body    records one after another, packed (see `frame`)
//! record  varint ref, zigzag varint first timestamp, varint samples, varint length, stream as in `codec::open`
//! ```

use super::Flaw;
use super::frame::{self, Packer, Unpacker};
use crate::codec::open::Open;
use plimsoll_model::{SeriesRef, varint};

/// Size at which a row is closed.
pub(crate) const ROW_BYTES: usize = 64 << 10;

/// Appends the record of one series.
pub(crate) fn put(out: &mut Vec<u8>, r: SeriesRef, open: &Open) {
    varint::put(out, u64::from(r.0));
    varint::put_signed(out, open.first());
    varint::put(out, open.len() as u64);
    varint::put(out, open.bytes().len() as u64);
    out.extend_from_slice(open.bytes());
}

/// The framed value of these records.
pub(crate) fn seal(records: &[u8]) -> Vec<u8> {
    let mut body = Vec::with_capacity(records.len());
    Packer::default().put(&mut body, records);
    frame::seal(&body)
}

/// The streams of a row.
pub(crate) fn parse(value: &[u8]) -> Result<Vec<(SeriesRef, Open)>, Flaw> {
    let records = Unpacker::default().take(frame::open(value)?)?;
    let (mut input, mut out) = (&records[..], Vec::new());
    while !input.is_empty() {
        out.push(take(&mut input).ok_or(Flaw::Damaged)?);
    }
    Ok(out)
}

fn take(input: &mut &[u8]) -> Option<(SeriesRef, Open)> {
    let r = SeriesRef(u32::try_from(varint::take(input)?).ok()?);
    let first = varint::take_signed(input)?;
    let count = u8::try_from(varint::take(input)?).ok()?;
    let length = usize::try_from(varint::take(input)?).ok()?;
    let bytes = varint::take_bytes(input, length)?;
    Some((r, Open::restore(first, count, bytes).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_golden_and_comes_back() {
        let mut open = Open::default();
        open.push(1000, 3.0);
        open.push(1015, 4.0);
        let mut records = Vec::new();
        put(&mut records, SeriesRef(300), &open);
        assert_eq!(records, [0xac, 2, 0xd0, 0x0f, 2, 3, 0x18, 0x09, 30]);
        let back = parse(&seal(&records)).expect("own bytes");
        assert_eq!((back[0].0, back[0].1.last(), back[0].1.len()), (SeriesRef(300), 1015, 2));
    }
}
