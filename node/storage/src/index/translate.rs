//! Go's regex syntax written in that of the `regex-syntax` crate.
//!
//! The two differ in a few places: Perl classes are ASCII in Go; `\Q..\E` is only in Go; sets of classes
//! (`[a&&b]`), verbose mode and a number of escapes are only in Rust; Go allows 1,000 repetitions and refuses to
//! repeat a repetition. Source: <https://github.com/google/re2/wiki/Syntax> and the package `regexp/syntax`.

use std::iter::Peekable;
use std::str::Chars;

const MOST_REPETITIONS: u32 = 1000;

struct Translation<'a> {
    input: Peekable<Chars<'a>>,
    out: String,
    /// Whether what was written last is itself a repetition.
    repeated: bool,
}

/// The same pattern for `regex-syntax`, or why Go would refuse it.
pub(super) fn translate(pattern: &str) -> Result<String, String> {
    let mut t = Translation { input: pattern.chars().peekable(), out: String::new(), repeated: false };
    while let Some(c) = t.input.next() {
        let repeated = std::mem::take(&mut t.repeated);
        match c {
            '\\' => t.escape()?,
            '[' => t.class()?,
            '(' => t.group()?,
            '*' | '+' | '?' => t.repetition(c.to_string(), repeated)?,
            '{' => match t.counted()? {
                Some(counted) => t.repetition(counted, repeated)?,
                None => t.out.push_str("\\{"),
            },
            '}' => t.out.push_str("\\}"),
            ']' => t.out.push_str("\\]"),
            c => t.out.push(c),
        }
    }
    Ok(t.out)
}

impl Translation<'_> {
    fn repetition(&mut self, operator: String, repeated: bool) -> Result<(), String> {
        if repeated {
            return Err("invalid nested repetition operator".into());
        }
        self.out.push_str(&operator);
        if self.input.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.repeated = true;
        Ok(())
    }

    /// The rest of `{n}`, `{n,}` or `{n,m}`; anything else is a brace that stands for itself.
    fn counted(&mut self) -> Result<Option<String>, String> {
        let mut ahead = self.input.clone();
        let text: String = ahead.by_ref().take_while(|c| *c != '}').take(16).collect();
        let closed = self.input.clone().nth(text.chars().count()) == Some('}');
        let mut bounds = text.splitn(2, ',');
        let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
        let (low, high) = (bounds.next().unwrap_or(""), bounds.next());
        if !closed || !digits(low) || high.is_some_and(|h| !h.is_empty() && !digits(h)) {
            return Ok(None);
        }
        let too_many = |s: &str| s.parse::<u32>().map_or(true, |n| n > MOST_REPETITIONS);
        if too_many(low) || high.is_some_and(|h| !h.is_empty() && too_many(h)) {
            return Err("invalid repeat count".into());
        }
        self.input.nth(text.chars().count());
        Ok(Some(format!("{{{text}}}")))
    }

    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        if self.input.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        if self.input.peek() == Some(&'P') || self.input.peek() == Some(&'<') {
            // A name; look-behind has no counterpart and is refused by the parser.
            return Ok(());
        }
        for c in self.input.by_ref() {
            match c {
                ':' | ')' => {
                    self.out.push(c);
                    return Ok(());
                }
                'i' | 'm' | 's' | 'U' | '-' => self.out.push(c),
                c => return Err(format!("invalid or unsupported Perl syntax: `(?{c}`")),
            }
        }
        Err("missing closing )".into())
    }

    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.input.next() else { return Err("trailing backslash at end of expression".into()) };
        match c {
            'Q' => self.quoted(),
            'b' => self.out.push_str("(?-u:\\b)"),
            'B' => self.out.push_str("(?-u:\\B)"),
            'A' | 'z' => self.out.extend(['\\', c]),
            'C' => self.out.push_str("(?s-u:.)"),
            c => {
                if let Some(class) = perl_class(c) {
                    self.out.push_str(&format!("[{class}]"));
                } else {
                    self.character(c)?;
                }
            }
        }
        Ok(())
    }

    /// Escapes that mean the same inside and outside a class.
    fn character(&mut self, c: char) -> Result<(), String> {
        match c {
            'a' | 'f' | 't' | 'n' | 'r' | 'v' => self.out.extend(['\\', c]),
            'x' | 'p' | 'P' => {
                self.out.extend(['\\', c]);
                // The name or number in braces is no repetition; what is wrong in it the parser says.
                if self.input.peek() == Some(&'{') {
                    for c in self.input.by_ref() {
                        self.out.push(c);
                        if c == '}' {
                            break;
                        }
                    }
                }
            }
            // Octal: `\0` and up to two digits, or a non-zero digit with two more after it.
            '0'..='7' => {
                let digit = |d: &char| d.is_digit(8);
                let mut text = String::from(c);
                while text.len() < 3
                    && let Some(d) = self.input.next_if(digit)
                {
                    text.push(d);
                }
                if c != '0' && text.len() < 2 {
                    return Err(format!("invalid escape sequence: `\\{c}`"));
                }
                let code = u32::from_str_radix(&text, 8).expect("octal digits alone were taken");
                self.out.push_str(&format!("\\x{{{code:x}}}"));
            }
            c if c.is_ascii_punctuation() && c != '_' => self.literal(c),
            c => return Err(format!("invalid escape sequence: `\\{c}`")),
        }
        Ok(())
    }

    fn literal(&mut self, c: char) {
        if regex_syntax::is_meta_character(c) {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn quoted(&mut self) {
        while let Some(c) = self.input.next() {
            if c == '\\' && self.input.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.input.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.input.next() else { return Err("missing closing ]".into()) };
            match c {
                ']' if !first => break,
                '\\' => {
                    let Some(c) = self.input.next() else {
                        return Err("trailing backslash at end of expression".into());
                    };
                    match perl_class(c) {
                        Some(class) if class.starts_with('^') => self.out.push_str(&format!("[{class}]")),
                        Some(class) => self.out.push_str(class),
                        None => self.character(c)?,
                    }
                }
                '[' if self.input.peek() == Some(&':') => self.named_class(),
                '-' => self.out.push('-'),
                c => self.literal(c),
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// `[:alpha:]` is passed on; a bracket that begins no such class stands for itself.
    fn named_class(&mut self) {
        let text: String = self.input.clone().take_while(|c| *c != ']').collect();
        if text.len() > 2 && text.ends_with(':') {
            self.out.push('[');
            self.out.push_str(&text);
            self.out.push(']');
            self.input.nth(text.chars().count());
        } else {
            self.out.push_str("\\[");
        }
    }
}

/// Go's Perl classes hold ASCII alone.
fn perl_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "0-9",
        'D' => "^0-9",
        's' => "\\t\\n\\x0C\\r ",
        'S' => "^\\t\\n\\x0C\\r ",
        'w' => "0-9A-Za-z_",
        'W' => "^0-9A-Za-z_",
        _ => return None,
    })
}
