//! Lengths of time: numbers, durations, and arithmetic of them.

use super::Parser;
use super::token::{Keyword, Token};
use crate::ast::{BinaryOp, Length, LengthExpr, LengthKind, LengthOp, Span};
use crate::error::ParseError;

/// Seconds of the longest duration that Prometheus can hold (nanoseconds in an i64).
pub(crate) const LONGEST_SECONDS: f64 = i64::MAX as f64 / 1e9;

fn length_op(token: Token) -> Option<(LengthOp, u8)> {
    let Token::Operator(op) = token else { return None };
    let length_op = match op {
        BinaryOp::Add => LengthOp::Add,
        BinaryOp::Sub => LengthOp::Sub,
        BinaryOp::Mul => LengthOp::Mul,
        BinaryOp::Div => LengthOp::Div,
        BinaryOp::Mod => LengthOp::Mod,
        BinaryOp::Pow => LengthOp::Pow,
        _ => return None,
    };
    Some((length_op, op.precedence()))
}

impl Parser<'_> {
    pub(super) fn starts_length(&self) -> bool {
        match self.peek() {
            Token::Number | Token::Duration | Token::LeftParen => true,
            Token::Operator(BinaryOp::Add | BinaryOp::Sub) => true,
            Token::Keyword(k) => {
                matches!(k, Keyword::Step | Keyword::Range | Keyword::MaxOf | Keyword::MinOf)
            }
            _ => false,
        }
    }

    /// A length that must be more than nothing.
    pub(super) fn positive_length(&mut self) -> Result<Length, ParseError> {
        let expr = self.length_operators(0)?;
        if matches!(expr.kind, LengthKind::Number { value, .. } if value <= 0.0) {
            return Err(self.error(expr.span, "duration must be greater than 0"));
        }
        self.length(expr)
    }

    /// The length after `offset`: one operand, with operators only after an opening parenthesis, since
    /// `foo offset 5m + 3` adds to `foo`.
    pub(super) fn offset_length(&mut self) -> Result<Length, ParseError> {
        if !self.starts_length() {
            return Err(self.unexpected("offset", "number, duration, step(), or range()"));
        }
        let expr = if self.peek() == Token::LeftParen {
            self.length_operators(0)?
        } else {
            self.length_operand(false)?
        };
        self.length(expr)
    }

    fn length(&self, expr: LengthExpr) -> Result<Length, ParseError> {
        match expr.kind {
            LengthKind::Number { value, .. } if !expr.wrapped => {
                let nanoseconds = (value * 1e9).round();
                Ok(Length::Fixed(nanoseconds as i64 / 1_000_000))
            }
            _ => {
                self.require_experimental(expr.span, "duration expression")?;
                Ok(Length::Expr(expr))
            }
        }
    }

    fn length_operators(&mut self, weakest: u8) -> Result<LengthExpr, ParseError> {
        let mut left = self.deeper(|p| p.length_operand(true))?;
        let mut links = 0;
        while let Some((op, precedence)) = length_op(self.peek()) {
            if precedence < weakest {
                break;
            }
            links += 1;
            if links > super::MAX_DEPTH / 4 {
                return Err(self.too_deep());
            }
            let operator = self.next();
            let next = if op == LengthOp::Pow { precedence } else { precedence + 1 };
            let right = self.deeper(|p| p.length_operators(next))?;
            if matches!(right.kind, LengthKind::Number { value: 0.0, .. }) {
                match op {
                    LengthOp::Div => return Err(self.error(operator.span, "division by zero")),
                    LengthOp::Mod => return Err(self.error(operator.span, "modulo by zero")),
                    _ => {}
                }
            }
            let span = left.span.to(right.span);
            let kind = LengthKind::Binary { op, left: Box::new(left), right: Box::new(right) };
            left = LengthExpr { kind, wrapped: false, span };
        }
        Ok(left)
    }

    /// One operand; in brackets a sign reaches over a power, after `offset` it does not.
    fn length_operand(&mut self, sign_takes_power: bool) -> Result<LengthExpr, ParseError> {
        let lexeme = self.lexeme();
        let plain = |kind, span| LengthExpr { kind, wrapped: false, span };
        match lexeme.token {
            Token::Number | Token::Duration => {
                self.next();
                let (value, duration) = self.number(lexeme)?;
                if value.is_nan() || value.abs() > LONGEST_SECONDS {
                    return Err(self.error(lexeme.span, "duration out of range"));
                }
                Ok(plain(LengthKind::Number { value, duration }, lexeme.span))
            }
            Token::Operator(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.next();
                let inner = if sign_takes_power {
                    self.length_operators(BinaryOp::Pow.precedence())?
                } else {
                    self.deeper(|p| p.length_operand(false))?
                };
                Ok(signed(op == BinaryOp::Sub, inner, lexeme.span))
            }
            Token::LeftParen => {
                self.next();
                let inner = self.length_operators(0)?;
                let close = self.expect(Token::RightParen, "duration expression", "\")\"")?;
                Ok(wrap(inner, lexeme.span.to(close.span)))
            }
            Token::Keyword(k @ (Keyword::Step | Keyword::Range)) => {
                self.next();
                self.expect(Token::LeftParen, "duration expression", "\"(\"")?;
                let close = self.expect(Token::RightParen, "duration expression", "\")\"")?;
                let kind = if k == Keyword::Step { LengthKind::Step } else { LengthKind::Range };
                Ok(plain(kind, lexeme.span.to(close.span)))
            }
            Token::Keyword(k @ (Keyword::MaxOf | Keyword::MinOf)) => {
                self.next();
                self.expect(Token::LeftParen, "duration expression", "\"(\"")?;
                let left = Box::new(self.length_operators(0)?);
                self.expect(Token::Comma, "duration expression", "\",\"")?;
                let right = Box::new(self.length_operators(0)?);
                let close = self.expect(Token::RightParen, "duration expression", "\")\"")?;
                let op = if k == Keyword::MaxOf { LengthOp::Max } else { LengthOp::Min };
                Ok(plain(LengthKind::Binary { op, left, right }, lexeme.span.to(close.span)))
            }
            _ => Err(self.unexpected("duration expression", "number, duration, step(), or range()")),
        }
    }
}

fn signed(minus: bool, inner: LengthExpr, sign: Span) -> LengthExpr {
    let span = sign.to(inner.span);
    match inner.kind {
        LengthKind::Number { value, duration } if !inner.wrapped => {
            let value = if minus { -value } else { value };
            LengthExpr { kind: LengthKind::Number { value, duration }, wrapped: false, span }
        }
        _ if !minus => inner,
        _ => {
            let kind = LengthKind::Sign { minus, operand: Box::new(inner) };
            LengthExpr { kind, wrapped: false, span }
        }
    }
}

/// `inner` in parentheses. A bare number is put under a plus so that it stays an expression when printed.
fn wrap(inner: LengthExpr, span: Span) -> LengthExpr {
    match inner.kind {
        LengthKind::Number { .. } => {
            let kind = LengthKind::Sign { minus: false, operand: Box::new(inner) };
            LengthExpr { kind, wrapped: true, span }
        }
        kind => LengthExpr { kind, wrapped: true, span },
    }
}
