//! Rows that arrive in order, made into table files of a bounded size.

use super::keys;
use crate::Error;
use plimsoll_model::varint;
use rocksdb::SstFileWriter;
use std::path::PathBuf;

/// Bytes of rows in one file; they are gathered in memory until then.
const FILE_BYTES: usize = 8 << 20;

/// Files in the making.
pub(crate) struct Tables {
    dir: PathBuf,
    name: String,
    options: rocksdb::Options,
    rows: Vec<u8>,
    bucket: Option<[u8; 4]>,
    files: Vec<PathBuf>,
}

/// Appends a row as `varint length of the key, varint length of the value, key, value`.
pub(crate) fn put_row(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    varint::put(out, key.len() as u64);
    varint::put(out, value.len() as u64);
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Takes a row off the front of `input`.
pub(crate) fn take_row<'a>(input: &mut &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
    let key = usize::try_from(varint::take(input)?).ok()?;
    let value = usize::try_from(varint::take(input)?).ok()?;
    Some((varint::take_bytes(input, key)?, varint::take_bytes(input, value)?))
}

impl Tables {
    /// Files `name-0.sst`, `name-1.sst` and so on in `dir`, which must exist.
    pub(crate) fn new(dir: PathBuf, name: &str, options: rocksdb::Options) -> Self {
        Self { dir, name: name.to_owned(), options, rows: Vec::new(), bucket: None, files: Vec::new() }
    }

    /// Takes a row, which comes after all before it.
    pub(crate) fn put(&mut self, key: &[u8], value: &[u8]) -> Result<(), Error> {
        // A day's rows begin a file of their own once the file is worth it: expiry drops whole files.
        let bucket = key.get(..keys::BUCKET_BYTES).and_then(|b| b.try_into().ok());
        let ends = bucket != self.bucket && self.rows.len() >= FILE_BYTES / 8;
        if self.rows.len() >= FILE_BYTES || ends {
            self.close_file()?;
        }
        self.bucket = bucket;
        put_row(&mut self.rows, key, value);
        Ok(())
    }

    fn close_file(&mut self) -> Result<(), Error> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let path = self.dir.join(format!("{}-{}.sst", self.name, self.files.len()));
        self.files.push(path.clone());
        let mut writer = SstFileWriter::create(&self.options);
        writer.open(&path)?;
        let mut rows = &self.rows[..];
        while let Some((key, value)) = take_row(&mut rows) {
            writer.put(key, value)?;
        }
        writer.finish()?;
        self.rows.clear();
        Ok(())
    }

    /// Ends the last file, which is synced to disk like those before; answers all.
    pub(crate) fn finish(mut self) -> Result<Vec<PathBuf>, Error> {
        self.close_file()?;
        Ok(self.files)
    }
}
