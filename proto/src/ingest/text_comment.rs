//! Comments of the text format that say something about a metric: `# HELP`, `# TYPE` and `# UNIT`.

use super::{Metadata, MetricType, Sink};
use crate::escape::unescape_text;
use std::borrow::Cow;

/// Gathers the comments of one metric, which stand on lines of their own.
#[derive(Default)]
pub(super) struct Comments<'a> {
    name: Cow<'a, [u8]>,
    metric_type: MetricType,
    help: &'a [u8],
    unit: &'a [u8],
}

impl<'a> Comments<'a> {
    /// Takes a line that begins with `#`; any other comment, `# EOF` too, is passed over.
    pub(super) fn line<S: Sink + ?Sized>(&mut self, line: &'a [u8], sink: &mut S) {
        let Some((word, rest)) = split_word(line[1..].trim_ascii_start()) else { return };
        if !matches!(word, b"HELP" | b"TYPE" | b"UNIT") {
            return;
        }
        let Some((name, text)) = split_name(rest) else { return };
        if name != self.name {
            self.flush(sink);
            *self = Self { name, ..Self::default() };
        }
        match word {
            b"HELP" => self.help = text,
            b"UNIT" => self.unit = text,
            _ => {
                let known = std::str::from_utf8(text).ok().and_then(MetricType::from_name);
                self.metric_type = known.unwrap_or_default();
            }
        }
    }

    /// Hands on what was gathered.
    pub(super) fn flush<S: Sink + ?Sized>(&mut self, sink: &mut S) {
        let help = unescape_text(self.help);
        let texts = [&*self.name, &*help, self.unit].map(std::str::from_utf8);
        if let [Ok(name), Ok(help), Ok(unit)] = texts
            && !name.is_empty()
        {
            sink.metadata(Metadata { name, metric_type: self.metric_type, help, unit });
        }
        self.name = Cow::Borrowed(b"");
    }
}

fn split_word(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = text.iter().position(|b| matches!(b, b' ' | b'\t'))?;
    Some((&text[..end], text[end..].trim_ascii_start()))
}

/// A metric's name, perhaps in quotes, and the text behind it, which may be empty.
fn split_name(text: &[u8]) -> Option<(Cow<'_, [u8]>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let (name, rest) = split_word(text).unwrap_or((text, b""));
        return Some((Cow::Borrowed(name), rest));
    };
    let mut escaped = false;
    let end = quoted.iter().position(|b| {
        let ends = *b == b'"' && !escaped;
        escaped = *b == b'\\' && !escaped;
        ends
    })?;
    Some((unescape_text(&quoted[..end]), quoted[end + 1..].trim_ascii_start()))
}
