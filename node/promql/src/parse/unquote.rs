//! Text literals: quotes and escapes as in Go.

/// The bytes of a literal with its quotes.
pub(crate) fn unquote(literal: &str) -> Result<Vec<u8>, String> {
    let quote = literal.as_bytes()[0];
    let inner = &literal[1..literal.len() - 1];
    if quote == b'`' {
        return Ok(inner.as_bytes().to_vec());
    }
    let mut out = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let escape = chars.next().ok_or("escape sequence not terminated")?;
        match escape {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' => out.push(b'\\'),
            '0'..='7' => {
                let rest = digits(&mut chars, 2, 8)?;
                let value = escape.to_digit(8).unwrap_or(0) * 64 + rest;
                out.push(u8::try_from(value).map_err(|_| "escape sequence is an invalid code point")?);
            }
            'x' => out.push(digits(&mut chars, 2, 16)? as u8),
            'u' | 'U' => {
                let value = digits(&mut chars, if escape == 'u' { 4 } else { 8 }, 16)?;
                let c = char::from_u32(value).ok_or("escape sequence is an invalid Unicode code point")?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            c if c as u32 == u32::from(quote) => out.push(quote),
            c => return Err(format!("unknown escape sequence {c:?}")),
        }
    }
    Ok(out)
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, base: u32) -> Result<u32, String> {
    let mut value = 0u32;
    for _ in 0..count {
        let c = chars.next().ok_or("escape sequence not terminated")?;
        let d = c.to_digit(base).ok_or_else(|| format!("illegal character {c:?} in escape sequence"))?;
        value = value.wrapping_mul(base).wrapping_add(d);
    }
    Ok(value)
}

/// `s` as a literal in double quotes, as Go's `strconv.Quote` writes it.
pub(crate) fn quote(s: &str) -> String {
    use std::fmt::Write;
    let mut out = String::with_capacity(s.len() + 2);
    out.push('"');
    for c in s.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\x07' => out.push_str("\\a"),
            '\x08' => out.push_str("\\b"),
            '\x0c' => out.push_str("\\f"),
            '\x0b' => out.push_str("\\v"),
            c if (c as u32) < 0x20 || c == '\x7f' => {
                // Writing to a String does not fail.
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Bytes that are not UTF-8 as a literal: what is text as [`quote`] writes it, the rest in hexadecimal.
pub(crate) fn quote_bytes(bytes: &[u8]) -> String {
    let mut out = String::from("\"");
    for chunk in bytes.utf8_chunks() {
        let quoted = quote(chunk.valid());
        out.push_str(&quoted[1..quoted.len() - 1]);
        for b in chunk.invalid() {
            out.push_str(&format!("\\x{b:02x}"));
        }
    }
    out.push('"');
    out
}
