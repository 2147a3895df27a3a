//! The bytes of a log entry, the same in the log and between peers.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version (high 4 bits, 1) and kind (low 4 bits: 0 blank, 1 command, 2 membership) |
//! | 8 | index, little endian |
//! | 8 | term, little endian |
//! | 4 | length of the body, little endian |
//! | n | body: the command, or postcard of the membership |

use crate::position::Members;
use crate::raft::{Entry, EntryPayload, Payload, log_id, term_of};
use bytes::{Buf, Bytes};
use openraft::entry::RaftEntry;

/// Bytes before the body.
pub(crate) const HEAD: usize = 21;
const VERSION: u8 = 1 << 4;

/// Head and body of `entry`; the body of a command is shared, not copied.
pub(crate) fn parts(entry: &Entry) -> ([u8; HEAD], Bytes) {
    let (kind, body) = match &entry.payload {
        EntryPayload::Blank => (0, Bytes::new()),
        EntryPayload::Normal(Payload(command)) => (1, command.clone()),
        EntryPayload::Membership(membership) => {
            let members = Members::from(membership);
            (2, postcard::to_stdvec(&members).expect("a vector takes any length").into())
        }
    };
    let id = entry.log_id();
    let mut head = [0; HEAD];
    head[0] = VERSION | kind;
    head[1..9].copy_from_slice(&id.index().to_le_bytes());
    head[9..17].copy_from_slice(&term_of(&id).to_le_bytes());
    head[17..].copy_from_slice(&(body.len() as u32).to_le_bytes());
    (head, body)
}

/// Length of the body that follows `head`.
pub(crate) fn body_length(head: &[u8; HEAD]) -> u32 {
    u32::from_le_bytes([head[17], head[18], head[19], head[20]])
}

/// Bytes of `entry` when encoded; a membership counts as an empty body.
pub(crate) fn size(entry: &Entry) -> usize {
    match &entry.payload {
        EntryPayload::Normal(Payload(command)) => HEAD + command.len(),
        _ => HEAD,
    }
}

/// The entry of a head and its body; `None` when they are not one.
pub(crate) fn from_parts(head: &[u8; HEAD], body: Bytes) -> Option<Entry> {
    if head[0] & 0xf0 != VERSION || body_length(head) as usize != body.len() {
        return None;
    }
    let payload = match head[0] & 0x0f {
        0 if body.is_empty() => EntryPayload::Blank,
        1 => EntryPayload::Normal(Payload(body)),
        2 => {
            let (members, rest): (Members, _) = postcard::take_from_bytes(&body).ok()?;
            if !rest.is_empty() {
                return None;
            }
            EntryPayload::Membership(members.into())
        }
        _ => return None,
    };
    let mut numbers = &head[1..17];
    let (index, term) = (numbers.get_u64_le(), numbers.get_u64_le());
    Some(Entry::new(log_id(term, index), payload))
}

/// Appends the bytes of `entry`.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let (head, body) = parts(entry);
    out.extend_from_slice(&head);
    out.extend_from_slice(&body);
}

/// Takes one entry off the front of `bytes`, sharing its body; `None` when there is no whole entry.
pub(crate) fn decode(bytes: &mut Bytes) -> Option<Entry> {
    let head: [u8; HEAD] = bytes.get(..HEAD)?.try_into().expect("just cut to that length");
    let end = HEAD.checked_add(body_length(&head) as usize)?;
    if bytes.len() < end {
        return None;
    }
    let body = bytes.split_to(end).slice(HEAD..);
    from_parts(&head, body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raft::Membership;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_bytes_of_an_entry_are_frozen() {
        let mut out = Vec::new();
        encode(&Entry::new(log_id(2, 7), EntryPayload::Normal(Payload(Bytes::from_static(b"hi")))), &mut out);
        let mut expected = vec![0x11, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0];
        expected.extend(b"hi");
        assert_eq!(out, expected);
        out.clear();
        let members = Membership::new_with_defaults(vec![BTreeSet::from([1, 3])], [4]);
        encode(&Entry::new(log_id(1, 0), EntryPayload::Membership(members)), &mut out);
        assert_eq!(out[0], 0x12);
        assert_eq!(out[HEAD..], [1, 2, 1, 3, 1, 4]);
    }

    fn payload() -> impl Strategy<Value = EntryPayload> {
        prop_oneof![
            Just(EntryPayload::Blank),
            prop::collection::vec(any::<u8>(), 0..100).prop_map(|b| EntryPayload::Normal(Payload(b.into()))),
            prop::collection::btree_set(any::<u64>(), 1..5)
                .prop_map(|set| EntryPayload::Membership(Membership::new_with_defaults(vec![set], []))),
        ]
    }

    proptest! {
        #[test]
        fn entries_survive_their_bytes(
            entries in prop::collection::vec((any::<u64>(), any::<u64>(), payload()), 0..5),
        ) {
            let entries: Vec<_> =
                entries.into_iter().map(|(term, index, payload)| Entry::new(log_id(term, index), payload)).collect();
            let mut out = Vec::new();
            entries.iter().for_each(|entry| encode(entry, &mut out));
            let mut bytes = Bytes::from(out);
            for entry in &entries {
                let decoded = decode(&mut bytes);
                prop_assert_eq!(decoded.as_ref(), Some(entry));
            }
            prop_assert!(bytes.is_empty());
        }

        #[test]
        fn decoding_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let mut bytes = Bytes::from(bytes);
            while decode(&mut bytes).is_some() {}
        }
    }
}
