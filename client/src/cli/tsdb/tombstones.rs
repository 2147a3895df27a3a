//! What was deleted from a block and lies in it still.

use super::Fault;
use super::bytes::{Bytes, check};
use plimsoll_model::Timestamp;
use std::collections::HashMap;

const MAGIC: u32 = 0x0130_ba30;

/// Deleted ranges, both ends included, by series reference.
#[derive(Debug, Default)]
pub(super) struct Tombstones(HashMap<u64, Vec<(Timestamp, Timestamp)>>);

impl Tombstones {
    pub fn read(file: &[u8]) -> Result<Self, Fault> {
        let (body, sum) = file.split_last_chunk::<4>().ok_or("it is too short")?;
        let mut bytes = Bytes(body);
        if bytes.u32()? != MAGIC {
            return Err("it does not begin as tombstones do".into());
        }
        if bytes.u8()? != 1 {
            return Err("its version is not 1".into());
        }
        check(&[bytes.0], u32::from_be_bytes(*sum))?;
        let mut ranges: HashMap<u64, Vec<_>> = HashMap::new();
        while !bytes.is_empty() {
            let range = (bytes.uvarint()?, bytes.varint()?, bytes.varint()?);
            ranges.entry(range.0).or_default().push((range.1, range.2));
        }
        Ok(Self(ranges))
    }

    /// Whether the sample at `at` of the series was deleted.
    pub fn covers(&self, series: u64, at: Timestamp) -> bool {
        let ranges = self.0.get(&series);
        ranges.is_some_and(|ranges| ranges.iter().any(|(from, to)| (*from..=*to).contains(&at)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deleted_ranges_are_found_and_damage_is_seen() {
        let stones = [5, 0x03, 0x14];
        let mut file = MAGIC.to_be_bytes().to_vec();
        file.push(1);
        file.extend(stones);
        file.extend(crc32c::crc32c(&stones).to_be_bytes());
        let read = Tombstones::read(&file).expect("tombstones");
        let covered: Vec<_> = (-4..13).filter(|at| read.covers(5, *at)).collect();
        assert_eq!(covered, (-2..=10).collect::<Vec<_>>());
        assert!(!read.covers(6, 0));
        for at in 0..file.len() {
            let mut damaged = file.clone();
            damaged[at] ^= 1;
            assert!(Tombstones::read(&damaged).is_err(), "byte {at}");
            assert!(Tombstones::read(&file[..at]).is_err(), "cut at {at}");
        }
    }
}
