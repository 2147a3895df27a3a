//! Files of text: JSON lines, CSV, Prometheus text, OpenMetrics; plain or in gzip.

use super::super::csv;
use super::super::exit::Problem;
use super::super::units::show_bytes;
use super::Form;
use super::source::Chunk;
use crate::TextFormat;
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

/// Longest line; the same bound that a node's export keeps.
const MAX_LINE_BYTES: u64 = 256 << 20;

/// How a gzip file begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];

/// Lines of a file or of stdin, whole ones, in chunks.
pub(super) struct TextLines {
    input: Box<dyn BufRead>,
    /// Bytes of the file, unless it is packed: positions count unpacked bytes.
    pub total: Option<u64>,
    format: TextFormat,
    table: Option<csv::Header>,
    at: u64,
    chunk_bytes: usize,
}

impl TextLines {
    pub fn open(file: &Path, form: Form, from: u64, chunk_bytes: usize) -> Result<Self, Problem> {
        let (input, total): (Box<dyn Read>, Option<u64>) = if file.as_os_str() == "-" {
            (Box::new(std::io::stdin()), None)
        } else {
            let open = File::open(file)
                .map_err(|e| Problem::usage(format!("cannot open {}: {e}", file.display())))?;
            let total = open.metadata().ok().map(|m| m.len());
            (Box::new(open), total)
        };
        let mut input: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 16, input));
        let packed = input.fill_buf()?.starts_with(GZIP);
        if packed {
            input = Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(input)));
        }
        let form = if form == Form::Auto { guess(input.fill_buf()?) } else { form };
        let mut at = 0;
        let mut table = None;
        if form == Form::Csv {
            let mut header = Vec::new();
            at += read_line(&mut input, &mut header)?;
            table = Some(csv::Header::parse(&String::from_utf8_lossy(&header)).map_err(Problem::usage)?);
        }
        skip(&mut input, from.saturating_sub(at))?;
        let format = match form {
            Form::Prom => TextFormat::Prometheus,
            Form::Openmetrics => TextFormat::OpenMetrics,
            _ => TextFormat::JsonLines,
        };
        let total = total.filter(|_| !packed);
        Ok(Self { input, total, format, table, at: at.max(from), chunk_bytes: chunk_bytes.max(1) })
    }

    pub fn next(&mut self) -> Result<Option<Chunk>, Problem> {
        let (bytes, items) = read_chunk(&mut self.input, self.chunk_bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.at += bytes.len() as u64;
        let body = match &self.table {
            None => bytes.into(),
            Some(header) => {
                header.json_lines(&String::from_utf8_lossy(&bytes)).map_err(Problem::fail)?.into()
            }
        };
        Ok(Some(Chunk { format: self.format, body, position: self.at, items }))
    }
}

/// What the first bytes look like.
fn guess(beginning: &[u8]) -> Form {
    let first_line = beginning.split(|b| *b == b'\n').next().unwrap_or_default();
    let text = String::from_utf8_lossy(first_line);
    match text.trim_start().chars().next() {
        Some('{') if text.contains("\"metric\"") => Form::Jsonl,
        _ if csv::Header::parse(&text).is_ok() => Form::Csv,
        _ => Form::Prom,
    }
}

/// Reads one line with its end; answers its bytes, 0 at the end of the input.
fn read_line(input: &mut impl BufRead, line: &mut Vec<u8>) -> Result<u64, Problem> {
    let read = input.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', line)? as u64;
    if read == MAX_LINE_BYTES {
        return Err(Problem::fail(format!("a line is longer than {}", show_bytes(MAX_LINE_BYTES))));
    }
    Ok(read)
}

/// Whole lines, together at least `wanted` bytes unless the input ends.
fn read_chunk(input: &mut impl BufRead, wanted: usize) -> Result<(Vec<u8>, u64), Problem> {
    let (mut chunk, mut lines) = (Vec::new(), 0);
    while chunk.len() < wanted && read_line(input, &mut chunk)? > 0 {
        lines += 1;
    }
    Ok((chunk, lines))
}

fn skip(input: &mut impl BufRead, bytes: u64) -> Result<(), Problem> {
    let skipped = std::io::copy(&mut input.take(bytes), &mut std::io::sink())?;
    if skipped < bytes {
        return Err(Problem::usage(format!(
            "--from-offset lies beyond the end of the input ({skipped} bytes)"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_whole_lines() {
        let mut input = &b"aaa\nbb\n\ncccc"[..];
        let mut chunks = Vec::new();
        loop {
            let (chunk, lines) = read_chunk(&mut input, 4).expect("memory can be read");
            if chunk.is_empty() {
                break;
            }
            chunks.push((String::from_utf8(chunk).expect("text"), lines));
        }
        assert_eq!(chunks, [("aaa\n".to_owned(), 1), ("bb\n\n".to_owned(), 2), ("cccc".to_owned(), 1)]);
    }

    #[test]
    fn the_format_is_seen_in_the_first_line() {
        assert_eq!(guess(b"{\"metric\":{}}\n"), Form::Jsonl);
        assert_eq!(guess(b"series,timestamp_ms,value\nup,1,1\n"), Form::Csv);
        assert_eq!(guess(b"# HELP up x\nup 1\n"), Form::Prom);
        assert_eq!(guess(b"{\"http.requests\"} 1\n"), Form::Prom);
    }
}
