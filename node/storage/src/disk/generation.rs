//! Which column family of a shard counts.
//!
//! The first generation of a shard is the column family `shard-NNNN`, generation `g` is `shard-NNNN.g`. The row
//! `generation/shard-NNNN` of the column family `node` names the one that counts; without it the first one does.
//! A replica is replaced by building the next generation beside it and then writing this row: see
//! `docs/formats/keys.md`.
//!
//! ```text
//! value   frame (see `frame`) of: varint generation
//! ```

use super::frame;
use plimsoll_model::{ShardId, varint};

/// The column family of a generation.
pub(crate) fn family(id: ShardId, generation: u32) -> String {
    if generation == 0 { id.to_string() } else { format!("{id}.{generation}") }
}

/// Shard and generation of a column family; `None` for one that is no shard's.
pub(crate) fn parse(name: &str) -> Option<(ShardId, u32)> {
    let rest = name.strip_prefix("shard-")?;
    let (number, generation) = rest.split_once('.').unwrap_or((rest, "0"));
    let (id, generation) = (ShardId(number.parse().ok()?), generation.parse().ok()?);
    // Only the spelling that we write: anything else is not ours to drop.
    (family(id, generation) == name).then_some((id, generation))
}

/// Key of the row that names the generation that counts.
pub(crate) fn key(id: ShardId) -> Vec<u8> {
    format!("generation/{id}").into_bytes()
}

/// The row's value.
pub(crate) fn encode(generation: u32) -> Vec<u8> {
    let mut body = Vec::new();
    varint::put(&mut body, u64::from(generation));
    frame::seal(&body)
}

/// The generation that a value names; `None` when it is damaged.
pub(crate) fn decode(value: &[u8]) -> Option<u32> {
    let mut body = frame::open(value).ok()?;
    let generation = u32::try_from(varint::take(&mut body)?).ok()?;
    body.is_empty().then_some(generation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_rows_are_golden_and_come_back() {
        assert_eq!(
            (family(ShardId(3), 0), family(ShardId(3), 2)),
            ("shard-0003".into(), "shard-0003.2".into())
        );
        for (id, generation) in [(ShardId(0), 0), (ShardId(3), 1), (ShardId(65_535), u32::MAX)] {
            assert_eq!(parse(&family(id, generation)), Some((id, generation)));
            assert_eq!(decode(&encode(generation)), Some(generation));
        }
        for other in ["node", "default", "shard-3", "shard-0003.0", "shard-0003.01", "shard-0003.x", "shard-"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
        assert_eq!(key(ShardId(3)), b"generation/shard-0003");
        assert_eq!(encode(300)[5..], [0xac, 2]);
        assert_eq!(decode(&encode(300)[1..]), None);
    }
}
