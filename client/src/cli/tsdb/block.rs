use super::bytes::{Bytes, check};
use super::index::{ChunkRef, Index, Series};
use super::tombstones::Tombstones;
use super::{Error, Fault, histogram, xor};
use crate::cli::piece::Piece;
use plimsoll_model::Timestamp;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// What a file of chunks begins with.
const MAGIC: u32 = 0x85bd_40dd;

/// Largest chunk that is believed; real ones have some hundred bytes.
const MOST_CHUNK_BYTES: u64 = 64 << 20;

/// How samples lie in a chunk, by the numbers of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::cli) enum Encoding {
    Floats,
    Histograms,
    FloatHistograms,
}

impl Encoding {
    pub fn from_number(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Floats),
            2 => Some(Self::Histograms),
            3 => Some(Self::FloatHistograms),
            _ => None,
        }
    }
}

/// Appends the samples of a chunk to `piece`.
pub(in crate::cli) fn decode(encoding: Encoding, chunk: &[u8], piece: &mut Piece) -> Result<(), Fault> {
    match encoding {
        Encoding::Floats => piece.floats.extend(xor::floats(chunk)?),
        Encoding::Histograms => piece.histograms.extend(histogram::histograms(chunk, false)?),
        Encoding::FloatHistograms => piece.histograms.extend(histogram::histograms(chunk, true)?),
    }
    Ok(())
}

/// What `meta.json` says.
#[derive(Clone, Debug, serde::Deserialize)]
pub(in crate::cli) struct Meta {
    pub ulid: String,
    /// The first moment.
    #[serde(rename = "minTime")]
    pub start: Timestamp,
    /// The moment behind the last one.
    #[serde(rename = "maxTime")]
    pub end: Timestamp,
    #[serde(default)]
    pub version: u32,
}

/// A block that is being read.
#[derive(Debug)]
pub(in crate::cli) struct Block {
    folder: PathBuf,
    index: Index,
    chunks: Vec<File>,
    tombstones: Tombstones,
}

fn io_error(path: &Path) -> impl FnOnce(io::Error) -> Error + '_ {
    move |error| Error::Io { path: path.display().to_string(), error }
}

fn format_error(path: &Path) -> impl FnOnce(Fault) -> Error + '_ {
    move |fault| Error::Format { path: path.display().to_string(), why: fault.0 }
}

/// The blocks in `folder`, oldest first: itself, or those in it.
pub(in crate::cli) fn find(folder: &Path) -> Result<Vec<(PathBuf, Meta)>, Error> {
    if folder.join("meta.json").is_file() {
        return Ok(vec![(folder.to_owned(), read_meta(folder)?)]);
    }
    let mut blocks = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        if path.join("meta.json").is_file() {
            let meta = read_meta(&path)?;
            blocks.push((path, meta));
        }
    }
    blocks.sort_by(|(_, a), (_, b)| (a.start, &a.ulid).cmp(&(b.start, &b.ulid)));
    Ok(blocks)
}

fn read_meta(folder: &Path) -> Result<Meta, Error> {
    let path = folder.join("meta.json");
    let text = fs::read(&path).map_err(io_error(&path))?;
    let meta: Meta = serde_json::from_slice(&text).map_err(|e| format_error(&path)(Fault(e.to_string())))?;
    match meta.version {
        1 => Ok(meta),
        other => Err(format_error(&path)(Fault(format!("version {other} of blocks is not read, only 1")))),
    }
}

impl Block {
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join("index");
        let file = File::open(&path).map_err(io_error(&path))?;
        let index = Index::open(file).map_err(format_error(&path))?;
        let path = folder.join("tombstones");
        let tombstones = match fs::read(&path) {
            Ok(file) => Tombstones::read(&file).map_err(format_error(&path))?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => Tombstones::default(),
            Err(e) => return Err(io_error(&path)(e)),
        };
        let chunks = open_chunks(&folder.join("chunks"))?;
        Ok(Self { folder: folder.to_owned(), index, chunks, tombstones })
    }

    /// How many series there are.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Series number `n`, from 0, with its samples from `start` to `end`, both included; deleted ones are left out.
    pub fn series(&self, n: usize, start: Timestamp, end: Timestamp) -> Result<Piece, Error> {
        let path = self.folder.join("index");
        let series = self.index.series(n).map_err(format_error(&path))?;
        self.samples(&series, start, end).map_err(format_error(&self.folder.join("chunks")))
    }

    fn samples(&self, series: &Series, start: Timestamp, end: Timestamp) -> Result<Piece, Fault> {
        let mut piece = Piece { labels: series.labels.clone(), ..Piece::default() };
        for chunk in series.chunks.iter().filter(|chunk| chunk.start <= end && start <= chunk.end) {
            let (encoding, bytes) = self.chunk(chunk)?;
            decode(encoding, &bytes, &mut piece)?;
        }
        piece.cut(start, end);
        piece.floats.retain(|(at, _)| !self.tombstones.covers(series.reference, *at));
        piece.histograms.retain(|(at, _)| !self.tombstones.covers(series.reference, *at));
        Ok(piece)
    }

    fn chunk(&self, chunk: &ChunkRef) -> Result<(Encoding, Vec<u8>), Fault> {
        let (number, offset) = ((chunk.reference >> 32) as usize, chunk.reference & 0xffff_ffff);
        let file = self.chunks.get(number).ok_or_else(|| Fault(format!("file {} is missing", number + 1)))?;
        // A length of up to five bytes, the encoding, the samples, a checksum over the two.
        let mut front = [0; 5];
        let some = file.read_at(&mut front, offset).map_err(|e| Fault(e.to_string()))?;
        let mut bytes = Bytes(&front[..some]);
        let length = bytes.uvarint()?;
        if length > MOST_CHUNK_BYTES {
            return Err("a chunk is too long".into());
        }
        let begin = offset + (some - bytes.0.len()) as u64;
        let mut whole = vec![0; 1 + length as usize + 4];
        file.read_exact_at(&mut whole, begin).map_err(|e| Fault(e.to_string()))?;
        let sum = whole.split_off(1 + length as usize);
        check(&[&whole], Bytes(&sum).u32()?)?;
        let encoding = whole.remove(0);
        let known = Encoding::from_number(u64::from(encoding));
        Ok((known.ok_or_else(|| Fault(format!("chunks of encoding {encoding} are not known")))?, whole))
    }
}

fn open_chunks(folder: &Path) -> Result<Vec<File>, Error> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(io_error(folder))? {
        let path = entry.map_err(io_error(folder))?.path();
        let is_number = |n: &str| n.bytes().all(|b| b.is_ascii_digit());
        if path.file_name().and_then(|n| n.to_str()).is_some_and(is_number) {
            paths.push(path);
        }
    }
    paths.sort();
    let open = |path: PathBuf| {
        let file = File::open(&path).map_err(io_error(&path))?;
        let mut magic = [0; 4];
        file.read_exact_at(&mut magic, 0).map_err(io_error(&path))?;
        match u32::from_be_bytes(magic) == MAGIC {
            true => Ok(file),
            false => Err(format_error(&path)("it does not begin as chunks do".into())),
        }
    };
    paths.into_iter().map(open).collect()
}
