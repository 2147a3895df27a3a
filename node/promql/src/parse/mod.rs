//! From the text of a query to its syntax tree: a hand-written lexer and a precedence-climbing parser.
//!
//! Grammar: <https://prometheus.io/docs/prometheus/latest/querying/basics/>, with the experimental parts.

mod check;
mod expr;
mod length;
mod lex;
mod modifiers;
mod selector;
mod token;
mod unquote;

pub(crate) use lex::{duration_length, duration_ms, number_length};
pub(crate) use unquote::{quote, quote_bytes, unquote};

use crate::ast::{Expr, Kind, Selector, Span};
use crate::error::ParseError;
use token::{Keyword, Lexeme, Token, describe};

/// Longest text that is looked at, in bytes: a query is held several times over while it is planned.
pub const MAX_LENGTH: usize = 256 * 1024;

/// Deepest tree: every walk over it recurses, and 2 MiB of stack must do.
pub const MAX_DEPTH: usize = 100;

/// Which parts of the language are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    /// Experimental functions and aggregations, length expressions, `anchored`, `smoothed`, `fill`.
    pub experimental: bool,
}

impl Default for ParseOptions {
    fn default() -> Self {
        Self { experimental: true }
    }
}

/// Parses an expression and checks its types.
pub fn parse(input: &str, options: ParseOptions) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(input, options)?;
    if parser.peek() == Token::End {
        return Err(ParseError::new(input, Span::default(), "no expression found in input"));
    }
    let expr = parser.expression()?;
    if parser.peek() != Token::End {
        return Err(parser.unexpected("", ""));
    }
    check::check(&expr, input)?;
    Ok(expr)
}

/// Parses a selector such as `up{job="x"}` without modifiers, for `match[]`.
pub fn parse_selector(input: &str) -> Result<Vec<plimsoll_model::Matcher>, ParseError> {
    let mut parser = Parser::new(input, ParseOptions::default())?;
    let expr = parser.vector_selector()?;
    if parser.peek() != Token::End {
        return Err(parser.unexpected("", ""));
    }
    check::check(&expr, input)?;
    match expr.kind {
        Kind::Selector(Selector { matchers, .. }) => Ok(matchers),
        _ => Err(ParseError::new(input, expr.span, "expected a vector selector")),
    }
}

/// A tree and how deep it is.
struct Node {
    expr: Expr,
    depth: usize,
}

struct Parser<'a> {
    input: &'a str,
    lexemes: Vec<Lexeme>,
    at: usize,
    reason: String,
    options: ParseOptions,
    nesting: usize,
}

impl<'a> Parser<'a> {
    fn new(input: &'a str, options: ParseOptions) -> Result<Self, ParseError> {
        if input.len() > MAX_LENGTH {
            let message = format!("query is {} bytes long, at most {MAX_LENGTH} are allowed", input.len());
            return Err(ParseError::new("", Span::default(), message));
        }
        let mut lexer = lex::Lexer::new(input);
        let lexemes = lexer.run();
        Ok(Self { input, lexemes, at: 0, reason: lexer.reason, options, nesting: 0 })
    }

    fn lexeme(&self) -> Lexeme {
        self.lexemes[self.at]
    }

    fn peek(&self) -> Token {
        self.lexeme().token
    }

    fn peek_second(&self) -> Token {
        self.lexemes[(self.at + 1).min(self.lexemes.len() - 1)].token
    }

    /// Takes the next token; the last one is never passed.
    fn next(&mut self) -> Lexeme {
        let lexeme = self.lexeme();
        if self.at + 1 < self.lexemes.len() {
            self.at += 1;
        }
        lexeme
    }

    fn accept(&mut self, token: Token) -> bool {
        let found = self.peek() == token;
        if found {
            self.next();
        }
        found
    }

    fn accept_keyword(&mut self, keyword: Keyword) -> bool {
        self.accept(Token::Keyword(keyword))
    }

    fn expect(&mut self, token: Token, context: &str, expected: &str) -> Result<Lexeme, ParseError> {
        if self.peek() == token { Ok(self.next()) } else { Err(self.unexpected(context, expected)) }
    }

    fn text(&self, span: Span) -> &'a str {
        &self.input[span.start..span.end]
    }

    fn error(&self, span: Span, message: impl Into<String>) -> ParseError {
        ParseError::new(self.input, span, message)
    }

    /// The error that the next token does not fit here.
    fn unexpected(&self, context: &str, expected: &str) -> ParseError {
        let lexeme = self.lexeme();
        if lexeme.token == Token::Bad {
            return self.error(lexeme.span, self.reason.clone());
        }
        let mut message = format!("unexpected {}", describe(lexeme.token, self.text(lexeme.span)));
        if !context.is_empty() {
            message.push_str(&format!(" in {context}"));
        }
        if !expected.is_empty() {
            message.push_str(&format!(", expected {expected}"));
        }
        self.error(lexeme.span, message)
    }

    /// The end of the token before this one.
    fn last_end(&self) -> usize {
        if self.at == 0 { 0 } else { self.lexemes[self.at - 1].span.end }
    }

    fn deeper<T>(&mut self, then: impl FnOnce(&mut Self) -> Result<T, ParseError>) -> Result<T, ParseError> {
        self.nesting += 1;
        if self.nesting > MAX_DEPTH {
            return Err(self.too_deep());
        }
        let out = then(self);
        self.nesting -= 1;
        out
    }

    fn too_deep(&self) -> ParseError {
        self.error(self.lexeme().span, format!("query is nested deeper than {MAX_DEPTH} levels"))
    }

    fn require_experimental(&self, span: Span, what: &str) -> Result<(), ParseError> {
        if self.options.experimental {
            return Ok(());
        }
        Err(self.error(span, format!("{what} is experimental and not enabled")))
    }

    /// The value of the text literal `lexeme`, and its bytes when they are not UTF-8.
    fn literal(&self, lexeme: Lexeme) -> Result<(String, Option<Vec<u8>>), ParseError> {
        let bytes = unquote(self.text(lexeme.span)).map_err(|reason| {
            let literal = self.text(lexeme.span);
            self.error(lexeme.span, format!("error unquoting string {literal:?}: {reason}"))
        })?;
        Ok(match String::from_utf8(bytes) {
            Ok(value) => (value, None),
            Err(e) => {
                let bytes = e.into_bytes();
                (String::from_utf8_lossy(&bytes).into_owned(), Some(bytes))
            }
        })
    }

    /// The value of the text literal `lexeme` as a name or label value, which must be UTF-8.
    fn utf8_literal(&self, lexeme: Lexeme) -> Result<String, ParseError> {
        match self.literal(lexeme)? {
            (value, None) => Ok(value),
            _ => Err(self.error(lexeme.span, "a label name or value is not valid UTF-8")),
        }
    }

    /// The value of the number or duration `lexeme`; the flag tells a duration.
    fn number(&self, lexeme: Lexeme) -> Result<(f64, bool), ParseError> {
        let text = self.text(lexeme.span);
        if lexeme.token == Token::Duration {
            return match duration_ms(text) {
                Some(ms) => Ok((ms as f64 / 1000.0, true)),
                None => Err(self.error(lexeme.span, format!("not a valid duration string: {text:?}"))),
            };
        }
        match parse_number(text) {
            Some(value) => Ok((value, false)),
            None => Err(self.error(lexeme.span, format!("error parsing number: {text:?}"))),
        }
    }
}

/// A number as Go's `ParseInt` with base 0, else `ParseFloat`, read it.
pub(crate) fn parse_number(text: &str) -> Option<f64> {
    let clean: String = text.chars().filter(|c| *c != '_').collect();
    let (negative, digits) = match clean.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, clean.strip_prefix('+').unwrap_or(&clean)),
    };
    let lower = digits.to_ascii_lowercase();
    let prefixed = [("0x", 16), ("0b", 2), ("0o", 8)];
    let integer = match prefixed.iter().find(|(prefix, _)| lower.starts_with(prefix)) {
        Some((prefix, base)) => Some(i64::from_str_radix(&lower[prefix.len()..], *base).ok()?),
        None if lower.len() > 1 && lower.starts_with('0') => i64::from_str_radix(&lower[1..], 8).ok(),
        None => None,
    };
    let magnitude = match integer {
        Some(n) => n as f64,
        None if matches!(lower.as_str(), "inf" | "infinity" | "nan") => lower.parse().ok()?,
        None if lower.starts_with(|c: char| c.is_ascii_digit() || c == '.') => lower.parse().ok()?,
        None => return None,
    };
    Some(if negative { -magnitude } else { magnitude })
}
