//! `export`: all samples of a selection, streamed, in one of several formats.

mod parquet;
mod text;

use super::labels::Narrow;
use super::piece::Piece;
use super::units::show_count;
use super::{Global, Outcome, exit::Exit, exit::Problem};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll export '{job=\"api\"}' --start now-1d > api.jsonl
  plimsoll export active_loops --format csv --to loops.csv
  plimsoll export '{__name__=~\"llm_.*\"}' --to tokens.parquet    # the file's name tells the format
  plimsoll export '{__name__!=\"\"}' | gzip > everything.jsonl.gz

Exit code 4: everything was written but native histograms or stale markers, which the format has no form for.";

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// By the file's name, else JSON lines.
    Auto,
    /// One JSON object a line: metric, values, timestamps (ms). Keeps everything.
    Jsonl,
    /// series,timestamp_ms,value. Floats alone.
    Csv,
    /// Prometheus text with timestamps. Floats alone.
    Prom,
    /// OpenMetrics text, as promtool takes it. Floats alone.
    Openmetrics,
    /// A row a sample: metric, labels, timestamp, value, histogram. Keeps everything.
    Parquet,
}

/// Arguments of `export`.
#[derive(clap::Args, Clone, Debug)]
pub struct Export {
    /// Selectors; a series of any of them is exported.
    #[arg(required = true, value_name = "SELECTOR")]
    matchers: Vec<String>,
    #[command(flatten)]
    narrow: Narrow,
    /// What to write.
    #[arg(long, value_enum, default_value_t = Form::Auto)]
    format: Form,
    /// A file instead of stdout; it must not exist yet.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

type Sink = Box<dyn Write + Send>;

/// What a format has no form for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Left {
    histograms: u64,
    stale_markers: u64,
}

#[derive(Debug, Default)]
struct Done {
    lines: u64,
    samples: u64,
    left: Left,
}

/// An export on its way out.
enum Out {
    Lines(Sink),
    Text(Sink, Form),
    Parquet(Box<parquet::File<Sink>>),
}

impl Export {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let form = self.form();
        if form == Form::Parquet && self.to.is_none() && std::io::stdout().is_terminal() {
            return Err(
                Problem::usage("a Parquet file is nothing for a terminal").next("name a file with --to")
            );
        }
        let selection = self.narrow.selection(self.matchers.clone())?;
        let mut stream = global.client()?.export(&selection).await?;
        let sink: Sink = match &self.to {
            Some(path) => Box::new(BufWriter::with_capacity(
                1 << 16,
                File::create_new(path).map_err(|e| {
                    Problem::fail(format!("cannot create {}: {e}", path.display()))
                        .next("choose another --to")
                })?,
            )),
            None => Box::new(BufWriter::with_capacity(1 << 16, std::io::stdout())),
        };
        let bar = progress();
        let copied = copy(&mut stream, Out::begin(sink, form)?, &bar).await;
        bar.finish_and_clear();
        let done = copied.inspect_err(|_| {
            if let Some(path) = &self.to {
                eprintln!("{} holds only what came before the error", path.display());
            }
        })?;
        let samples =
            if done.samples > 0 { format!(", {} samples", show_count(done.samples)) } else { String::new() };
        eprintln!(
            "exported {} lines{samples}, {} bytes read",
            show_count(done.lines),
            stream.received_bytes()
        );
        let Left { histograms, stale_markers } = done.left;
        if histograms > 0 {
            let count = show_count(histograms);
            eprintln!(
                "warning: {count} native histograms were left out: use --format jsonl or parquet to keep them"
            );
        }
        if stale_markers > 0 {
            let count = show_count(stale_markers);
            eprintln!(
                "warning: {count} stale markers were left out: use --format jsonl, csv or parquet to keep them"
            );
        }
        Ok(if histograms + stale_markers > 0 { Exit::Degraded } else { Exit::Ok })
    }

    fn form(&self) -> Form {
        if self.format != Form::Auto {
            return self.format;
        }
        let extension = self.to.as_ref().and_then(|path| path.extension()).and_then(|e| e.to_str());
        match extension {
            Some("csv") => Form::Csv,
            Some("prom" | "txt") => Form::Prom,
            Some("om" | "openmetrics") => Form::Openmetrics,
            Some("parquet") => Form::Parquet,
            _ => Form::Jsonl,
        }
    }
}

impl Out {
    fn begin(mut sink: Sink, form: Form) -> Result<Self, Problem> {
        Ok(match form {
            Form::Auto | Form::Jsonl => Self::Lines(sink),
            Form::Parquet => Self::Parquet(Box::new(parquet::File::create(sink)?)),
            form => {
                sink.write_all(text::head(form).as_bytes())?;
                Self::Text(sink, form)
            }
        })
    }

    fn write(&mut self, line: &[u8], done: &mut Done) -> Result<(), Problem> {
        done.lines += 1;
        let piece = match self {
            Self::Lines(sink) => {
                sink.write_all(line)?;
                return Ok(sink.write_all(b"\n")?);
            }
            _ => Piece::parse(line)
                .map_err(|e| Problem::fail(format!("the node sent a line that is not understood: {e}")))?,
        };
        done.samples += piece.len() as u64;
        match self {
            Self::Text(sink, form) => Ok(text::write(sink, *form, &piece, &mut done.left)?),
            Self::Parquet(file) => file.write(piece),
            Self::Lines(_) => Ok(()),
        }
    }

    fn end(self) -> Result<(), Problem> {
        let mut sink = match self {
            Self::Lines(sink) => sink,
            Self::Text(mut sink, form) => {
                sink.write_all(text::tail(form).as_bytes())?;
                sink
            }
            Self::Parquet(file) => file.close()?,
        };
        Ok(sink.flush()?)
    }
}

async fn copy(stream: &mut crate::Export, mut out: Out, bar: &ProgressBar) -> Result<Done, Problem> {
    let mut done = Done::default();
    while let Some(line) = stream.next_line().await? {
        out.write(&line, &mut done)?;
        if done.lines.is_multiple_of(16) {
            bar.set_position(stream.received_bytes());
            bar.set_message(format!("{} lines", show_count(done.lines)));
        }
    }
    out.end()?;
    Ok(done)
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {bytes} ({bytes_per_sec}) {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    // Four times a second: a terminal over a slow line must not slow the export. Hidden where there is no terminal.
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}
