//! The index of a block: which series there are, and where their chunks lie.
//!
//! In memory: the symbols and the references of all series (4 bytes each). A series itself is read when its turn comes.

use super::Fault;
use super::bytes::{Bytes, check};
use plimsoll_model::{Labels, LabelsBuilder, Timestamp};
use std::fs::File;
use std::os::unix::fs::FileExt;

const MAGIC: u32 = 0xbaaa_d700;

/// Bytes of the table of contents: six offsets and a checksum.
const CONTENTS_BYTES: u64 = 6 * 8 + 4;

/// Largest entry of a series that is believed: some ten thousand chunks.
const MOST_SERIES_BYTES: u64 = 16 << 20;

#[derive(Debug)]
pub(super) struct Index {
    file: File,
    size: u64,
    symbols: Vec<Box<str>>,
    /// In the order of their labels.
    series: Vec<u32>,
}

/// A series of the index.
#[derive(Debug)]
pub(super) struct Series {
    /// By which tombstones name it.
    pub reference: u64,
    pub labels: Labels,
    pub chunks: Vec<ChunkRef>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkRef {
    pub start: Timestamp,
    pub end: Timestamp,
    /// File in the upper half, offset in the lower.
    pub reference: u64,
}

/// Where the parts of the index lie; 0 for those that are not there.
struct Contents {
    symbols: u64,
    posting_table: u64,
}

impl Index {
    pub fn open(file: File) -> Result<Self, Fault> {
        let size = file.metadata().map_err(|e| Fault(e.to_string()))?.len();
        let mut index = Self { file, size, symbols: Vec::new(), series: Vec::new() };
        let head = index.read(0, 5)?;
        let mut head = Bytes(&head);
        if head.u32()? != MAGIC {
            return Err("it does not begin as an index does".into());
        }
        match head.u8()? {
            2 => {}
            other => return Err(Fault(format!("version {other} of the index is not read, only 2"))),
        }
        let contents = index.contents()?;
        index.symbols = index.read_symbols(contents.symbols)?;
        index.series = index.read_all_series(contents.posting_table)?;
        Ok(index)
    }

    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Series number `n`, from 0.
    pub fn series(&self, n: usize) -> Result<Series, Fault> {
        let reference = *self.series.get(n).ok_or("there are not so many series")?;
        // An entry begins with its length, of up to five bytes.
        let at = u64::from(reference) * 16;
        let front = self.read(at, 10.min(self.size.saturating_sub(at)))?;
        let mut bytes = Bytes(&front);
        let length = bytes.uvarint()?;
        if length > MOST_SERIES_BYTES {
            return Err("the entry of a series is too long".into());
        }
        let begin = at + (front.len() - bytes.0.len()) as u64;
        let whole = self.read(begin, length + 4)?;
        let (entry, sum) = whole.split_last_chunk::<4>().ok_or("the entry of a series is cut")?;
        check(&[entry], u32::from_be_bytes(*sum))?;
        let mut bytes = Bytes(entry);
        let labels = self.labels(&mut bytes)?;
        let chunks = chunk_refs(&mut bytes)?;
        Ok(Series { reference: u64::from(reference), labels, chunks })
    }

    fn labels(&self, bytes: &mut Bytes<'_>) -> Result<Labels, Fault> {
        let mut labels = LabelsBuilder::default();
        for _ in 0..bytes.length()? {
            let mut symbol = || {
                let number = usize::try_from(bytes.uvarint()?).map_err(|_| "a symbol has no such number")?;
                self.symbols.get(number).map(|s| &**s).ok_or_else(|| Fault::from("a symbol is not there"))
            };
            let (name, value) = (symbol()?, symbol()?);
            labels.push(name, value);
        }
        labels.finish().map_err(|e| Fault(e.to_string()))
    }

    fn read(&self, at: u64, length: u64) -> Result<Vec<u8>, Fault> {
        if at.checked_add(length).is_none_or(|end| end > self.size) {
            return Err("a part lies beyond its end".into());
        }
        let mut out = vec![0; length as usize];
        self.file.read_exact_at(&mut out, at).map_err(|e| Fault(e.to_string()))?;
        Ok(out)
    }

    fn contents(&self) -> Result<Contents, Fault> {
        let at = self.size.checked_sub(CONTENTS_BYTES).ok_or("it is too short")?;
        let whole = self.read(at, CONTENTS_BYTES)?;
        let (table, sum) = whole.split_last_chunk::<4>().ok_or("it is too short")?;
        check(&[table], u32::from_be_bytes(*sum))?;
        let mut bytes = Bytes(table);
        let [symbols, _series, _labels, _label_table, _postings, posting_table] =
            [bytes.u64()?, bytes.u64()?, bytes.u64()?, bytes.u64()?, bytes.u64()?, bytes.u64()?];
        Ok(Contents { symbols, posting_table })
    }

    /// A part that begins with its length and ends with its checksum.
    fn section(&self, at: u64) -> Result<Vec<u8>, Fault> {
        let head = self.read(at, 4)?;
        let length = u64::from(Bytes(&head).u32()?);
        let mut whole = self.read(at + 4, length + 4)?;
        let sum = whole.split_off(length as usize);
        check(&[&whole], Bytes(&sum).u32()?)?;
        Ok(whole)
    }

    fn read_symbols(&self, at: u64) -> Result<Vec<Box<str>>, Fault> {
        let section = self.section(at)?;
        let mut bytes = Bytes(&section);
        let count = bytes.u32()?;
        let mut symbols = Vec::new();
        for _ in 0..count {
            let length = bytes.length()?;
            let text = std::str::from_utf8(bytes.take(length)?).map_err(|_| "a symbol is not UTF-8")?;
            symbols.push(text.into());
        }
        Ok(symbols)
    }

    /// The list of all series stands under the empty name and the empty value.
    fn read_all_series(&self, table: u64) -> Result<Vec<u32>, Fault> {
        let section = self.section(table)?;
        let mut bytes = Bytes(&section);
        for _ in 0..bytes.u32()? {
            if bytes.u8()? != 2 {
                return Err("an entry of the postings is not of a name and a value".into());
            }
            let mut text = || {
                let length = bytes.length()?;
                bytes.take(length)
            };
            let all = text()?.is_empty() & text()?.is_empty();
            let at = bytes.uvarint()?;
            if all {
                let section = self.section(at)?;
                let mut bytes = Bytes(&section);
                let count = bytes.u32()?;
                return (0..count).map(|_| bytes.u32()).collect();
            }
        }
        Err("the list of all series is not there".into())
    }
}

fn chunk_refs(bytes: &mut Bytes<'_>) -> Result<Vec<ChunkRef>, Fault> {
    let (mut end, mut reference) = (0i64, 0u64);
    let mut chunks = Vec::new();
    for n in 0..bytes.length()? {
        // The first begins absolutely, the others behind the one before.
        let start = if n == 0 { bytes.varint()? } else { end.wrapping_add(bytes.uvarint()? as i64) };
        end = start.wrapping_add(bytes.uvarint()? as i64);
        reference = match n {
            0 => bytes.uvarint()?,
            _ => reference.wrapping_add(bytes.varint()? as u64),
        };
        chunks.push(ChunkRef { start, end, reference });
    }
    Ok(chunks)
}
