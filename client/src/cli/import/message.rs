//! The wire form of protobuf, as much of it as remote read needs.

use plimsoll_model::varint;

/// The fields of a message with their numbers, in their order.
pub(super) struct Fields<'a>(pub &'a [u8]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of a fixed size.
    Fixed,
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), String>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = field(&mut self.0);
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or_else(|| "a message is cut".to_owned()))
    }
}

fn field<'a>(rest: &mut &'a [u8]) -> Option<(u64, Value<'a>)> {
    let key = varint::take(rest)?;
    let value = match key & 7 {
        0 => Value::Number(varint::take(rest)?),
        1 => varint::take_bytes(rest, 8).map(|_| Value::Fixed)?,
        2 => {
            let length = usize::try_from(varint::take(rest)?).ok()?;
            Value::Bytes(varint::take_bytes(rest, length)?)
        }
        5 => varint::take_bytes(rest, 4).map(|_| Value::Fixed)?,
        _ => return None,
    };
    Some((key >> 3, value))
}

/// Appends a field that is a number.
pub(super) fn put_number(out: &mut Vec<u8>, field: u64, value: u64) {
    varint::put(out, field << 3);
    varint::put(out, value);
}

/// Appends a field that is bytes, text or a message.
pub(super) fn put_bytes(out: &mut Vec<u8>, field: u64, bytes: &[u8]) {
    varint::put(out, field << 3 | 2);
    varint::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_come_back_and_cut_messages_are_seen() {
        let mut out = Vec::new();
        put_number(&mut out, 1, 300);
        put_bytes(&mut out, 2, b"abc");
        let read: Result<Vec<_>, _> = Fields(&out).collect();
        assert_eq!(read, Ok(vec![(1, Value::Number(300)), (2, Value::Bytes(b"abc"))]));
        assert!(Fields(&out[..out.len() - 1]).any(|field| field.is_err()));
        assert!(Fields(&[0x0f]).any(|field| field.is_err()));
    }
}
