//! Vector selectors: a name, matchers in braces, or both.

use super::Parser;
use super::token::{Keyword, Token};
use crate::ast::{BinaryOp, Expr, Kind, Selector};
use crate::error::ParseError;
use crate::regex;
use plimsoll_model::{METRIC_NAME, MatchOp, Matcher};

/// Whether a word may be a metric's name where an operand is expected.
fn is_metric_name(token: Token) -> bool {
    match token {
        Token::Identifier | Token::MetricIdentifier | Token::Aggregator(_) => true,
        Token::Operator(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless) => true,
        Token::Keyword(k) => !matches!(
            k,
            Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
        ),
        _ => false,
    }
}

impl Parser<'_> {
    pub(super) fn vector_selector(&mut self) -> Result<Expr, ParseError> {
        let first = self.lexeme();
        let mut selector = Selector::default();
        if is_metric_name(first.token) {
            self.next();
            selector.name = self.text(first.span).to_owned();
        } else if first.token != Token::LeftBrace {
            return Err(self.unexpected("", ""));
        }
        let mut span = first.span;
        if self.accept(Token::LeftBrace) {
            self.matchers(&mut selector.matchers)?;
            span.end = self.last_end();
        }
        if !selector.name.is_empty() {
            selector.matchers.push(Matcher::equal(METRIC_NAME, selector.name.clone()));
        }
        Ok(Expr { kind: Kind::Selector(selector), span })
    }

    fn matchers(&mut self, out: &mut Vec<Matcher>) -> Result<(), ParseError> {
        const CONTEXT: &str = "label matching";
        while !self.accept(Token::RightBrace) {
            let name = self.lexeme();
            let quoted = name.token == Token::Text;
            if !quoted && name.token != Token::Identifier {
                return Err(self.unexpected(CONTEXT, "identifier or \"}\""));
            }
            self.next();
            let label = if quoted { self.utf8_literal(name)? } else { self.text(name.span).to_owned() };
            let op = match self.peek() {
                Token::Assign => Some(MatchOp::Equal),
                Token::Operator(BinaryOp::NotEqual) => Some(MatchOp::NotEqual),
                Token::Matches => Some(MatchOp::Regex),
                Token::MatchesNot => Some(MatchOp::NotRegex),
                _ => None,
            };
            match op {
                Some(op) => {
                    self.next();
                    let value = self.expect(Token::Text, CONTEXT, "string")?;
                    let matcher = Matcher::new(label, op, self.utf8_literal(value)?);
                    if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
                        regex::Pattern::new(&matcher.value)
                            .map_err(|reason| self.error(name.span.to(value.span), reason))?;
                    }
                    out.push(matcher);
                }
                // A quoted text alone is the metric's name.
                None if quoted => out.push(Matcher::equal(METRIC_NAME, label)),
                None => return Err(self.unexpected(CONTEXT, "label matching operator")),
            }
            if !self.accept(Token::Comma) && self.peek() != Token::RightBrace {
                return Err(self.unexpected(CONTEXT, "\",\" or \"}\""));
            }
        }
        Ok(())
    }
}
