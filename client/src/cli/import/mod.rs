//! `import`: samples from files, from blocks of Prometheus, from remote read, to a node.
//!
//! Every source gives chunks with the position behind them ([`source`]), so that an import that was stopped goes on
//! where everything before is stored. Going on a little earlier does no harm: a node takes the same sample once.

mod blocks;
mod filter;
mod message;
mod parquet;
mod remote_read;
mod sender;
mod source;
mod state;
mod text;

use super::units::{show_bytes, show_count};
use super::{Global, Outcome, exit::Exit, exit::Problem, units};
use filter::{Filter, selector};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use remote_read::RemoteRead;
use sender::{Refused, Sender};
use source::Source;
use state::{Begin, State};
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll import api.jsonl
  plimsoll import everything.jsonl.gz             # gzip is seen and unpacked
  plimsoll import loops.csv                       # series,timestamp_ms,value or a column a label
  plimsoll import tokens.parquet
  curl -s localhost:9100/metrics | plimsoll import - --format prom
  plimsoll import /var/lib/prometheus/metrics2 --state import.state     # blocks of Prometheus
  plimsoll import http://localhost:9090/api/v1/read --match up --start now-1d
  plimsoll import api.jsonl --from-offset 1048576 # go on where an import stopped

The same samples may be sent twice: a node takes each once.
Exit code 4: everything was sent, and the node refused some of it; the reasons are told with their counts.";

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Form {
    /// By the source's name, or by its first line.
    Auto,
    /// One JSON object a line: metric, values, timestamps (ms).
    Jsonl,
    /// A header; the columns value, timestamp_ms or time, and series or one a label.
    Csv,
    /// Prometheus text.
    Prom,
    /// OpenMetrics text: timestamps in seconds.
    Openmetrics,
    /// Parquet: timestamp, value, and metric and labels, series, or a column a label.
    Parquet,
    /// A folder of blocks of Prometheus' storage, or one block.
    Tsdb,
    /// The url of a Prometheus remote read endpoint.
    RemoteRead,
}

/// Arguments of `import`.
#[derive(clap::Args, Clone, Debug)]
pub struct Import {
    /// A file, - for stdin, a folder of blocks, or the url of a remote read endpoint.
    #[arg(value_name = "SOURCE")]
    file: PathBuf,
    /// What the source holds.
    #[arg(long, value_enum, default_value_t = Form::Auto)]
    format: Form,
    /// Bytes of a request; smaller where the node asks for it.
    #[arg(long, default_value_t = 4 << 20, value_name = "BYTES")]
    chunk_bytes: usize,
    /// Go on from here: the figure that a stopped import printed.
    #[arg(long, default_value_t = 0, value_name = "POSITION")]
    from_offset: u64,
    /// A file that remembers how far the import came; the same command goes on there.
    #[arg(long, value_name = "FILE", conflicts_with = "from_offset")]
    state: Option<PathBuf>,
    /// Only series of this selector, from blocks (= and != alone) and remote read.
    #[arg(long = "match", value_name = "SELECTOR")]
    matcher: Option<String>,
    /// Only samples from here on, from blocks and remote read.
    #[arg(long, allow_hyphen_values = true, value_name = "TIME")]
    start: Option<String>,
    /// Only samples up to here, from blocks and remote read.
    #[arg(long, allow_hyphen_values = true, value_name = "TIME")]
    end: Option<String>,
    /// How much a request to a remote read endpoint asks for.
    #[arg(long, default_value = "1h", value_parser = units::duration, value_name = "DURATION")]
    window: Duration,
    /// How long to go on trying while the node is away or busy.
    #[arg(long, default_value = "1m", value_parser = units::duration, value_name = "DURATION")]
    retry_for: Duration,
}

impl Import {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let client = global.client()?;
        let state = State::new(self.state.clone(), self.file.display().to_string());
        let from = match state.read()? {
            None => self.from_offset,
            Some(Begin::At(position)) => position,
            Some(Begin::Done) => {
                eprintln!("the import from {} is done, as its state says", self.file.display());
                return Ok(Exit::Ok);
            }
        };
        let mut source = self.open(from, global)?;
        let mut sender = Sender { client, retry_for: self.retry_for, refused: Refused::default() };
        let bar = progress(&source);
        let (mut position, mut items) = (from, 0);
        bar.set_position(from);
        loop {
            let sent = match source.next().await {
                Ok(None) => break,
                Ok(Some(chunk)) => {
                    let sent = sender.send(chunk.format, chunk.body, &bar).await;
                    sent.map(|()| (chunk.position, chunk.items))
                }
                Err(problem) => Err(problem),
            };
            match sent {
                Ok((behind, count)) => (position, items) = (behind, items + count),
                Err(problem) => {
                    bar.finish_and_clear();
                    return Err(self.stopped(problem, &source, position));
                }
            }
            state.write(position, false)?;
            bar.set_position(position);
        }
        bar.finish_and_clear();
        state.write(position, true)?;
        let bytes = match &source {
            Source::Text(_) => format!(", {}", show_bytes(position.saturating_sub(from))),
            _ => String::new(),
        };
        eprintln!("imported {} {}{bytes}", show_count(items), source.items());
        verdict(&sender.refused)
    }

    fn stopped(&self, problem: Problem, source: &Source, position: u64) -> Problem {
        eprintln!("stopped at {} {position}: everything before it is stored", source.unit());
        let again = match &self.state {
            Some(_) => "the same command".to_owned(),
            None => format!("`plimsoll import {} --from-offset {position}`", self.file.display()),
        };
        match problem.next {
            Some(step) => Problem { next: Some(format!("{step}; then go on with {again}")), ..problem },
            None => problem.next(format!("go on with {again}")),
        }
    }

    fn open(&self, from: u64, global: &Global) -> Result<Source, Problem> {
        let chunk_bytes = self.chunk_bytes.max(1);
        let form = self.form();
        if !matches!(form, Form::Tsdb | Form::RemoteRead)
            && (self.matcher.is_some() || self.start.is_some() || self.end.is_some())
        {
            return Err(Problem::usage(
                "--match, --start and --end choose from blocks and remote read alone",
            )
            .next("choose when you export, with the selector and --start and --end there"));
        }
        Ok(match form {
            Form::Parquet => {
                Source::Parquet(Box::new(parquet::ParquetRows::open(&self.file, from, chunk_bytes)?))
            }
            Form::Tsdb => {
                let filter = self.filter(i64::MIN)?;
                if filter.has_regular_expressions() {
                    return Err(Problem::usage("--match takes = and != alone where the source is blocks"));
                }
                Source::Blocks(Box::new(blocks::Blocks::open(&self.file, filter, from, chunk_bytes)?))
            }
            Form::RemoteRead => Source::RemoteRead(Box::new(self.remote_read(global)?.behind(from))),
            form => Source::Text(text::TextLines::open(&self.file, form, from, chunk_bytes)?),
        })
    }

    fn remote_read(&self, global: &Global) -> Result<RemoteRead, Problem> {
        if self.matcher.is_none() || self.start.is_none() {
            return Err(Problem::usage("remote read needs --match and --start")
                .next("for example --match '{__name__=~\".+\"}' --start now-7d"));
        }
        let url = self.file.to_string_lossy();
        let (base, path) = url.rsplit_once("/api/").map_or((&*url, "read"), |(base, path)| (base, path));
        let path = if base == url { "/api/v1/read".to_owned() } else { format!("/api/{path}") };
        let mut builder = crate::Client::builder().url(base).discover(false).timeout(global.timeout);
        if let Some(file) = &global.ca_file {
            let pem = std::fs::read(file)
                .map_err(|e| Problem::usage(format!("cannot read the CA file {}: {e}", file.display())))?;
            builder = builder.ca_pem(pem);
        }
        if let Ok(token) = std::env::var("PLIMSOLL_REMOTE_READ_TOKEN") {
            builder = builder.token(token);
        }
        let filter = self.filter(0)?;
        Ok(RemoteRead::new(builder.build()?, &path, filter, self.window, global.timeout, self.chunk_bytes))
    }

    fn filter(&self, earliest: i64) -> Result<Filter, Problem> {
        let now = units::now();
        let read = |text: &Option<String>, otherwise: i64| match text {
            Some(text) => units::moment(text, now).map_err(Problem::usage),
            None => Ok(otherwise),
        };
        let matchers = self.matcher.as_deref().map_or(Ok(Vec::new()), selector).map_err(Problem::usage)?;
        let latest = if earliest == 0 { now } else { i64::MAX };
        Ok(Filter {
            matchers,
            start: read(&self.start, earliest)?.max(earliest),
            end: read(&self.end, latest)?,
        })
    }

    fn form(&self) -> Form {
        if self.format != Form::Auto {
            return self.format;
        }
        let name = self.file.to_string_lossy();
        if name.starts_with("http://") || name.starts_with("https://") {
            return Form::RemoteRead;
        }
        if self.file.is_dir() {
            return Form::Tsdb;
        }
        let extension = Path::new(name.trim_end_matches(".gz")).extension();
        match extension.and_then(|e| e.to_str()).unwrap_or("") {
            "jsonl" | "ndjson" | "json" => Form::Jsonl,
            "csv" => Form::Csv,
            "prom" | "txt" => Form::Prom,
            "om" | "openmetrics" => Form::Openmetrics,
            "parquet" => Form::Parquet,
            _ => Form::Auto,
        }
    }
}

/// Tells what was refused, by its reason.
fn verdict(refused: &Refused) -> Outcome {
    if refused.is_empty() {
        return Ok(Exit::Ok);
    }
    for (reason, (samples, example)) in &refused.reasons {
        eprintln!("refused {} as {reason}: {}", show_count(*samples), super::escape::terminal(example));
    }
    let text = match refused.whole {
        0 => format!("{} samples were refused", show_count(refused.samples())),
        n => format!("{} samples and {n} whole requests were refused", show_count(refused.samples())),
    };
    Err(Problem::new(Exit::Degraded, text)
        .next("everything else is stored; mend what is told above and import it again"))
}

fn progress(source: &Source) -> ProgressBar {
    let (bar, template) = match (source, source.end()) {
        (Source::Text(_), Some(n)) => {
            (ProgressBar::new(n), "{bar:30} {bytes}/{total_bytes} ({bytes_per_sec}, {eta}) {msg}")
        }
        (Source::RemoteRead(_), Some(n)) => (ProgressBar::new(n), "{bar:30} {percent} % ({eta}) {msg}"),
        (_, Some(n)) => (ProgressBar::new(n), "{bar:30} {human_pos}/{human_len} ({per_sec}, {eta}) {msg}"),
        (_, None) => (ProgressBar::new_spinner(), "{spinner} {bytes} ({bytes_per_sec}) {msg}"),
    };
    // Hidden where stderr is no terminal.
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
    bar.with_style(ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar()))
}
