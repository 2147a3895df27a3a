//! What may follow an operator (`on`, `group_left`, `fill`) or an operand (`[5m]`, `offset`, `@`).

use super::token::{Keyword, Token};
use super::{Node, Parser};
use crate::ast::{At, BinaryOp, Cardinality, Expr, Kind, Length, Matching, Span, Subquery};
use crate::error::ParseError;

impl Parser<'_> {
    pub(super) fn matching(&mut self, start: Span) -> Result<Matching, ParseError> {
        let mut matching = Matching::default();
        let on = self.accept_keyword(Keyword::On);
        if on || self.accept_keyword(Keyword::Ignoring) {
            matching.on = on;
            matching.labels = self.label_list()?;
            let card = match self.peek() {
                Token::Keyword(Keyword::GroupLeft) => Some(Cardinality::ManyToOne),
                Token::Keyword(Keyword::GroupRight) => Some(Cardinality::OneToMany),
                _ => None,
            };
            if let Some(card) = card {
                self.next();
                matching.card = card;
                if self.peek() == Token::LeftParen {
                    matching.include = self.label_list()?;
                }
            }
        }
        self.fills(&mut matching)?;
        if matching.fill_left.is_some() || matching.fill_right.is_some() {
            self.require_experimental(start, "binop fill modifier")?;
        }
        Ok(matching)
    }

    fn fills(&mut self, matching: &mut Matching) -> Result<(), ParseError> {
        if self.accept_keyword(Keyword::Fill) {
            let value = self.fill_value()?;
            (matching.fill_left, matching.fill_right) = (Some(value), Some(value));
            return Ok(());
        }
        loop {
            if matching.fill_left.is_none() && self.accept_keyword(Keyword::FillLeft) {
                matching.fill_left = Some(self.fill_value()?);
            } else if matching.fill_right.is_none() && self.accept_keyword(Keyword::FillRight) {
                matching.fill_right = Some(self.fill_value()?);
            } else {
                return Ok(());
            }
        }
    }

    fn fill_value(&mut self) -> Result<f64, ParseError> {
        self.expect(Token::LeftParen, "fill", "\"(\"")?;
        let value = self.signed_number("fill", "number")?;
        self.expect(Token::RightParen, "fill", "\")\"")?;
        Ok(value)
    }

    fn signed_number(&mut self, context: &str, expected: &str) -> Result<f64, ParseError> {
        let minus = match self.peek() {
            Token::Operator(BinaryOp::Sub) => Some(true),
            Token::Operator(BinaryOp::Add) => Some(false),
            _ => None,
        };
        if minus.is_some() {
            self.next();
        }
        if !matches!(self.peek(), Token::Number | Token::Duration) {
            return Err(self.unexpected(context, expected));
        }
        let lexeme = self.next();
        let (value, _) = self.number(lexeme)?;
        Ok(if minus == Some(true) { -value } else { value })
    }

    pub(super) fn postfix(&mut self, mut node: Node) -> Result<Node, ParseError> {
        loop {
            match self.peek() {
                Token::LeftBracket => node = self.range(node)?,
                Token::At => {
                    self.next();
                    self.at(&mut node.expr)?;
                }
                Token::Keyword(Keyword::Offset) => {
                    self.next();
                    let offset = self.offset_length()?;
                    self.set_offset(&mut node.expr, offset)?;
                }
                Token::Keyword(k @ (Keyword::Anchored | Keyword::Smoothed)) => {
                    self.next();
                    self.extend(&mut node.expr, k == Keyword::Anchored)?;
                }
                _ => return Ok(node),
            }
            node.expr.span.end = self.last_end();
        }
    }

    fn range(&mut self, node: Node) -> Result<Node, ParseError> {
        let open = self.next();
        if !self.starts_length() {
            let expected = "number, duration, step(), or range()";
            return Err(self.unexpected("subquery or range selector", expected));
        }
        let range = self.positive_length()?;
        if self.accept(Token::Colon) {
            let step = if self.peek() == Token::RightBracket {
                None
            } else if self.starts_length() {
                Some(self.positive_length()?)
            } else {
                let expected = "number, duration, step(), range(), or \"]\"";
                return Err(self.unexpected("subquery selector", expected));
            };
            let close = self.expect(Token::RightBracket, "subquery selector", "\"]\"")?;
            let span = node.expr.span.to(close.span);
            let subquery = Subquery { expr: node.expr, range, step, offset: None, at: At::None };
            let kind = Kind::Subquery(Box::new(subquery));
            if node.depth + 1 > super::MAX_DEPTH {
                return Err(self.too_deep());
            }
            return Ok(Node { expr: Expr { kind, span }, depth: node.depth + 1 });
        }
        let close = self.expect(Token::RightBracket, "subquery or range", "\":\" or \"]\"")?;
        let Kind::Selector(selector) = node.expr.kind else {
            return Err(self.error(open.span.to(close.span), "ranges only allowed for vector selectors"));
        };
        if selector.offset.is_some() {
            return Err(self.error(open.span.to(close.span), "no offset modifiers allowed before range"));
        }
        if selector.at != At::None {
            return Err(self.error(open.span.to(close.span), "no @ modifiers allowed before range"));
        }
        let span = node.expr.span.to(close.span);
        Ok(Node { expr: Expr { kind: Kind::Matrix { selector, range }, span }, depth: node.depth })
    }

    fn at(&mut self, expr: &mut Expr) -> Result<(), ParseError> {
        let keyword = match self.peek() {
            Token::Keyword(Keyword::Start) => Some(At::Start),
            Token::Keyword(Keyword::End) => Some(At::End),
            _ => None,
        };
        let at = if let Some(at) = keyword {
            self.next();
            self.expect(Token::LeftParen, "@", "\"(\"")?;
            self.expect(Token::RightParen, "@", "\")\"")?;
            at
        } else {
            let seconds = self.signed_number("@", "timestamp")?;
            if !seconds.is_finite() || seconds.abs() >= i64::MAX as f64 / 1000.0 {
                let message = format!("timestamp out of bounds for @ modifier: {seconds}");
                return Err(self.error(expr.span, message));
            }
            At::Time((seconds * 1000.0).round() as i64)
        };
        let slot = match &mut expr.kind {
            Kind::Selector(s) | Kind::Matrix { selector: s, .. } => &mut s.at,
            Kind::Subquery(s) => &mut s.at,
            _ => {
                let message = "@ modifier must be preceded by an instant vector selector \
                               or range vector selector or a subquery";
                return Err(self.error(expr.span, message));
            }
        };
        if *slot != At::None {
            return Err(self.error(expr.span, "@ <timestamp> may not be set multiple times"));
        }
        *slot = at;
        Ok(())
    }

    fn set_offset(&self, expr: &mut Expr, offset: Length) -> Result<(), ParseError> {
        let slot = match &mut expr.kind {
            Kind::Selector(s) | Kind::Matrix { selector: s, .. } => &mut s.offset,
            Kind::Subquery(s) => &mut s.offset,
            _ => {
                let message = "offset modifier must be preceded by an instant vector selector \
                               or range vector selector or a subquery";
                return Err(self.error(expr.span, message));
            }
        };
        if slot.is_some() {
            return Err(self.error(expr.span, "offset may not be set multiple times"));
        }
        if offset != Length::Fixed(0) {
            *slot = Some(offset);
        }
        Ok(())
    }

    fn extend(&self, expr: &mut Expr, anchored: bool) -> Result<(), ParseError> {
        let name = if anchored { "anchored" } else { "smoothed" };
        self.require_experimental(expr.span, &format!("{name} modifier"))?;
        match &mut expr.kind {
            Kind::Selector(s) | Kind::Matrix { selector: s, .. } => {
                if anchored {
                    s.anchored = true;
                } else {
                    s.smoothed = true;
                }
                if s.anchored && s.smoothed {
                    let message = "anchored and smoothed modifiers cannot be used together";
                    return Err(self.error(expr.span, message));
                }
                Ok(())
            }
            Kind::Subquery(_) => {
                Err(self.error(expr.span, format!("{name} modifier is not supported for subqueries")))
            }
            _ => Err(self.error(expr.span, format!("{name} modifier not implemented"))),
        }
    }
}
