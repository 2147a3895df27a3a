//! JSON read in place. Nothing recurses: what is not asked for is passed over by counting brackets.

use std::borrow::Cow;

type Result<T> = std::result::Result<T, &'static str>;

/// Calls `visit` with the key, as it stands between its quotes, and the value of each member of an object.
pub(super) fn members<'a>(
    object: &'a [u8],
    mut visit: impl FnMut(&'a [u8], &'a [u8]) -> Result<()>,
) -> Result<()> {
    let mut cursor = Cursor(object);
    cursor.expect(b'{', "an object must begin with {")?;
    if cursor.eat(b'}') {
        return cursor.end();
    }
    loop {
        let key = cursor.string()?;
        cursor.expect(b':', "a key must be followed by a colon")?;
        visit(key, cursor.value()?)?;
        if !cursor.eat(b',') {
            cursor.expect(b'}', "members must be separated by commas")?;
            return cursor.end();
        }
    }
}

/// Goes through the values of an array.
#[derive(Clone)]
pub(super) struct Elements<'a> {
    cursor: Cursor<'a>,
    first: bool,
    done: bool,
}

impl<'a> Elements<'a> {
    pub(super) fn of(array: &'a [u8]) -> Result<Self> {
        let mut cursor = Cursor(array);
        cursor.expect(b'[', "an array must begin with [")?;
        Ok(Self { cursor, first: true, done: false })
    }

    fn step(&mut self) -> Result<Option<&'a [u8]>> {
        if self.first && self.cursor.eat(b']') {
            self.cursor.end()?;
            return Ok(None);
        }
        if !self.first && !self.cursor.eat(b',') {
            return self.close();
        }
        self.first = false;
        self.cursor.value().map(Some)
    }

    fn close(&mut self) -> Result<Option<&'a [u8]>> {
        self.cursor.expect(b']', "values must be separated by commas")?;
        self.cursor.end()?;
        Ok(None)
    }
}

impl<'a> Iterator for Elements<'a> {
    type Item = Result<&'a [u8]>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.done {
            return None;
        }
        let step = self.step().transpose();
        self.done = !matches!(step, Some(Ok(_)));
        step
    }
}

/// A place in a text; blanks before it do not count.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn eat(&mut self, byte: u8) -> bool {
        let text = self.0.trim_ascii_start();
        let found = text.first() == Some(&byte);
        self.0 = if found { &text[1..] } else { text };
        found
    }

    fn expect(&mut self, byte: u8, why: &'static str) -> Result<()> {
        if self.eat(byte) { Ok(()) } else { Err(why) }
    }

    fn end(&self) -> Result<()> {
        if self.0.trim_ascii_start().is_empty() { Ok(()) } else { Err("there is more behind the end") }
    }

    /// What stands between the quotes of a string, escapes and all.
    fn string(&mut self) -> Result<&'a [u8]> {
        self.expect(b'"', "a string must begin with a quote")?;
        let length = string_length(self.0)?;
        let (text, rest) = self.0.split_at(length);
        self.0 = &rest[1..];
        Ok(text)
    }

    /// A whole value, with its quotes or brackets.
    fn value(&mut self) -> Result<&'a [u8]> {
        let text = self.0.trim_ascii_start();
        let length = match text.first() {
            None => return Err("a value is missing"),
            Some(b'"') => string_length(&text[1..])? + 2,
            Some(b'{' | b'[') => nested_length(text)?,
            Some(_) => scalar_length(text)?,
        };
        let (value, rest) = text.split_at(length);
        self.0 = rest;
        Ok(value)
    }
}

/// Bytes up to the quote that ends a string.
fn string_length(text: &[u8]) -> Result<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..).ok_or("a string is not closed")?;
        at += memchr::memchr2(b'"', b'\\', rest).ok_or("a string is not closed")?;
        if text[at] == b'"' {
            return Ok(at);
        }
        at += 2;
    }
}

fn nested_length(text: &[u8]) -> Result<usize> {
    let (mut at, mut depth) = (0, 0usize);
    while let Some(b) = text.get(at) {
        at += 1;
        match b {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Ok(at);
                }
            }
            b'"' => at += string_length(&text[at..])? + 1,
            _ => {}
        }
    }
    Err("a bracket is not closed")
}

fn scalar_length(text: &[u8]) -> Result<usize> {
    let ends = |b: &u8| matches!(b, b',' | b']' | b'}' | b':' | b'"') || b.is_ascii_whitespace();
    match text.iter().position(ends).unwrap_or(text.len()) {
        0 => Err("a value is missing"),
        n => Ok(n),
    }
}

/// The text of a string value, which stands in quotes.
pub(super) fn text_of(value: &[u8]) -> Result<Cow<'_, [u8]>> {
    let raw = value
        .strip_prefix(b"\"")
        .and_then(|v| v.strip_suffix(b"\""))
        .ok_or("a string must stand in quotes")?;
    unescape(raw)
}

/// A number as JSON writes it; `Infinity` and the like are strings.
pub(super) fn number_of(value: &[u8]) -> Result<f64> {
    let plain = value.iter().all(|b| matches!(b, b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E'));
    let text = std::str::from_utf8(value).map_err(|_| NOT_A_NUMBER)?;
    if plain { text.parse().map_err(|_| NOT_A_NUMBER) } else { Err(NOT_A_NUMBER) }
}

/// A whole number.
pub(super) fn integer_of(value: &[u8]) -> Result<i64> {
    let text = std::str::from_utf8(value).map_err(|_| NOT_A_NUMBER)?;
    text.parse().map_err(|_| "a whole number is expected")
}

const NOT_A_NUMBER: &str = "a number is expected";

/// Undoes the escapes of a JSON string.
pub(super) fn unescape(raw: &[u8]) -> Result<Cow<'_, [u8]>> {
    let Some(first) = memchr::memchr(b'\\', raw) else { return Ok(Cow::Borrowed(raw)) };
    let mut out = raw[..first].to_vec();
    let mut rest = &raw[first..];
    while let Some((&b, tail)) = rest.split_first() {
        rest = tail;
        if b != b'\\' {
            out.push(b);
            continue;
        }
        let (&escape, tail) = rest.split_first().ok_or(BAD_ESCAPE)?;
        rest = tail;
        match escape {
            b'"' | b'\\' | b'/' => out.push(escape),
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let c = take_char(&mut rest)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(BAD_ESCAPE),
        }
    }
    Ok(Cow::Owned(out))
}

const BAD_ESCAPE: &str = "a string has an escape that JSON does not know";

/// The character of `\uXXXX`, of which the second half of a surrogate pair may follow.
fn take_char(rest: &mut &[u8]) -> Result<char> {
    let high = take_hex(rest)?;
    if !(0xd800..0xdc00).contains(&high) {
        return char::from_u32(high).ok_or(BAD_ESCAPE);
    }
    *rest = rest.strip_prefix(b"\\u").ok_or(BAD_ESCAPE)?;
    let low = take_hex(rest)?;
    if !(0xdc00..0xe000).contains(&low) {
        return Err(BAD_ESCAPE);
    }
    char::from_u32(0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00)).ok_or(BAD_ESCAPE)
}

fn take_hex(rest: &mut &[u8]) -> Result<u32> {
    let (digits, tail) = rest.split_at_checked(4).ok_or(BAD_ESCAPE)?;
    *rest = tail;
    digits.iter().try_fold(0, |n, d| Some(n << 4 | (*d as char).to_digit(16)?)).ok_or(BAD_ESCAPE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn keys(object: &[u8]) -> Result<Vec<(&[u8], &[u8])>> {
        let mut out = Vec::new();
        members(object, |k, v| {
            out.push((k, v));
            Ok(())
        })?;
        Ok(out)
    }

    #[test]
    fn members_are_cut_out_whole() {
        let got = keys(br#" { "a" : [1,{"b":"]}"}] , "c\"":null,"d":-1e5 } "#).expect("an object");
        assert_eq!(got, vec![(&b"a"[..], &br#"[1,{"b":"]}"}]"#[..]), (br#"c\""#, b"null"), (b"d", b"-1e5")]);
        assert_eq!(keys(b"{}"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for text in
            ["", "{", "[]", "{,}", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1}x", "{\"a", "{\"a\\"]
        {
            assert!(keys(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["", "[", "[1", "[1,", "[1,]", "[,]", "[1]]", "[1 2]", "[]x", "[\"a]"] {
            let all = Elements::of(text.as_bytes()).and_then(Iterator::collect::<Result<Vec<_>>>);
            assert!(all.is_err(), "{text}: {all:?}");
        }
        let all = Elements::of(b"[ ]").and_then(Iterator::collect::<Result<Vec<_>>>);
        assert_eq!(all, Ok(vec![]));
    }

    #[test]
    fn a_million_brackets_are_no_danger() {
        let deep = [b"{\"a\":".as_slice(), &vec![b'['; 1_000_000], &vec![b']'; 1_000_000], b"}"].concat();
        assert_eq!(keys(&deep).expect("balanced").len(), 1);
        assert!(keys(&deep[..deep.len() - 2]).is_err());
    }

    #[test]
    fn escapes_are_undone() {
        for (raw, want) in [
            (r#""a\"\\\/\b\f\n\r\t""#, Ok("a\"\\/\u{8}\u{c}\n\r\t")),
            (r#""\u00e9\ud83d\ude00""#, Ok("é😀")),
            (r#""\ud83d""#, Err(BAD_ESCAPE)),
            (r#""\ude00""#, Err(BAD_ESCAPE)),
            (r#""\ud83dA""#, Err(BAD_ESCAPE)),
            (r#""\u12""#, Err(BAD_ESCAPE)),
            (r#""\x""#, Err(BAD_ESCAPE)),
        ] {
            let got = text_of(raw.as_bytes()).map(|t| String::from_utf8(t.into_owned()).expect("UTF-8"));
            assert_eq!(got.as_deref().map_err(|e| *e), want, "{raw}");
        }
    }

    proptest! {
        #[test]
        fn every_string_comes_back(text in any::<String>()) {
            let mut json = Vec::new();
            crate::escape::push_json(&mut json, &text);
            prop_assert_eq!(&*text_of(&json).expect("a string"), text.as_bytes());
        }

        #[test]
        fn random_text_never_panics(text in "[\\[\\]{}\",:\\\\0-9a ]{0,40}") {
            let _ = keys(text.as_bytes());
            if let Ok(elements) = Elements::of(text.as_bytes()) {
                prop_assert!(elements.count() <= text.len() + 1);
            }
        }
    }
}
