//! Names and values of labels as text: in Prometheus' formats, in JSON and in URLs. Pure functions.

use std::borrow::Cow;

/// Whether `name` may stand as a metric's name without quotes.
pub fn is_bare_metric_name(name: &str) -> bool {
    is_bare(name, |b| b == b'_' || b == b':' || b.is_ascii_alphabetic())
}

/// Whether `name` may stand as a label's name without quotes.
pub fn is_bare_label_name(name: &str) -> bool {
    is_bare(name, |b| b == b'_' || b.is_ascii_alphabetic())
}

fn is_bare(name: &str, start: impl Fn(u8) -> bool) -> bool {
    let bytes = name.as_bytes();
    bytes.first().is_some_and(|b| start(*b)) && bytes.iter().all(|b| start(*b) || b.is_ascii_digit())
}

/// Appends `text` in double quotes, with `\\`, `\"` and `\n` escaped, as label values and quoted names stand in
/// the text exposition format.
pub fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    push_escaped(out, text, |b| matches!(b, b'\\' | b'"' | b'\n'));
    out.push('"');
}

/// Appends the text of a `# HELP` line, in which quotes stay as they are.
pub fn push_help(out: &mut String, text: &str) {
    push_escaped(out, text, |b| matches!(b, b'\\' | b'\n'));
}

fn push_escaped(out: &mut String, text: &str, special: impl Fn(u8) -> bool) {
    let mut rest = text;
    while let Some(at) = rest.bytes().position(&special) {
        out.push_str(&rest[..at]);
        out.push('\\');
        out.push(if rest.as_bytes()[at] == b'\n' { 'n' } else { rest.as_bytes()[at] as char });
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
}

/// Undoes the escaping of the text exposition format. An unknown escape stays as it is.
pub fn unescape_text(raw: &[u8]) -> Cow<'_, [u8]> {
    let Some(first) = memchr::memchr(b'\\', raw) else { return Cow::Borrowed(raw) };
    let mut out = raw[..first].to_vec();
    let mut bytes = raw[first..].iter().copied();
    while let Some(b) = bytes.next() {
        if b != b'\\' {
            out.push(b);
            continue;
        }
        match bytes.next() {
            Some(b'n') => out.push(b'\n'),
            Some(e @ (b'\\' | b'"')) => out.push(e),
            Some(other) => out.extend([b'\\', other]),
            None => out.push(b'\\'),
        }
    }
    Cow::Owned(out)
}

/// Appends `text` as a JSON string with its quotes.
pub fn push_json(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'\\') || *b < 0x20) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            b @ (b'"' | b'\\') => out.extend([b'\\', b]),
            b => {
                const HEX: &[u8; 16] = b"0123456789abcdef";
                out.extend_from_slice(b"\\u00");
                out.extend([HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// The label name that a segment of `/api/v1/label/NAME/values` means.
///
/// A name that starts with `U__` was escaped by Prometheus' rules for values
/// (<https://prometheus.io/docs/instrumenting/escaping_schemes/>): `__` stands for `_` and `_HEX_` for the character
/// with this code. What does not follow the rules means itself.
pub fn unescape_name(name: &str) -> Cow<'_, str> {
    match name.strip_prefix("U__").and_then(unescape_rest) {
        Some(plain) => Cow::Owned(plain),
        None => Cow::Borrowed(name),
    }
}

fn unescape_rest(escaped: &str) -> Option<String> {
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let (hex, after) = rest.split_once('_')?;
        let valid = (1..=6).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
        let code = valid.then(|| u32::from_str_radix(hex, 16).ok())??;
        out.push(char::from_u32(code)?);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// Escapes a name for a URL segment or an old client; the inverse of [`unescape_name`]. Names that need no quotes
/// stay as they are.
pub fn escape_name(name: &str) -> Cow<'_, str> {
    if is_bare_metric_name(name) && !name.starts_with("U__") {
        return Cow::Borrowed(name);
    }
    let mut out = String::from("U__");
    for (i, c) in name.chars().enumerate() {
        if c == '_' {
            out.push_str("__");
        } else if c == ':' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit()) {
            out.push(c);
        } else {
            out.push_str(&format!("_{:X}_", c as u32));
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_that_need_quotes_are_told_apart() {
        for (name, metric, label) in [
            ("up", true, true),
            ("_a1", true, true),
            ("a:b", true, false),
            ("1a", false, false),
            ("a.b", false, false),
            ("é", false, false),
            ("", false, false),
        ] {
            assert_eq!((is_bare_metric_name(name), is_bare_label_name(name)), (metric, label), "{name}");
        }
    }

    #[test]
    fn escaped_names_are_read_as_prometheus_writes_them() {
        for (escaped, plain) in [
            ("http_requests", "http_requests"),
            ("U__http_2E_requests", "http.requests"),
            ("U__a__b", "a_b"),
            ("U___1F600_", "😀"),
            ("U__", ""),
            ("U__broken_2E", "U__broken_2E"),
            ("U__bad_XYZ_", "U__bad_XYZ_"),
            ("U__surrogate_D800_", "U__surrogate_D800_"),
            ("U__long_0000041_", "U__long_0000041_"),
        ] {
            assert_eq!(unescape_name(escaped), plain, "{escaped}");
        }
        assert_eq!(escape_name("http.requests_total"), "U__http_2E_requests__total");
        assert_eq!(escape_name("1st"), "U___31_st");
    }

    #[test]
    fn json_strings_escape_what_json_forbids() {
        let mut out = Vec::new();
        push_json(&mut out, "a\"\\\n\u{1}é");
        assert_eq!(String::from_utf8_lossy(&out), "\"a\\\"\\\\\\n\\u0001é\"");
    }

    #[test]
    fn unknown_escapes_stay() {
        assert_eq!(&*unescape_text(br"a\tb\\c\n\"), b"a\\tb\\c\n\\");
    }

    proptest! {
        #[test]
        fn every_text_comes_back(text in any::<String>()) {
            let mut quoted = String::new();
            push_quoted(&mut quoted, &text);
            prop_assert_eq!(&*unescape_text(&quoted.as_bytes()[1..quoted.len() - 1]), text.as_bytes());
            let escaped = escape_name(&text).into_owned();
            prop_assert_eq!(unescape_name(&escaped), text);
        }
    }
}
