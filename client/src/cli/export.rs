use super::labels::Narrow;
use super::units::show_count;
use super::{Global, Outcome, escape, exit::Exit, exit::Problem, lines};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::time::Duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  plimsoll export '{job=\"api\"}' --start now-1d > api.jsonl
  plimsoll export active_loops --format csv --to loops.csv
  plimsoll export '{__name__!=\"\"}' | gzip > everything.jsonl.gz";

/// What an export is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Form {
    /// One JSON object a line: metric, values, timestamps (ms). Keeps everything.
    Jsonl,
    /// series,timestamp_ms,value. Floats alone.
    Csv,
    /// Prometheus text with timestamps. Floats alone.
    Prom,
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
    #[arg(long, value_enum, default_value_t = Form::Jsonl)]
    format: Form,
    /// A file instead of stdout; it must not exist yet.
    #[arg(long, value_name = "FILE")]
    to: Option<PathBuf>,
}

impl Export {
    pub(super) async fn run(self, global: &Global) -> Outcome {
        let selection = self.narrow.selection(self.matchers)?;
        let mut stream = global.client()?.export(&selection).await?;
        let mut out: Box<dyn Write> = match &self.to {
            Some(path) => Box::new(BufWriter::new(File::create_new(path).map_err(|e| {
                Problem::fail(format!("cannot create {}: {e}", path.display())).next("choose another --to")
            })?)),
            None => Box::new(BufWriter::new(std::io::stdout())),
        };
        if self.format == Form::Csv {
            out.write_all(b"series,timestamp_ms,value\n")?;
        }
        let bar = progress();
        let copied = copy(&mut stream, &mut out, self.format, &bar).await;
        bar.finish_and_clear();
        let done = copied.inspect_err(|_| {
            if let Some(path) = &self.to {
                eprintln!("{} holds only what came before the error", path.display());
            }
        })?;
        eprintln!("exported {} lines, {} bytes read", show_count(done.lines), stream.received_bytes());
        if done.histograms > 0 {
            eprintln!(
                "warning: {} native histograms were left out: use --format jsonl to keep them",
                show_count(done.histograms)
            );
        }
        Ok(Exit::Ok)
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Done {
    lines: u64,
    histograms: u64,
}

async fn copy(
    stream: &mut crate::Export,
    out: &mut impl Write,
    form: Form,
    bar: &ProgressBar,
) -> Result<Done, Problem> {
    let mut done = Done::default();
    while let Some(line) = stream.next_line().await? {
        done.lines += 1;
        write_line(out, form, &line, &mut done)?;
        if done.lines.is_multiple_of(16) {
            bar.set_position(stream.received_bytes());
            bar.set_message(format!("{} lines", show_count(done.lines)));
        }
    }
    out.flush()?;
    Ok(done)
}

fn progress() -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_style(
        ProgressStyle::with_template("{spinner} {bytes} ({bytes_per_sec}) {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    // Four times a second: a terminal over a slow line must not slow the export.
    bar.set_draw_target(ProgressDrawTarget::stderr_with_hz(4));
    bar.enable_steady_tick(Duration::from_millis(250));
    bar
}

fn write_line(out: &mut impl Write, form: Form, line: &[u8], done: &mut Done) -> Result<(), Problem> {
    if form == Form::Jsonl {
        out.write_all(line)?;
        return Ok(out.write_all(b"\n")?);
    }
    let series = lines::Line::parse(line)
        .map_err(|e| Problem::fail(format!("the node sent a line that is not understood: {e}")))?;
    done.histograms += series.histogram_count as u64;
    let name = series.text();
    for (at, v) in &series.floats {
        let v = super::units::show_value(*v);
        match form {
            Form::Csv => writeln!(out, "{},{at},{v}", escape::csv(&name))?,
            _ => writeln!(out, "{name} {v} {at}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] =
        br#"{"metric":{"__name__":"up","job":"a,\"b\"\n"},"values":[1,"NaN",0.1],"timestamps":[1000,2000,3000]}"#;

    fn written(form: Form) -> String {
        let mut out = Vec::new();
        write_line(&mut out, form, LINE, &mut Done::default()).expect("a line");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn a_line_is_written_in_every_form() {
        assert_eq!(written(Form::Jsonl).as_bytes().strip_suffix(b"\n"), Some(LINE));
        let expected = "up{job=\"a,\\\"b\\\"\\n\"} 1 1000\nup{job=\"a,\\\"b\\\"\\n\"} NaN 2000\nup{job=\"a,\\\"b\\\"\\n\"} 0.1 3000\n";
        assert_eq!(written(Form::Prom), expected);
        let csv = written(Form::Csv);
        assert_eq!(csv.lines().next(), Some(r#""up{job=""a,\""b\""\n""}",1000,1"#));
    }
}
