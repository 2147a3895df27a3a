//! Timestamp columns of a run: each stored once, however many series share it.
//!
//! ```text
//! body    varint number of columns, then of each: varint samples, varint bytes
//!         columns one after another, packed (see `frame`); a column as in `codec::timestamps`
//! ```
//! Column `n` of a run is number `n % 64` of block `n / 64`.

use super::Flaw;
use super::frame::{self, Packer, Unpacker};
use crate::codec::{MAX_CHUNK_SAMPLES, Scratch, timestamps};
use plimsoll_model::{Timestamp, varint};
use std::collections::HashMap;

/// Columns in a block.
pub(crate) const BLOCK: u32 = 64;

/// Columns of a run on their way to disk, found again by the hash of their content.
#[derive(Default)]
pub(crate) struct Columns {
    numbers: HashMap<u128, u32>,
    directory: Vec<u8>,
    bytes: Vec<u8>,
    count: u32,
    blocks: Vec<Vec<u8>>,
    packer: Packer,
}

impl Columns {
    /// The number of the column with this hash; `encoded` is taken when it is new.
    pub(crate) fn number(&mut self, hash: u128, samples: u32, encoded: impl FnOnce(&mut Vec<u8>)) -> u32 {
        if let Some(n) = self.numbers.get(&hash) {
            return *n;
        }
        let number = self.count;
        let start = self.bytes.len();
        encoded(&mut self.bytes);
        varint::put(&mut self.directory, u64::from(samples));
        varint::put(&mut self.directory, (self.bytes.len() - start) as u64);
        self.count += 1;
        self.numbers.insert(hash, number);
        if self.count.is_multiple_of(BLOCK) {
            self.close_block();
        }
        number
    }

    /// Forgets which columns there are: those of the next slice are others. Numbers go on.
    pub(crate) fn next_slice(&mut self) {
        self.numbers.clear();
    }

    fn close_block(&mut self) {
        let count = (self.count - 1) % BLOCK + 1;
        let mut body = Vec::with_capacity(self.directory.len() + self.bytes.len() + 8);
        varint::put(&mut body, u64::from(count));
        body.append(&mut self.directory);
        self.packer.put(&mut body, &self.bytes);
        self.bytes.clear();
        self.blocks.push(frame::seal(&body));
    }

    /// The framed values of all blocks in order.
    pub(crate) fn finish(mut self) -> Vec<Vec<u8>> {
        if !self.count.is_multiple_of(BLOCK) {
            self.close_block();
        }
        self.blocks
    }
}

/// A block read from disk.
pub(crate) struct ColumnBlock {
    /// Samples, start and end of each column.
    slots: Vec<(usize, usize, usize)>,
    bytes: Vec<u8>,
}

impl ColumnBlock {
    pub(crate) fn parse(value: &[u8]) -> Result<Self, Flaw> {
        let mut body = frame::open(value)?;
        let slots = directory(&mut body).ok_or(Flaw::Damaged)?;
        let bytes = Unpacker::default().take(body)?;
        if slots.last().map_or(0, |s| s.2) != bytes.len() {
            return Err(Flaw::Damaged);
        }
        Ok(Self { slots, bytes })
    }

    /// Timestamps of the column with this number.
    pub(crate) fn read(&self, number: u32, scratch: &mut Scratch) -> Result<Vec<Timestamp>, Flaw> {
        let (samples, start, end) = *self.slots.get((number % BLOCK) as usize).ok_or(Flaw::Damaged)?;
        let mut out = Vec::new();
        timestamps::take(&mut &self.bytes[start..end], samples, scratch, &mut out).ok_or(Flaw::Damaged)?;
        Ok(out)
    }
}

fn directory(body: &mut &[u8]) -> Option<Vec<(usize, usize, usize)>> {
    let count = varint::take(body).filter(|n| *n <= u64::from(BLOCK))?;
    let (mut slots, mut start) = (Vec::with_capacity(count as usize), 0usize);
    for _ in 0..count {
        let samples = usize::try_from(varint::take(body)?).ok().filter(|n| *n <= MAX_CHUNK_SAMPLES)?;
        let end = start.checked_add(usize::try_from(varint::take(body)?).ok()?)?;
        slots.push((samples, start, end));
        start = end;
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_columns_are_stored_once_and_all_come_back() {
        let (mut columns, mut scratch) = (Columns::default(), Scratch::default());
        let column = |i: i64| (0..5).map(|k| i * 100 + k * 10).collect::<Vec<i64>>();
        for round in 0..2 {
            for i in 0..150 {
                let number =
                    columns.number(i as u128, 5, |out| timestamps::put(out, &column(i), &mut scratch));
                assert_eq!(number, i as u32, "round {round}");
            }
        }
        let blocks = columns.finish();
        assert_eq!(blocks.len(), 3);
        for i in 0..150 {
            let block = ColumnBlock::parse(&blocks[i / 64]).expect("own bytes");
            assert_eq!(block.read(i as u32, &mut scratch), Ok(column(i as i64)));
        }
    }
}
