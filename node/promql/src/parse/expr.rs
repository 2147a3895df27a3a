//! Expressions: operators by precedence, calls, aggregations, parentheses.

use super::token::{Keyword, Lexeme, Token};
use super::{MAX_DEPTH, Node, Parser};
use crate::ast::{Aggregate, AggregateOp, Binary, BinaryOp, Cardinality, Expr, Kind, Span};
use crate::error::ParseError;
use crate::functions::function;

type Parsed = Result<Node, ParseError>;

fn leaf(kind: Kind, span: Span) -> Node {
    Node { expr: Expr { kind, span }, depth: 1 }
}

impl Parser<'_> {
    pub(super) fn expression(&mut self) -> Result<Expr, ParseError> {
        Ok(self.operators(0)?.expr)
    }

    /// Operands joined by operators that bind at least as tightly as `weakest`.
    fn operators(&mut self, weakest: u8) -> Parsed {
        let mut left = self.operand()?;
        while let Token::Operator(op) = self.peek() {
            if op.precedence() < weakest {
                break;
            }
            self.next();
            let mut binary = self.binary_modifiers(op)?;
            // The power is the only operator that associates to the right.
            let next = if op == BinaryOp::Pow { op.precedence() } else { op.precedence() + 1 };
            let right = self.deeper(|p| p.operators(next))?;
            let depth = left.depth.max(right.depth) + 1;
            if depth > MAX_DEPTH {
                return Err(self.too_deep());
            }
            let span = left.expr.span.to(right.expr.span);
            let set = binary.matching.as_mut().filter(|m| op.is_set() && m.card == Cardinality::OneToOne);
            if let Some(matching) = set {
                matching.card = Cardinality::ManyToMany;
            }
            (binary.left, binary.right) = (left.expr, right.expr);
            left = Node { expr: Expr { kind: Kind::Binary(Box::new(binary)), span }, depth };
        }
        Ok(left)
    }

    /// A sign with its operand, or a primary with its modifiers.
    fn operand(&mut self) -> Parsed {
        let lexeme = self.lexeme();
        let minus = match lexeme.token {
            Token::Operator(BinaryOp::Sub) => true,
            Token::Operator(BinaryOp::Add) => false,
            _ => {
                let primary = self.primary()?;
                return self.postfix(primary);
            }
        };
        self.next();
        let inner = self.deeper(|p| p.operators(BinaryOp::Pow.precedence()))?;
        let span = lexeme.span.to(inner.expr.span);
        if let Kind::Number { value, duration } = inner.expr.kind {
            let value = if minus { -value } else { value };
            return Ok(leaf(Kind::Number { value, duration }, span));
        }
        let kind = Kind::Unary { minus, operand: Box::new(inner.expr) };
        self.node(kind, span, inner.depth)
    }

    fn node(&self, kind: Kind, span: Span, inner: usize) -> Parsed {
        if inner + 1 > MAX_DEPTH {
            return Err(self.too_deep());
        }
        Ok(Node { expr: Expr { kind, span }, depth: inner + 1 })
    }

    fn primary(&mut self) -> Parsed {
        let lexeme = self.lexeme();
        let called = self.peek_second() == Token::LeftParen;
        match lexeme.token {
            Token::Number | Token::Duration => {
                self.next();
                let (value, duration) = self.number(lexeme)?;
                Ok(leaf(Kind::Number { value, duration }, lexeme.span))
            }
            Token::Text => {
                self.next();
                let (value, invalid) = self.literal(lexeme)?;
                Ok(leaf(Kind::Text { value, invalid }, lexeme.span))
            }
            Token::LeftParen => {
                self.next();
                let inner = self.deeper(|p| p.operators(0))?;
                let close = self.expect(Token::RightParen, "", "")?;
                self.node(Kind::Paren(Box::new(inner.expr)), lexeme.span.to(close.span), inner.depth)
            }
            Token::Aggregator(op)
                if called || matches!(self.peek_second(), Token::Keyword(Keyword::By | Keyword::Without)) =>
            {
                self.next();
                self.aggregate(op, lexeme.span)
            }
            Token::Identifier if called => self.call(),
            Token::Keyword(k) if called && k.is_function() => self.call(),
            _ => {
                let expr = self.vector_selector()?;
                Ok(Node { expr, depth: 1 })
            }
        }
    }

    fn call(&mut self) -> Parsed {
        let name = self.next();
        let text = self.text(name.span);
        let Some(function) = function(text) else {
            return Err(self.error(name.span, format!("unknown function with name {text:?}")));
        };
        if function.experimental && !self.options.experimental {
            return Err(self.error(name.span, format!("function {text:?} is not enabled")));
        }
        let (args, depth) = self.arguments()?;
        let span = Span { start: name.span.start, end: self.last_end() };
        self.node(Kind::Call { function, args }, span, depth)
    }

    /// Expressions in parentheses, and the depth of the deepest.
    fn arguments(&mut self) -> Result<(Vec<Expr>, usize), ParseError> {
        self.expect(Token::LeftParen, "", "\"(\"")?;
        let (mut args, mut depth) = (Vec::new(), 0);
        if self.accept(Token::RightParen) {
            return Ok((args, depth));
        }
        loop {
            let node = self.deeper(|p| p.operators(0))?;
            depth = depth.max(node.depth);
            args.push(node.expr);
            let lexeme = self.lexeme();
            if self.accept(Token::RightParen) {
                return Ok((args, depth));
            }
            self.expect(Token::Comma, "", "")?;
            if self.peek() == Token::RightParen {
                return Err(self.error(lexeme.span, "trailing commas not allowed in function call args"));
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp, start: Span) -> Parsed {
        let mut grouping = self.grouping()?;
        if self.peek() != Token::LeftParen {
            return Err(self.unexpected("aggregation", ""));
        }
        let (mut args, depth) = self.arguments()?;
        if grouping.is_none() {
            grouping = self.grouping()?;
        }
        let span = Span { start: start.start, end: self.last_end() };
        if matches!(op, AggregateOp::Limitk | AggregateOp::LimitRatio) {
            self.require_experimental(span, op.name())?;
        }
        if args.is_empty() {
            return Err(self.error(span, "no arguments for aggregate expression provided"));
        }
        let wanted = if op.has_param() { 2 } else { 1 };
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(self.error(span, message));
        }
        let expr = args.pop().expect("at least one argument was counted");
        let (without, grouping) = grouping.unwrap_or_default();
        let aggregate = Aggregate { op, without, grouping, param: args.pop(), expr };
        self.node(Kind::Aggregate(Box::new(aggregate)), span, depth)
    }

    /// `by (labels)` or `without (labels)`, if it stands here.
    fn grouping(&mut self) -> Result<Option<(bool, Vec<String>)>, ParseError> {
        let without = match self.peek() {
            Token::Keyword(Keyword::By) => false,
            Token::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.next();
        Ok(Some((without, self.label_list()?)))
    }

    /// Label names in parentheses; a trailing comma is allowed.
    pub(super) fn label_list(&mut self) -> Result<Vec<String>, ParseError> {
        self.expect(Token::LeftParen, "grouping opts", "\"(\"")?;
        let mut labels = Vec::new();
        while !self.accept(Token::RightParen) {
            let lexeme = self.lexeme();
            let name = self.label_name(lexeme)?;
            if name.is_empty() {
                return Err(self.error(lexeme.span, "invalid label name for grouping: \"\""));
            }
            labels.push(name);
            if !self.accept(Token::Comma) && self.peek() != Token::RightParen {
                return Err(self.unexpected("grouping opts", "\",\" or \")\""));
            }
        }
        Ok(labels)
    }

    fn label_name(&mut self, lexeme: Lexeme) -> Result<String, ParseError> {
        let is_word = matches!(
            lexeme.token,
            Token::Identifier | Token::MetricIdentifier | Token::Aggregator(_) | Token::Keyword(_)
        ) || matches!(
            lexeme.token,
            Token::Operator(BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2)
        );
        if lexeme.token == Token::Text {
            self.next();
            return self.utf8_literal(lexeme);
        }
        if !is_word {
            return Err(self.unexpected("grouping opts", "label"));
        }
        self.next();
        Ok(self.text(lexeme.span).to_owned())
    }

    /// What stands between an operator and its right operand. The operands are filled in later.
    fn binary_modifiers(&mut self, op: BinaryOp) -> Result<Binary, ParseError> {
        let start = self.lexeme().span;
        let return_bool = self.accept_keyword(Keyword::Bool);
        let matching = Some(self.matching(start)?);
        let hole = || Expr { kind: Kind::Number { value: 0.0, duration: false }, span: Span::default() };
        Ok(Binary { op, left: hole(), right: hole(), return_bool, matching })
    }
}
