//! Pieces as CSV, Prometheus text and OpenMetrics.

use super::super::escape;
use super::super::piece::{Piece, value_text};
use super::{Form, Left};
use plimsoll_model::is_stale;
use std::fmt::Write as _;
use std::io::{self, Write};

/// What stands before the first sample.
pub(super) fn head(form: Form) -> &'static str {
    if form == Form::Csv { "series,timestamp_ms,value\n" } else { "" }
}

/// What stands behind the last sample.
pub(super) fn tail(form: Form) -> &'static str {
    if form == Form::Openmetrics { "# EOF\n" } else { "" }
}

/// Writes the floats of `piece`, a line each; counts what has no form in text.
pub(super) fn write(out: &mut impl Write, form: Form, piece: &Piece, left: &mut Left) -> io::Result<()> {
    left.histograms += piece.histograms.len() as u64;
    let series = piece.text();
    let series = if form == Form::Csv { escape::csv(&series).into_owned() } else { series };
    let mut line = String::new();
    for (at, value) in &piece.floats {
        if form != Form::Csv && is_stale(*value) {
            left.stale_markers += 1;
            continue;
        }
        line.clear();
        let value = value_text(*value);
        // Writing to a string cannot fail.
        let _ = match form {
            Form::Csv => writeln!(line, "{series},{at},{value}"),
            Form::Openmetrics => writeln!(line, "{series} {value} {}", seconds(*at)),
            _ => writeln!(line, "{series} {value} {at}"),
        };
        out.write_all(line.as_bytes())?;
    }
    Ok(())
}

/// Milliseconds as seconds with three decimals, exactly.
fn seconds(at: i64) -> String {
    let sign = if at < 0 { "-" } else { "" };
    let ms = at.unsigned_abs();
    format!("{sign}{}.{:03}", ms / 1000, ms % 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = br#"{"metric":{"__name__":"up","job":"a,\"b\"\n"},"values":[1,"NaN",0.1,"StaleNaN"],"timestamps":[1000,2000,3000,-4001]}"#;

    fn written(form: Form) -> (String, Left) {
        let (mut out, mut left) = (Vec::new(), Left::default());
        let piece = Piece::parse(LINE).expect("a line");
        write(&mut out, form, &piece, &mut left).expect("memory takes everything");
        (String::from_utf8(out).expect("text"), left)
    }

    #[test]
    fn a_piece_is_written_in_every_form() {
        let (text, left) = written(Form::Prom);
        let series = "up{job=\"a,\\\"b\\\"\\n\"}";
        assert_eq!(text, format!("{series} 1 1000\n{series} NaN 2000\n{series} 0.1 3000\n"));
        assert_eq!(left.stale_markers, 1);
        let (text, _) = written(Form::Openmetrics);
        assert_eq!(text, format!("{series} 1 1.000\n{series} NaN 2.000\n{series} 0.1 3.000\n"));
        let (text, left) = written(Form::Csv);
        assert_eq!(text.lines().next(), Some(r#""up{job=""a,\""b\""\n""}",1000,1"#));
        assert!(text.ends_with(",-4001,StaleNaN\n"), "{text}");
        assert_eq!(left, Left::default());
    }

    #[test]
    fn seconds_are_exact_before_1970_too() {
        for (at, text) in
            [(0, "0.000"), (-1, "-0.001"), (-4001, "-4.001"), (i64::MIN, "-9223372036854775.808")]
        {
            assert_eq!(seconds(at), text);
        }
    }
}
