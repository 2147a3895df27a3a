//! Cuts a query's text into tokens.
//!
//! What a character means depends on where it stands: inside braces words are label names, inside brackets
//! only lengths and a colon are expected.

use super::token::{Keyword, Lexeme, Token, word};
use crate::ast::{BinaryOp, Span};

pub(crate) struct Lexer<'a> {
    input: &'a str,
    at: usize,
    parens: usize,
    in_braces: bool,
    in_brackets: bool,
    colon_seen: bool,
    length_seen: bool,
    /// Why the last token is [`Token::Bad`].
    pub(crate) reason: String,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(input: &'a str) -> Self {
        Self {
            input,
            at: 0,
            parens: 0,
            in_braces: false,
            in_brackets: false,
            colon_seen: false,
            length_seen: false,
            reason: String::new(),
        }
    }

    /// All tokens; the last one is `End` or `Bad`.
    pub(crate) fn run(&mut self) -> Vec<Lexeme> {
        let mut out = Vec::new();
        loop {
            let lexeme = self.next();
            out.push(lexeme);
            if matches!(lexeme.token, Token::End | Token::Bad) {
                return out;
            }
        }
    }

    fn peek(&self) -> Option<char> {
        self.input[self.at..].chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, c: char) -> bool {
        let found = self.peek() == Some(c);
        if found {
            self.bump();
        }
        found
    }

    fn skip_blank(&mut self) {
        let bytes = self.input.as_bytes();
        while let Some(&b) = bytes.get(self.at) {
            match b {
                b' ' | b'\t' | b'\n' | b'\r' => self.at += 1,
                b'#' if !self.in_brackets => {
                    while bytes.get(self.at).is_some_and(|b| *b != b'\n' && *b != b'\r') {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn next(&mut self) -> Lexeme {
        self.skip_blank();
        let start = self.at;
        let token = match self.token(start) {
            Ok(token) => token,
            Err(reason) => {
                self.reason = reason;
                return Lexeme { token: Token::Bad, span: Span { start, end: self.input.len() } };
            }
        };
        Lexeme { token, span: Span { start, end: self.at } }
    }

    fn token(&mut self, start: usize) -> Result<Token, String> {
        let Some(c) = self.bump() else {
            return self.end();
        };
        if c == '"' || c == '\'' {
            self.quoted(c)?;
            return Ok(Token::Text);
        }
        if c == '`' {
            return self.raw();
        }
        if self.in_braces { self.inside_braces(c) } else { self.outside_braces(c, start) }
    }

    fn end(&self) -> Result<Token, String> {
        if self.in_braces {
            Err("unexpected end of input inside braces".into())
        } else if self.parens > 0 {
            Err("unclosed left parenthesis".into())
        } else if self.in_brackets {
            Err("unclosed left bracket".into())
        } else {
            Ok(Token::End)
        }
    }

    fn inside_braces(&mut self, c: char) -> Result<Token, String> {
        match c {
            'a'..='z' | 'A'..='Z' | '_' => {
                self.word_end();
                Ok(Token::Identifier)
            }
            ',' => Ok(Token::Comma),
            '=' if self.accept('~') => Ok(Token::Matches),
            '=' => Ok(Token::Assign),
            '!' if self.accept('~') => Ok(Token::MatchesNot),
            '!' if self.accept('=') => Ok(Token::Operator(BinaryOp::NotEqual)),
            '!' => Err(format!("unexpected character after '!' inside braces: {:?}", self.peek_or_nul())),
            '{' => Err("unexpected left brace '{'".into()),
            '}' => {
                self.in_braces = false;
                Ok(Token::RightBrace)
            }
            c => Err(format!("unexpected character inside braces: {c:?}")),
        }
    }

    fn outside_braces(&mut self, c: char, start: usize) -> Result<Token, String> {
        let operator = |op| Ok(Token::Operator(op));
        match c {
            ',' => Ok(Token::Comma),
            '*' => operator(BinaryOp::Mul),
            '/' => operator(BinaryOp::Div),
            '%' => operator(BinaryOp::Mod),
            '+' => operator(BinaryOp::Add),
            '-' => operator(BinaryOp::Sub),
            '^' => operator(BinaryOp::Pow),
            '@' => Ok(Token::At),
            '=' if self.accept('=') => operator(BinaryOp::Equal),
            '=' if self.peek() == Some('~') => Err("unexpected character after '=': '~'".into()),
            '=' => Ok(Token::Assign),
            '!' if self.accept('=') => operator(BinaryOp::NotEqual),
            '!' => Err(format!("unexpected character after '!': {:?}", self.peek_or_nul())),
            '<' if self.accept('=') => operator(BinaryOp::LessEqual),
            '<' if self.accept('/') => operator(BinaryOp::TrimUpper),
            '<' => operator(BinaryOp::Less),
            '>' if self.accept('=') => operator(BinaryOp::GreaterEqual),
            '>' if self.accept('/') => operator(BinaryOp::TrimLower),
            '>' => operator(BinaryOp::Greater),
            '0'..='9' => self.number(start),
            '.' if self.peek().is_some_and(|d| d.is_ascii_digit()) => self.number(start),
            '(' | ')' | '{' | '[' | ']' => self.bracket(c),
            'a'..='z' | 'A'..='Z' | '_' | ':' if self.in_brackets => self.word_in_brackets(c, start),
            'a'..='z' | 'A'..='Z' | '_' | ':' => Ok(self.word(start)),
            c => Err(format!("unexpected character: {c:?}")),
        }
    }

    fn bracket(&mut self, c: char) -> Result<Token, String> {
        match c {
            '(' => {
                self.parens += 1;
                Ok(Token::LeftParen)
            }
            ')' => {
                self.parens = self.parens.checked_sub(1).ok_or("unexpected right parenthesis ')'")?;
                Ok(Token::RightParen)
            }
            '{' => {
                self.in_braces = true;
                Ok(Token::LeftBrace)
            }
            '[' if self.in_brackets => Err("unexpected left bracket '['".into()),
            '[' => {
                self.in_brackets = true;
                self.colon_seen = false;
                self.length_seen = false;
                Ok(Token::LeftBracket)
            }
            _ if !self.in_brackets => Err("unexpected right bracket ']'".into()),
            _ => {
                self.in_brackets = false;
                Ok(Token::RightBracket)
            }
        }
    }

    fn word_in_brackets(&mut self, c: char, start: usize) -> Result<Token, String> {
        if c == ':' {
            if self.colon_seen {
                return Err("unexpected colon ':'".into());
            }
            if !self.length_seen {
                return Err("unexpected colon before duration in duration expression".into());
            }
            self.colon_seen = true;
            return Ok(Token::Colon);
        }
        self.word_end();
        match word(&self.input[start..self.at]) {
            Some(Token::Keyword(k)) if k.is_function() && !matches!(k, Keyword::Start | Keyword::End) => {
                self.length_seen = true;
                Ok(Token::Keyword(k))
            }
            _ => Err(format!("unexpected character in duration expression: {c:?}")),
        }
    }

    fn word(&mut self, start: usize) -> Token {
        let bytes = self.input.as_bytes();
        while bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_' || *b == b':') {
            self.at += 1;
        }
        let text = &self.input[start..self.at];
        match word(text) {
            // `fill` and its kin stay usable as metric names: they are keywords only before a parenthesis.
            Some(Token::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.input[self.at..].trim_start().starts_with('(') =>
            {
                Token::Identifier
            }
            Some(token) => token,
            None if text.contains(':') => Token::MetricIdentifier,
            None => Token::Identifier,
        }
    }

    fn word_end(&mut self) {
        let bytes = self.input.as_bytes();
        while bytes.get(self.at).is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_') {
            self.at += 1;
        }
    }

    fn number(&mut self, start: usize) -> Result<Token, String> {
        let rest = &self.input.as_bytes()[start..];
        if self.in_brackets {
            self.length_seen = true;
        }
        if let Some(n) = number_length(rest) {
            self.at = start + n;
            return Ok(Token::Number);
        }
        if let Some(n) = duration_length(rest) {
            self.at = start + n;
            return Ok(Token::Duration);
        }
        let n = rest.iter().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.')).count();
        self.at = start + n;
        Err(format!("bad number or duration syntax: {:?}", &self.input[start..self.at]))
    }

    fn quoted(&mut self, quote: char) -> Result<(), String> {
        loop {
            match self.bump() {
                None | Some('\n') => return Err("unterminated quoted string".into()),
                Some('\\') => {
                    // The escape itself is checked when the text is unquoted.
                    if self.bump().is_none() {
                        return Err("escape sequence not terminated".into());
                    }
                }
                Some(c) if c == quote => return Ok(()),
                Some(_) => {}
            }
        }
    }

    fn raw(&mut self) -> Result<Token, String> {
        match self.input[self.at..].find('`') {
            Some(n) => {
                self.at += n + 1;
                Ok(Token::Text)
            }
            None => Err("unterminated raw string".into()),
        }
    }

    fn peek_or_nul(&self) -> char {
        self.peek().unwrap_or('\0')
    }
}

fn is_word(b: Option<&u8>) -> bool {
    b.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'_')
}

/// Bytes of the number at the start of `s`: decimal, with an exponent, hexadecimal; `_` between digits.
pub(crate) fn number_length(s: &[u8]) -> Option<usize> {
    let hex = s.len() > 1 && s[0] == b'0' && (s[1] | 0x20) == b'x';
    let mut i = if hex { 2 } else { 0 };
    let (mut dot, mut exponent, mut digits) = (false, false, false);
    while let Some(&b) = s.get(i) {
        match b {
            b'0'..=b'9' => digits = true,
            b'a'..=b'f' | b'A'..=b'F' if hex => digits = true,
            b'.' if hex || dot || exponent => return None,
            b'.' => {
                dot = true;
                if matches!(s.get(i + 1), Some(b'_' | b'.')) {
                    return None;
                }
            }
            b'_' => {
                let before = hex && i == 2 || i > 0 && s[i - 1].is_ascii_hexdigit();
                if !before || !s.get(i + 1).is_some_and(u8::is_ascii_hexdigit) {
                    return None;
                }
            }
            b'e' | b'E' if !hex => {
                if exponent || !digits {
                    return None;
                }
                exponent = true;
                if matches!(s.get(i + 1), Some(b'+' | b'-')) {
                    i += 1;
                }
                if !s.get(i + 1).is_some_and(u8::is_ascii_digit) {
                    return None;
                }
            }
            _ => break,
        }
        i += 1;
    }
    (digits && !is_word(s.get(i))).then_some(i)
}

/// Bytes of the duration at the start of `s`, such as `1h30m`; units are checked for order later.
pub(crate) fn duration_length(s: &[u8]) -> Option<usize> {
    let mut i = 0;
    loop {
        let digits = s[i..].iter().take_while(|b| b.is_ascii_digit()).count();
        if digits == 0 {
            return (i > 0 && !is_word(s.get(i))).then_some(i);
        }
        i += digits;
        match s.get(i) {
            Some(b'm') if s.get(i + 1) == Some(&b's') => i += 2,
            Some(b's' | b'm' | b'h' | b'd' | b'w' | b'y') => i += 1,
            _ => return None,
        }
    }
}

/// Milliseconds of a duration such as `1h30m`: units in falling order, each once.
pub(crate) fn duration_ms(text: &str) -> Option<i64> {
    const UNITS: [(&str, i64); 7] = [
        ("y", 365 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1000),
        ("ms", 1),
    ];
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut next_unit = 0;
    let mut total = 0i64;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = UNITS.iter().position(|(name, _)| *name == &rest[..letters])?;
        if unit < next_unit {
            return None;
        }
        next_unit = unit + 1;
        total = total.checked_add(value.checked_mul(UNITS[unit].1)?)?;
        rest = &rest[letters..];
    }
    // Prometheus holds a duration in nanoseconds of an i64.
    (!text.is_empty() && total <= i64::MAX / 1_000_000).then_some(total)
}
