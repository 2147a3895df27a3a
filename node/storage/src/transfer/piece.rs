//! Pieces of a snapshot, and the check that all of them have come.
//!
//! ```text
//! piece   frame (see `disk::frame`) of: kind u8, content
//! 'h'     head, the first piece: varint shard, varint estimate of all bytes, varint length of the position, position
//! 'r'     rows, ascending over all pieces, each: varint length of the key, varint length of the value, key, value
//! 'e'     end, the last piece: varint rows, varint bytes of their keys and values
//! ```
//! Frozen: see `docs/formats/snapshot.md`.

use crate::Error;
use crate::disk::{Flaw, frame, tables};
use plimsoll_model::{ShardId, varint};

const HEAD: u8 = b'h';
const ROWS: u8 = b'r';
const END: u8 = b'e';

/// What a snapshot says of itself before its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) shard: ShardId,
    /// Estimate of the bytes of all rows, for progress.
    pub(crate) bytes: u64,
    pub(crate) position: Vec<u8>,
}

/// What a snapshot says of itself after its rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl Totals {
    pub(crate) fn count(&mut self, key: &[u8], value: &[u8]) {
        self.rows += 1;
        self.bytes += (key.len() + value.len()) as u64;
    }
}

impl Head {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = vec![HEAD];
        varint::put(&mut body, u64::from(self.shard.0));
        varint::put(&mut body, self.bytes);
        varint::put(&mut body, self.position.len() as u64);
        body.extend_from_slice(&self.position);
        frame::seal(&body)
    }

    fn take(body: &mut &[u8]) -> Option<Self> {
        let shard = ShardId(u16::try_from(varint::take(body)?).ok()?);
        let bytes = varint::take(body)?;
        let length = usize::try_from(varint::take(body)?).ok()?;
        let position = varint::take_bytes(body, length)?.to_vec();
        body.is_empty().then_some(Self { shard, bytes, position })
    }
}

impl Totals {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut body = vec![END];
        varint::put(&mut body, self.rows);
        varint::put(&mut body, self.bytes);
        frame::seal(&body)
    }

    fn take(body: &mut &[u8]) -> Option<Self> {
        let totals = Self { rows: varint::take(body)?, bytes: varint::take(body)? };
        body.is_empty().then_some(totals)
    }
}

/// A piece of rows in the making.
pub(crate) struct RowsPiece(Vec<u8>);

impl RowsPiece {
    pub(crate) fn new(capacity: usize) -> Self {
        let mut body = Vec::with_capacity(capacity);
        body.push(ROWS);
        Self(body)
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) {
        tables::put_row(&mut self.0, key, value);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.len() == 1
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn seal(&self) -> Vec<u8> {
        frame::seal(&self.0)
    }
}

/// Follows the pieces of one snapshot: each whole, in order, none missing.
#[derive(Default)]
pub(crate) struct Arrival {
    head: Option<Head>,
    last_key: Vec<u8>,
    totals: Totals,
    ended: bool,
}

impl Arrival {
    /// Checks the next piece and hands its rows to `put`.
    pub(crate) fn take(
        &mut self,
        shard: ShardId,
        piece: &[u8],
        mut put: impl FnMut(&[u8], &[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let refused = |reason: &str| Error::Snapshot { shard, reason: reason.to_owned() };
        let body = frame::open(piece).map_err(|flaw| match flaw {
            Flaw::Damaged => refused("a piece was damaged on its way"),
            Flaw::Version(found) => Error::Version { shard, found, known: frame::VERSION },
        })?;
        let (kind, mut content) = body.split_first().ok_or_else(|| refused("a piece is empty"))?;
        if self.ended {
            return Err(refused("there are pieces after its end"));
        }
        if self.head.is_none() != (*kind == HEAD) {
            return Err(refused("it does not begin with one head"));
        }
        let malformed = || refused("a piece cannot be read; the sender may be of a newer version");
        match *kind {
            HEAD => self.head = Some(Head::take(&mut content).ok_or_else(malformed)?),
            ROWS => {
                while !content.is_empty() {
                    let (key, value) = tables::take_row(&mut content).ok_or_else(malformed)?;
                    if key <= &self.last_key[..] {
                        return Err(refused("its rows are not in order: pieces were lost or came twice"));
                    }
                    self.last_key.clear();
                    self.last_key.extend_from_slice(key);
                    self.totals.count(key, value);
                    put(key, value)?;
                }
            }
            END => {
                if Totals::take(&mut content).ok_or_else(malformed)? != self.totals {
                    return Err(refused("pieces were lost on the way"));
                }
                self.ended = true;
            }
            _ => return Err(malformed()),
        }
        Ok(())
    }

    /// The head, once it has come.
    pub(crate) fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    /// What has come so far.
    pub(crate) fn totals(&self) -> Totals {
        self.totals
    }

    /// The head of a snapshot that has come to its end.
    pub(crate) fn finish(&self, shard: ShardId) -> Result<&Head, Error> {
        let whole = self.head.as_ref().filter(|_| self.ended);
        whole.ok_or_else(|| Error::Snapshot { shard, reason: "it ended early".to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn head() -> Head {
        Head { shard: ShardId(3), bytes: 300, position: b"at".to_vec() }
    }

    fn rows(all: &[(&[u8], &[u8])]) -> Vec<u8> {
        let mut piece = RowsPiece::new(0);
        all.iter().for_each(|(k, v)| piece.put(k, v));
        piece.seal()
    }

    fn follow(pieces: &[Vec<u8>]) -> Result<(Head, Vec<Vec<u8>>), Error> {
        let (mut arrival, mut keys) = (Arrival::default(), Vec::new());
        for piece in pieces {
            arrival.take(ShardId(3), piece, |key, _| {
                keys.push(key.to_vec());
                Ok(())
            })?;
        }
        Ok((arrival.finish(ShardId(3))?.clone(), keys))
    }

    #[test]
    fn pieces_are_golden() {
        assert_eq!(head().encode()[5..], [b'h', 3, 0xac, 2, 2, b'a', b't']);
        assert_eq!(rows(&[(b"k", b"vw")])[5..], [b'r', 1, 2, b'k', b'v', b'w']);
        assert_eq!(Totals { rows: 1, bytes: 300 }.encode()[5..], [b'e', 1, 0xac, 2]);
        assert_eq!(head().encode()[0], 1);
    }

    #[test]
    fn a_whole_snapshot_is_taken_and_every_other_is_refused() {
        let end = Totals { rows: 3, bytes: 9 }.encode();
        let (a, b) = (rows(&[(b"k1", b"v"), (b"k2", b"v")]), rows(&[(b"k3", b"v")]));
        let whole = [head().encode(), a.clone(), b.clone(), end.clone()];
        let (found, keys) = follow(&whole).expect("it is whole");
        assert_eq!((found, keys.len()), (head(), 3));
        for n in 0..whole.len() {
            let mut without = whole.to_vec();
            without.remove(n);
            assert!(matches!(follow(&without), Err(Error::Snapshot { .. })), "without {n}");
            let mut twice = whole.to_vec();
            twice.insert(n, whole[n].clone());
            assert!(matches!(follow(&twice), Err(Error::Snapshot { .. })), "{n} twice");
            let mut flipped = whole.to_vec();
            flipped[n][7] ^= 1;
            assert!(matches!(follow(&flipped), Err(Error::Snapshot { .. })), "{n} flipped");
            let mut newer = whole.to_vec();
            newer[n][0] = 9;
            assert!(matches!(follow(&newer), Err(Error::Version { found: 9, .. })), "{n} newer");
        }
        assert!(follow(&[whole[0].clone(), b, a, end]).is_err());
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = follow(&[head().encode(), frame::seal(&body)]);
            let _ = follow(&[frame::seal(&body)]);
        }
    }
}
