//! A file of records. One that is there when a folder is opened is only read from then on.

use super::record::{self, HEADER_BYTES, Header};
use crate::Sample;
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// What a segment begins with.
pub(super) const MAGIC: &[u8; 8] = b"PLSPILL1";

#[derive(Debug)]
pub(super) struct Segment {
    pub number: u64,
    path: PathBuf,
    /// Bytes up to the end of the last whole record, without the magic.
    pub bytes: u64,
    /// Samples that were not read yet.
    pub samples: u64,
    /// Up to where its records are done, without the magic.
    pub read_to: u64,
    /// Samples of the record that is being sent.
    pub in_flight: u64,
}

impl Segment {
    /// An empty one.
    pub fn create(folder: &Path, number: u64) -> io::Result<Self> {
        let path = folder.join(format!("{number:010}.spill"));
        let mut file = File::create_new(&path)?;
        file.write_all(MAGIC)?;
        Ok(Self { number, path, bytes: 0, samples: 0, read_to: 0, in_flight: 0 })
    }

    pub fn append_to(&self) -> io::Result<File> {
        File::options().append(true).open(&self.path)
    }

    pub fn append(&mut self, file: &mut File, record: &[u8], samples: u64) -> io::Result<()> {
        file.write_all(record)?;
        file.sync_data()?;
        self.bytes += record.len() as u64;
        self.samples += samples;
        Ok(())
    }

    pub fn is_read(&self) -> bool {
        self.read_to >= self.bytes
    }

    /// The next record and where it ends; `None` when what is there cannot be read.
    pub fn read_next(&self) -> io::Result<Option<(Vec<Sample>, u64)>> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(MAGIC.len() as u64 + self.read_to))?;
        let Some((header, payload)) = next(&mut file)? else { return Ok(None) };
        let end = self.read_to + (HEADER_BYTES + payload.len()) as u64;
        let samples = record::decode(&payload).filter(|s| s.len() == header.samples as usize);
        Ok(samples.map(|samples| (samples, end)))
    }

    pub fn remove(&self) -> io::Result<()> {
        fs::remove_file(&self.path)
    }
}

/// The next whole record; `None` where there is none.
fn next(file: &mut impl Read) -> io::Result<Option<(Header, Vec<u8>)>> {
    let mut header = [0; HEADER_BYTES];
    if !fill(file, &mut header)? {
        return Ok(None);
    }
    let Some(header) = Header::read(header) else { return Ok(None) };
    let mut payload = Vec::new();
    file.take(header.payload_bytes as u64).read_to_end(&mut payload)?;
    Ok(header.fits(&payload).then_some((header, payload)))
}

fn fill(file: &mut impl Read, out: &mut [u8]) -> io::Result<bool> {
    match file.read_exact(out) {
        Ok(()) => Ok(true),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

/// The segments of `folder`, oldest first, and how many bytes behind their last whole records are lost.
pub(super) fn read_folder(folder: &Path) -> io::Result<(VecDeque<Segment>, u64)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_suffix(".spill"));
        if let Some(number) = name.and_then(|n| n.parse::<u64>().ok()) {
            found.push((number, path));
        }
    }
    found.sort();
    let (mut segments, mut lost) = (VecDeque::new(), 0);
    for (number, path) in found {
        let size = fs::metadata(&path)?.len();
        let segment = scan(number, path)?;
        lost += size.saturating_sub(MAGIC.len() as u64 + segment.bytes);
        if segment.bytes == 0 {
            segment.remove()?;
        } else {
            segments.push_back(segment);
        }
    }
    Ok((segments, lost))
}

/// Reads all records up to the first that is not whole: what a crash cut off, or damage.
fn scan(number: u64, path: PathBuf) -> io::Result<Segment> {
    let mut file = BufReader::new(File::open(&path)?);
    let mut segment = Segment { number, path, bytes: 0, samples: 0, read_to: 0, in_flight: 0 };
    let mut magic = [0; MAGIC.len()];
    if !fill(&mut file, &mut magic)? || magic != *MAGIC {
        return Ok(segment);
    }
    while let Some((header, payload)) = next(&mut file)? {
        segment.bytes += (HEADER_BYTES + payload.len()) as u64;
        segment.samples += u64::from(header.samples);
    }
    Ok(segment)
}
