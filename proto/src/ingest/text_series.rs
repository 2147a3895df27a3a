//! The series at the start of a line of text: `name{label="value", "odd.label"="value"}` or `{"odd.name"}`.

use super::text::message;
use super::{Limits, RawLabels, Refusal};
use crate::escape::{is_bare_label_name, is_bare_metric_name, unescape_text};
use std::borrow::Cow;
use std::cell::Cell;

/// Cuts a line behind its series, without looking at the labels.
pub(super) fn split_series(line: &[u8]) -> Result<(&[u8], &[u8]), &'static str> {
    let at = memchr::memchr3(b'{', b' ', b'\t', line).ok_or("there is no value")?;
    let blanks = line[at..].iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    if line.get(at + blanks) != Some(&b'{') {
        return Ok(line.split_at(at));
    }
    let end = end_of_labels(&line[at + blanks..]).ok_or("the labels are not closed with a }")?;
    Ok(line.split_at(at + blanks + end))
}

/// Length of the labels in braces, in which a brace inside quotes does not count.
fn end_of_labels(text: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += memchr::memchr2(b'"', b'}', &text[at..])?;
        if text[at] == b'}' {
            return Some(at + 1);
        }
        at += 1 + end_of_quoted(&text[at + 1..])? + 1;
    }
}

/// Where the quote stands that ends a text, which `text` begins with behind its first quote.
fn end_of_quoted(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr::memchr2(b'"', b'\\', text.get(at..)?)?;
        if text[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

/// The labels of a line.
pub(super) struct LineLabels<'a> {
    series: &'a [u8],
    number: u64,
    limits: &'a Limits,
    /// Why the labels could not be read, for the message.
    why: Cell<&'static str>,
}

impl<'a> LineLabels<'a> {
    pub(super) fn new(series: &'a [u8], number: u64, limits: &'a Limits) -> Self {
        Self { series, number, limits, why: Cell::new("the series is") }
    }

    fn read(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), &'static str> {
        let at = memchr::memchr(b'{', self.series).unwrap_or(self.series.len());
        let (name, mut rest) = self.series.split_at(at);
        let name = name.trim_ascii_end();
        if !name.is_empty() {
            if !std::str::from_utf8(name).is_ok_and(is_bare_metric_name) {
                return Err(
                    "a metric name other than [a-zA-Z_:][a-zA-Z0-9_:]* must stand in quotes in the braces",
                );
            }
            visit(b"__name__", name);
        }
        if rest.is_empty() {
            return Ok(());
        }
        rest = rest[1..].trim_ascii_start();
        while rest != b"}" {
            rest = read_pair(rest, visit)?;
            match rest.split_first() {
                Some((b',', tail)) => rest = tail.trim_ascii_start(),
                Some((b'}', [])) => {}
                _ => return Err("labels must be separated by commas"),
            }
        }
        Ok(())
    }
}

/// Reads `name="value"` or a quoted metric name; answers what follows.
fn read_pair<'a>(text: &'a [u8], visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<&'a [u8], &'static str> {
    let (name, rest) = if text.first() == Some(&b'"') {
        let (name, rest) = read_quoted(text)?;
        if matches!(rest.first(), Some(b',' | b'}')) {
            visit(b"__name__", &name);
            return Ok(rest);
        }
        (name, rest)
    } else {
        let at = memchr::memchr(b'=', text).ok_or("a label has no =")?;
        let name = text[..at].trim_ascii_end();
        if !std::str::from_utf8(name).is_ok_and(is_bare_label_name) {
            return Err("a label name other than [a-zA-Z_][a-zA-Z0-9_]* must stand in quotes");
        }
        (Cow::Borrowed(name), &text[at..])
    };
    let rest = rest.strip_prefix(b"=").ok_or("a label has no =")?.trim_ascii_start();
    let (value, rest) = read_quoted(rest)?;
    visit(&name, &value);
    Ok(rest)
}

/// Reads a text in quotes and the blanks behind it.
fn read_quoted(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), &'static str> {
    let text = text.strip_prefix(b"\"").ok_or("a label value must stand in double quotes")?;
    let end = end_of_quoted(text).ok_or("a quote is not closed")?;
    Ok((unescape_text(&text[..end]), text[end + 1..].trim_ascii_start()))
}

impl RawLabels for LineLabels<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        self.read(visit).map_err(|why| {
            self.why.set(why);
            Refusal::BadLine
        })
    }

    fn limits(&self) -> &Limits {
        self.limits
    }

    fn describe(&self) -> String {
        message(self.series, self.number, self.why.get())
    }
}
