//! Cuts a template into texts and actions, and an action into words.

use super::Error;

/// A piece of a template.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    /// What stands between `{{` and `}}`, and its line.
    Action(&'a str, usize),
}

/// A word of an action.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name: a keyword, a function, `true`, `nil`.
    Word(String),
    /// `.name`, right after what it belongs to or not.
    Field(String, bool),
    /// `$name`.
    Variable(String),
    Text(String),
    Int(i64),
    Float(f64),
    /// `.` alone.
    Dot,
    Pipe,
    Open,
    Close,
    Comma,
    Declare,
    Assign,
}

/// The texts and actions, with the blanks gone that `{{-` and `-}}` take away, and without comments.
pub(super) fn pieces(source: &str) -> Result<Vec<Piece<'_>>, Error> {
    let mut out = Vec::new();
    let mut rest = source;
    let mut trim_next = false;
    loop {
        let start = rest.find("{{");
        let mut text = &rest[..start.unwrap_or(rest.len())];
        if trim_next {
            text = text.trim_start_matches(BLANKS);
        }
        let Some(start) = start else {
            if !text.is_empty() {
                out.push(Piece::Text(text));
            }
            return Ok(out);
        };
        let line = source[..source.len() - rest.len() + start].matches('\n').count() + 1;
        let mut inner = &rest[start + 2..];
        if let Some(trimmed) = inner.strip_prefix('-').filter(|t| t.starts_with(BLANKS)) {
            inner = trimmed;
            text = text.trim_end_matches(BLANKS);
        }
        if !text.is_empty() {
            out.push(Piece::Text(text));
        }
        let comment = inner.trim_start_matches(BLANKS).starts_with("/*");
        let end = if comment { comment_end(inner) } else { action_end(inner) };
        let end = end.ok_or_else(|| Error::new(format!("line {line}: unclosed action")))?;
        let mut action = &inner[..end];
        trim_next = action.ends_with('-') && action[..action.len() - 1].ends_with(BLANKS)
            || comment && action.ends_with('-');
        if trim_next {
            action = &action[..action.len() - 1];
        }
        if !comment {
            out.push(Piece::Action(action, line));
        }
        rest = &inner[end + 2..];
    }
}

const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

fn comment_end(inner: &str) -> Option<usize> {
    let after = inner.find("*/")? + 2;
    inner[after..].find("}}").map(|at| after + at)
}

/// Where `}}` stands outside of quotes.
fn action_end(inner: &str) -> Option<usize> {
    let bytes = inner.as_bytes();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Some(at),
            quote @ (b'"' | b'`' | b'\'') => at = quoted_end(bytes, at, quote)?,
            _ => at += 1,
        }
    }
    None
}

/// One past the closing quote of the literal at `at`.
fn quoted_end(bytes: &[u8], at: usize, quote: u8) -> Option<usize> {
    let mut end = at + 1;
    while end < bytes.len() {
        match bytes[end] {
            b'\\' if quote != b'`' => end += 1,
            b'\n' if quote != b'`' => return None,
            b if b == quote => return Some(end + 1),
            _ => {}
        }
        end += 1;
    }
    None
}

/// The words of an action.
pub(super) fn tokens(action: &str) -> Result<Vec<Token>, Error> {
    let bytes = action.as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    let word_end = |from: usize| {
        let end = action[from..].find(|c: char| !c.is_alphanumeric() && c != '_');
        end.map_or(action.len(), |n| from + n)
    };
    while at < bytes.len() {
        let after_blank = at == 0 || BLANKS.contains(&(bytes[at - 1] as char));
        match bytes[at] {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'|' => single(&mut out, Token::Pipe, &mut at),
            b'(' => single(&mut out, Token::Open, &mut at),
            b')' => single(&mut out, Token::Close, &mut at),
            b',' => single(&mut out, Token::Comma, &mut at),
            b'=' => single(&mut out, Token::Assign, &mut at),
            b':' if bytes.get(at + 1) == Some(&b'=') => {
                out.push(Token::Declare);
                at += 2;
            }
            b'"' | b'`' | b'\'' => {
                let end = quoted_end(bytes, at, bytes[at])
                    .ok_or_else(|| Error::new("unterminated quoted string"))?;
                out.push(literal(&action[at..end])?);
                at = end;
            }
            b'$' => {
                let end = word_end(at + 1);
                out.push(Token::Variable(action[at + 1..end].to_owned()));
                at = end;
            }
            b'.' if !bytes.get(at + 1).is_some_and(u8::is_ascii_digit) => {
                let end = word_end(at + 1);
                if end == at + 1 {
                    out.push(Token::Dot);
                } else {
                    out.push(Token::Field(action[at + 1..end].to_owned(), !after_blank));
                }
                at = end;
            }
            b'0'..=b'9' | b'.' | b'+' | b'-' => {
                let end = number_end(bytes, at);
                out.push(number(&action[at..end])?);
                at = end;
            }
            _ => {
                let end = word_end(at);
                if end == at {
                    let c = action[at..].chars().next().unwrap_or('?');
                    return Err(Error::new(format!("unexpected {c:?} in action")));
                }
                out.push(Token::Word(action[at..end].to_owned()));
                at = end;
            }
        }
    }
    Ok(out)
}

fn single(out: &mut Vec<Token>, token: Token, at: &mut usize) {
    out.push(token);
    *at += 1;
}

fn number_end(bytes: &[u8], start: usize) -> usize {
    let mut end = start + 1;
    while end < bytes.len() {
        let sign = matches!(bytes[end], b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
        if !(bytes[end].is_ascii_alphanumeric() || bytes[end] == b'.' || bytes[end] == b'_' || sign) {
            break;
        }
        end += 1;
    }
    end
}

fn number(text: &str) -> Result<Token, Error> {
    let clean = text.replace('_', "");
    let hex = clean.strip_prefix("0x").or(clean.strip_prefix("0X"));
    if let Some(n) = hex.and_then(|h| i64::from_str_radix(h, 16).ok()) {
        return Ok(Token::Int(n));
    }
    if let Ok(n) = clean.parse::<i64>() {
        return Ok(Token::Int(n));
    }
    let word = clean.trim_start_matches(['+', '-']);
    match clean.parse::<f64>() {
        Ok(v) if word.starts_with(|c: char| c.is_ascii_digit() || c == '.') => Ok(Token::Float(v)),
        _ => Err(Error::new(format!("bad number syntax: {text:?}"))),
    }
}

/// A literal of Go: interpreted, raw, or a character, which is a number.
fn literal(text: &str) -> Result<Token, Error> {
    let inner = &text[1..text.len() - 1];
    if text.starts_with('`') {
        return Ok(Token::Text(inner.replace('\r', "")));
    }
    let mut out = String::new();
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            let c = escaped(&mut chars).ok_or_else(|| Error::new(format!("invalid syntax in {text}")))?;
            out.push(c);
        } else {
            out.push(c);
        }
    }
    if text.starts_with('\'') {
        let mut all = out.chars();
        return match (all.next(), all.next()) {
            (Some(c), None) => Ok(Token::Int(i64::from(u32::from(c)))),
            _ => Err(Error::new(format!("malformed character constant: {text}"))),
        };
    }
    Ok(Token::Text(out))
}

/// The character that an escape stands for.
fn escaped(chars: &mut std::str::Chars<'_>) -> Option<char> {
    let kind = chars.next()?;
    let mut code = |first: &str, n: usize, radix: u32| {
        let more: String = chars.by_ref().take(n).collect();
        u32::from_str_radix(&format!("{first}{more}"), radix).ok().and_then(char::from_u32)
    };
    match kind {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        'a' => Some('\u{7}'),
        'b' => Some('\u{8}'),
        'f' => Some('\u{c}'),
        'v' => Some('\u{b}'),
        '\\' | '"' | '\'' => Some(kind),
        'x' => code("", 2, 16),
        'u' => code("", 4, 16),
        'U' => code("", 8, 16),
        '0'..='7' => code(kind.encode_utf8(&mut [0; 4]), 2, 8),
        _ => None,
    }
}
