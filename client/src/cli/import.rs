use super::units::{show_bytes, show_count};
use super::{Global, Outcome, csv, escape, exit::Exit, exit::Problem, units};
use crate::{Backoff, Client, Error, TextFormat};
use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll import api.jsonl
  plimsoll import everything.jsonl.gz             # gzip is seen and unpacked
  plimsoll import loops.csv                       # series,timestamp_ms,value or a column a label
  curl -s localhost:9100/metrics | plimsoll import - --format prom
  plimsoll import api.jsonl --from-offset 1048576 # go on where an import stopped

The same samples may be sent twice: a node takes each once.";

/// Longest line; the same bound that a node's export keeps.
const MAX_LINE_BYTES: u64 = 256 << 20;

/// How a gzip file begins (RFC 1952).
const GZIP: &[u8] = &[0x1f, 0x8b];

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// By the file's name, or by its first line.
    Auto,
    /// One JSON object a line: metric, values, timestamps (ms).
    Jsonl,
    /// A header; the columns value, timestamp_ms or time, and series or one a label.
    Csv,
    /// Prometheus text.
    Prom,
}

/// Arguments of `import`.
#[derive(clap::Args, Clone, Debug)]
pub struct Import {
    /// A file, or - for stdin.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What the file holds.
    #[arg(long, value_enum, default_value_t = Form::Auto)]
    format: Form,
    /// Bytes of a request; smaller where the node asks for it.
    #[arg(long, default_value_t = 4 << 20, value_name = "BYTES")]
    chunk_bytes: usize,
    /// Skip so many bytes: the figure that a stopped import printed.
    #[arg(long, default_value_t = 0, value_name = "BYTES")]
    from_offset: u64,
    /// How long to go on trying while the node is away or busy.
    #[arg(long, default_value = "1m", value_parser = units::duration, value_name = "DURATION")]
    retry_for: Duration,
}

impl Import {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        let (input, total) = self.open()?;
        let mut input: Box<dyn BufRead> = Box::new(BufReader::with_capacity(1 << 16, input));
        let packed = input.fill_buf()?.starts_with(GZIP);
        if packed {
            input = Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(input)));
        }
        // Offsets count unpacked bytes, of which a packed file does not tell the number.
        let total = total.filter(|_| !packed);
        let form = self.form(&mut input)?;
        let mut table = None;
        let mut offset = 0;
        if form == Form::Csv {
            let mut header = Vec::new();
            offset += read_line(&mut input, &mut header)?;
            table = Some(csv::Header::parse(&String::from_utf8_lossy(&header)).map_err(Problem::usage)?);
        }
        skip(&mut input, self.from_offset.saturating_sub(offset))?;
        offset = offset.max(self.from_offset);
        let bar = progress(total);
        bar.set_position(offset);
        let mut sender = Sender { client, retry_for: self.retry_for, refused: 0 };
        let mut lines = 0;
        loop {
            let (chunk, count) = read_chunk(&mut input, self.chunk_bytes.max(1))?;
            if chunk.is_empty() {
                break;
            }
            let size = chunk.len() as u64;
            let sent = send(&mut sender, form, table.as_ref(), chunk, &bar).await;
            if let Err(problem) = sent {
                bar.finish_and_clear();
                eprintln!("stopped at byte {offset}: everything before it is stored");
                let again = format!("plimsoll import {} --from-offset {offset}", self.file.display());
                return Err(match problem.next {
                    Some(step) => {
                        Problem { next: Some(format!("{step}; then go on with `{again}`")), ..problem }
                    }
                    None => problem.next(format!("go on with `{again}`")),
                });
            }
            offset += size;
            lines += count;
            bar.set_position(offset);
        }
        bar.finish_and_clear();
        eprintln!("imported {} lines, {}", show_count(lines), show_bytes(offset - self.from_offset));
        if sender.refused > 0 {
            let text = format!("{} requests held samples that were refused, see above", sender.refused);
            return Err(Problem::fail(text));
        }
        Ok(Exit::Ok)
    }

    fn open(&self) -> Result<(Box<dyn Read>, Option<u64>), Problem> {
        if self.file.as_os_str() == "-" {
            return Ok((Box::new(std::io::stdin()), None));
        }
        let file = File::open(&self.file)
            .map_err(|e| Problem::usage(format!("cannot open {}: {e}", self.file.display())))?;
        let total = file.metadata().ok().map(|m| m.len());
        Ok((Box::new(file), total))
    }

    fn form(&self, input: &mut impl BufRead) -> Result<Form, Problem> {
        if self.format != Form::Auto {
            return Ok(self.format);
        }
        let plain_name = self.file.to_string_lossy();
        let plain_name = Path::new(plain_name.trim_end_matches(".gz"));
        let extension = plain_name.extension().and_then(|e| e.to_str()).unwrap_or("");
        Ok(match extension {
            "jsonl" | "ndjson" | "json" => Form::Jsonl,
            "csv" => Form::Csv,
            "prom" | "txt" => Form::Prom,
            _ => guess(input.fill_buf()?),
        })
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

fn progress(total: Option<u64>) -> ProgressBar {
    let (bar, template) = match total {
        Some(n) => (ProgressBar::new(n), "{bar:30} {bytes}/{total_bytes} ({bytes_per_sec}, {eta}) {msg}"),
        None => (ProgressBar::new_spinner(), "{spinner} {bytes} ({bytes_per_sec}) {msg}"),
    };
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
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

async fn send(
    sender: &mut Sender,
    form: Form,
    table: Option<&csv::Header>,
    chunk: Vec<u8>,
    bar: &ProgressBar,
) -> Result<(), Problem> {
    match table {
        None if form == Form::Jsonl => sender.send(TextFormat::JsonLines, chunk.into(), bar).await,
        None => sender.send(TextFormat::Prometheus, chunk.into(), bar).await,
        Some(header) => {
            let lines = header.json_lines(&String::from_utf8_lossy(&chunk)).map_err(Problem::fail)?;
            sender.send(TextFormat::JsonLines, lines.into(), bar).await
        }
    }
}

struct Sender {
    client: Client,
    retry_for: Duration,
    /// Requests of which the node refused a part.
    refused: u64,
}

impl Sender {
    async fn send(&mut self, format: TextFormat, chunk: Bytes, bar: &ProgressBar) -> Result<(), Problem> {
        let mut parts = vec![chunk];
        while let Some(part) = parts.pop() {
            match self.send_part(format, &part, bar).await {
                Ok(()) => {}
                Err(Error::Refused { status: 413, .. }) if middle(&part).is_some() => {
                    let at = middle(&part).unwrap_or(part.len());
                    parts.extend([part.slice(at..), part.slice(..at)]);
                }
                Err(Error::Refused { status: 400, message, .. }) => {
                    self.refused += 1;
                    bar.suspend(|| eprintln!("refused: {}", escape::terminal(&message)));
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    async fn send_part(&self, format: TextFormat, part: &Bytes, bar: &ProgressBar) -> Result<(), Error> {
        let backoff = Backoff { give_up_after: self.retry_for, ..Backoff::default() };
        let began = Instant::now();
        let mut repeat = 0;
        loop {
            let Err(e) = self.client.import(format, part.clone()).await else { return Ok(()) };
            let retry_after = match &e {
                Error::Busy { retry_after, .. } => *retry_after,
                _ => None,
            };
            let wait = backoff.wait(repeat, retry_after, rand::random());
            if !e.is_worth_repeating() || began.elapsed() + wait > backoff.give_up_after {
                return Err(e);
            }
            bar.set_message(format!("waiting: {e}"));
            tokio::time::sleep(wait).await;
            bar.set_message("");
            repeat += 1;
        }
    }
}

/// Where to cut lines in two, behind the line end nearest to the middle; `None` for a single line.
fn middle(lines: &[u8]) -> Option<usize> {
    let half = lines.len() / 2;
    let before = lines[..half].iter().rposition(|b| *b == b'\n');
    let after = lines[half..].iter().position(|b| *b == b'\n').map(|i| i + half);
    before.or(after).map(|i| i + 1).filter(|at| *at < lines.len())
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
    fn lines_are_cut_in_two_only_between_lines() {
        assert_eq!(middle(b"aa\nbb\n"), Some(3));
        assert_eq!(middle(b"a\nbbbbbbb\n"), Some(2));
        assert_eq!(middle(b"aaaaaaa\nb"), Some(8));
        assert_eq!(middle(b"aaaa\n"), None);
        assert_eq!(middle(b""), None);
    }

    #[test]
    fn the_format_is_seen_in_the_first_line() {
        assert_eq!(guess(b"{\"metric\":{}}\n"), Form::Jsonl);
        assert_eq!(guess(b"series,timestamp_ms,value\nup,1,1\n"), Form::Csv);
        assert_eq!(guess(b"# HELP up x\nup 1\n"), Form::Prom);
        assert_eq!(guess(b"{\"http.requests\"} 1\n"), Form::Prom);
    }
}
