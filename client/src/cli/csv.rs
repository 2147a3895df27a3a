//! CSV of samples, as `export` and `query` write it, into JSON lines.

use super::{piece, time, units};
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use serde_json::json;

/// What each column holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Header(Vec<Column>);

#[derive(Debug, PartialEq, Eq)]
enum Column {
    Series,
    Value,
    TimestampMs,
    Time,
    Label(String),
}

impl Header {
    /// Reads the names of the columns: `value`, `timestamp_ms` or `time`, and `series` or labels.
    pub fn parse(line: &str) -> Result<Self, String> {
        let names = fields(line.trim_end_matches(['\r', '\n'])).ok_or("the header has an open quote")?;
        let columns: Vec<_> = names
            .into_iter()
            .map(|name| match name.as_str() {
                "series" => Column::Series,
                "value" => Column::Value,
                "timestamp_ms" => Column::TimestampMs,
                "time" | "timestamp" => Column::Time,
                "metric" => Column::Label(METRIC_NAME.to_owned()),
                _ => Column::Label(name),
            })
            .collect();
        let has = |c: Column| columns.contains(&c);
        if !has(Column::Value) || !(has(Column::TimestampMs) || has(Column::Time)) {
            return Err(
                "a CSV file of samples has a header with the columns value and timestamp_ms or time".into()
            );
        }
        let named = has(Column::Series) || columns.iter().any(|c| matches!(c, Column::Label(_)));
        if !named {
            return Err("a CSV file of samples has a column series, or a column for each label".into());
        }
        Ok(Self(columns))
    }

    /// The rows of `text` as JSON lines, rows of one series that follow each other on one line.
    pub fn json_lines(&self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        let mut current: Option<(Labels, Vec<String>, Vec<Timestamp>)> = None;
        for row in text.lines().filter(|l| !l.trim().is_empty()) {
            let (labels, value, at) = self.row(row).map_err(|e| format!("{e} in the row {row:?}"))?;
            match &mut current {
                Some((same, values, times)) if *same == labels => {
                    values.push(value);
                    times.push(at);
                }
                _ => {
                    put_line(&mut out, current.take());
                    current = Some((labels, vec![value], vec![at]));
                }
            }
        }
        put_line(&mut out, current);
        Ok(out)
    }

    fn row(&self, row: &str) -> Result<(Labels, String, Timestamp), String> {
        let cells = fields(row).ok_or("an open quote")?;
        if cells.len() != self.0.len() {
            return Err(format!("{} fields, the header has {}", cells.len(), self.0.len()));
        }
        let (mut pairs, mut value, mut at) = (Vec::new(), None, None);
        for (column, cell) in self.0.iter().zip(cells) {
            match column {
                Column::Value => {
                    let read =
                        piece::value_of(cell.trim()).ok_or_else(|| format!("{cell:?} is not a number"))?;
                    value = Some(piece::value_text(read));
                }
                Column::TimestampMs => {
                    at = Some(cell.trim().parse().map_err(|_| format!("{cell:?} is not milliseconds"))?);
                }
                Column::Time => {
                    let read = time::parse(&cell).or_else(|| units::moment(&cell, 0).ok());
                    at = Some(read.ok_or_else(|| format!("{cell:?} is not a time"))?);
                }
                Column::Series => pairs.extend(series(&cell)?),
                Column::Label(name) => pairs.push((name.clone(), cell)),
            }
        }
        let labels = Labels::from_pairs(pairs).map_err(|e| e.to_string())?;
        Ok((labels, value.ok_or("no value")?, at.ok_or("no time")?))
    }
}

fn put_line(out: &mut String, line: Option<(Labels, Vec<String>, Vec<Timestamp>)>) {
    let Some((labels, values, timestamps)) = line else { return };
    // Finite values are numbers; NaN and the infinities stand there as text.
    let values: Vec<_> = values
        .iter()
        .map(|v| match v.parse::<f64>() {
            Ok(n) if n.is_finite() => json!(n),
            _ => json!(v),
        })
        .collect();
    let line =
        json!({"metric": super::output::json_labels(&labels), "values": values, "timestamps": timestamps});
    out.push_str(&line.to_string());
    out.push('\n');
}

/// The fields of a row (RFC 4180); `None` when a quote is never closed.
fn fields(row: &str) -> Option<Vec<String>> {
    let mut out = Vec::new();
    let mut rest = row;
    loop {
        let mut field = String::new();
        if let Some(mut quoted) = rest.strip_prefix('"') {
            loop {
                let end = quoted.find('"')?;
                field.push_str(&quoted[..end]);
                quoted = &quoted[end + 1..];
                match quoted.strip_prefix('"') {
                    Some(more) => {
                        field.push('"');
                        quoted = more;
                    }
                    None => break,
                }
            }
            rest = quoted;
        }
        let end = rest.find(',').unwrap_or(rest.len());
        field.push_str(&rest[..end]);
        out.push(field);
        match rest[end..].strip_prefix(',') {
            Some(more) => rest = more,
            None => return Some(out),
        }
    }
}

/// Reads `name{label="value",...}` with quoted names allowed inside the braces.
pub(super) fn series(text: &str) -> Result<Vec<(String, String)>, String> {
    let bad = || format!("{text:?} is not a series: write it as name{{label=\"value\"}}");
    let (name, rest) = text.split_at(text.find('{').unwrap_or(text.len()));
    let mut pairs = Vec::new();
    if !name.is_empty() {
        pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
    }
    let Some(mut rest) = rest.strip_prefix('{') else { return Ok(pairs) };
    loop {
        rest = rest.trim_start_matches([' ', ',']);
        if let Some(end) = rest.strip_prefix('}') {
            return if end.is_empty() { Ok(pairs) } else { Err(bad()) };
        }
        let label = if rest.starts_with('"') {
            take_quoted(&mut rest).ok_or_else(bad)?
        } else {
            let end = rest.find('=').ok_or_else(bad)?;
            let label = rest[..end].trim().to_owned();
            rest = &rest[end..];
            label
        };
        match rest.strip_prefix('=') {
            Some(more) => {
                rest = more.trim_start();
                let value = take_quoted(&mut rest).ok_or_else(bad)?;
                pairs.push((unescape(&label)?, unescape(&value)?));
            }
            None => pairs.push((METRIC_NAME.to_owned(), unescape(&label)?)),
        }
    }
}

/// Takes `"..."` off the front, what is between the quotes still escaped.
pub(super) fn take_quoted(rest: &mut &str) -> Option<String> {
    let inner = rest.strip_prefix('"')?;
    let mut escaped = false;
    let end = inner.find(|c| {
        let closes = c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        closes
    })?;
    *rest = &inner[end + 1..];
    Some(inner[..end].to_owned())
}

/// Undoes `\\`, `\"`, `\n`, `\r`, `\t`, `\xHH` and `\u{...}`.
pub(super) fn unescape(text: &str) -> Result<String, String> {
    let bad = || format!("{text:?} has a backslash that begins no escape");
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let kind = rest[at + 1..].chars().next().ok_or_else(bad)?;
        rest = &rest[at + 1 + kind.len_utf8()..];
        let code = |digits: &str| u32::from_str_radix(digits, 16).ok().and_then(char::from_u32);
        match kind {
            '\\' | '"' => out.push(kind),
            'n' => out.push('\n'),
            'r' => out.push('\r'),
            't' => out.push('\t'),
            'x' => {
                let (digits, more) = rest.split_at_checked(2).ok_or_else(bad)?;
                out.push(code(digits).ok_or_else(bad)?);
                rest = more;
            }
            'u' => {
                let (digits, more) =
                    rest.strip_prefix('{').and_then(|r| r.split_once('}')).ok_or_else(bad)?;
                out.push(code(digits).ok_or_else(bad)?);
                rest = more;
            }
            _ => return Err(bad()),
        }
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::super::escape;
    use super::*;
    use proptest::{collection::vec, prelude::*};

    #[test]
    fn rows_of_one_series_become_one_line() {
        let header = Header::parse("series,timestamp_ms,value\r\n").expect("a header");
        let text = "up{job=a},1,1\n";
        assert!(header.json_lines(text).expect_err("no quotes").contains("not a series"));
        let text = "\"up{job=\"\"a\"\"}\",1,1\n\"up{job=\"\"a\"\"}\",2,NaN\ndown,3,2.5\n\n";
        let expected = "\
{\"metric\":{\"__name__\":\"up\",\"job\":\"a\"},\"timestamps\":[1,2],\"values\":[1.0,\"NaN\"]}
{\"metric\":{\"__name__\":\"down\"},\"timestamps\":[3],\"values\":[2.5]}
";
        assert_eq!(header.json_lines(text).as_deref(), Ok(expected));
    }

    #[test]
    fn a_column_a_label_is_read() {
        let header = Header::parse("metric,job,value,time").expect("a header");
        let lines = header.json_lines("up,\"a,b\",1,1970-01-01T00:00:01Z\nup,,1,2.5").expect("lines");
        assert!(lines.contains(r#""job":"a,b"},"timestamps":[1000]"#), "{lines}");
        assert!(lines.contains(r#"{"__name__":"up"},"timestamps":[2500]"#), "{lines}");
    }

    #[test]
    fn what_export_writes_comes_back() {
        let odd = [("__name__", "http.requests"), ("a.b", "x\"y\\z\n\x1b\u{202e},é"), ("c", "\\x41")];
        let labels = Labels::from_pairs(odd).expect("labels");
        let mut text = String::new();
        plimsoll_proto::exposition::write_series(&mut text, &labels);
        let cell = escape::csv(&text).into_owned();
        let fields = fields(&cell).expect("fields");
        let pairs = series(&fields[0]).expect("a series");
        assert_eq!(Labels::from_pairs(pairs), Ok(labels));
    }

    proptest! {
        #[test]
        fn any_series_comes_back_from_its_csv_field(pairs in vec((".{1,8}", ".{0,12}"), 0..5)) {
            let Ok(labels) = Labels::from_pairs(pairs) else { return Ok(()) };
            let mut text = String::new();
            plimsoll_proto::exposition::write_series(&mut text, &labels);
            let cell = escape::csv(&text).into_owned();
            let fields = fields(&cell).expect("fields");
            prop_assert_eq!(fields.len(), 1);
            let pairs = series(&fields[0]).expect("a series");
            prop_assert_eq!(Labels::from_pairs(pairs), Ok(labels));
        }

        #[test]
        fn no_text_makes_the_reader_panic(header in ".*", rows in ".*") {
            if let Ok(header) = Header::parse(&header) {
                let _ = header.json_lines(&rows);
            }
            let header = Header::parse("series,time,value").expect("a header");
            let _ = header.json_lines(&rows);
            let _ = header.json_lines(&format!("\"{rows}\",1,1"));
            let _ = series(&rows);
        }
    }

    #[test]
    fn headers_without_value_time_or_series_are_refused() {
        for header in ["a,b", "value,time", "series,value", "series,time", "\"series,time,value"] {
            assert!(Header::parse(header).is_err(), "{header}");
        }
    }

    #[test]
    fn rows_that_do_not_fit_are_refused_with_the_row() {
        let header = Header::parse("series,timestamp_ms,value").expect("a header");
        for row in ["up,1", "up,x,1", "up,1,x", "up{,1,1", "\"up", "up{a=\"\\q\"},1,1"] {
            let e = header.json_lines(row).expect_err(row);
            assert!(e.contains("in the row"), "{e}");
        }
    }
}
