//! The words of PromQL's text.

use crate::ast::{AggregateOp, BinaryOp, Span};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    End,
    /// The rest of the input makes no token; the lexer keeps the reason.
    Bad,
    Identifier,
    /// An identifier with a colon.
    MetricIdentifier,
    Number,
    Duration,
    Text,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Assign,
    Matches,
    MatchesNot,
    At,
    Operator(BinaryOp),
    Aggregator(AggregateOp),
    Keyword(Keyword),
}

/// Words with a meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keyword {
    Bool,
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Fill,
    FillLeft,
    FillRight,
    Offset,
    Anchored,
    Smoothed,
    Start,
    End,
    Step,
    Range,
    MaxOf,
    MinOf,
}

const KEYWORDS: [(&str, Keyword); 19] = [
    ("bool", Keyword::Bool),
    ("by", Keyword::By),
    ("without", Keyword::Without),
    ("on", Keyword::On),
    ("ignoring", Keyword::Ignoring),
    ("group_left", Keyword::GroupLeft),
    ("group_right", Keyword::GroupRight),
    ("fill", Keyword::Fill),
    ("fill_left", Keyword::FillLeft),
    ("fill_right", Keyword::FillRight),
    ("offset", Keyword::Offset),
    ("anchored", Keyword::Anchored),
    ("smoothed", Keyword::Smoothed),
    ("start", Keyword::Start),
    ("end", Keyword::End),
    ("step", Keyword::Step),
    ("range", Keyword::Range),
    ("max_of", Keyword::MaxOf),
    ("min_of", Keyword::MinOf),
];

impl Keyword {
    /// Whether a function has this name.
    pub(crate) fn is_function(self) -> bool {
        matches!(self, Self::Start | Self::End | Self::Step | Self::Range | Self::MaxOf | Self::MinOf)
    }
}

/// The token of a word outside of braces; words are not case-sensitive.
pub(crate) fn word(text: &str) -> Option<Token> {
    const LONGEST: usize = 12;
    if text.len() > LONGEST {
        return None;
    }
    let lower = text.to_ascii_lowercase();
    let operator = match lower.as_str() {
        "and" => Some(BinaryOp::And),
        "or" => Some(BinaryOp::Or),
        "unless" => Some(BinaryOp::Unless),
        "atan2" => Some(BinaryOp::Atan2),
        "inf" | "nan" => return Some(Token::Number),
        _ => None,
    };
    if let Some(op) = operator {
        return Some(Token::Operator(op));
    }
    if let Some((op, _)) = AggregateOp::ALL.iter().find(|(_, name)| *name == lower) {
        return Some(Token::Aggregator(*op));
    }
    KEYWORDS.iter().find(|(name, _)| *name == lower).map(|(_, k)| Token::Keyword(*k))
}

/// A token and its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lexeme {
    pub(crate) token: Token,
    pub(crate) span: Span,
}

/// How an error names `token`, whose text is `text`.
pub(crate) fn describe(token: Token, text: &str) -> String {
    match token {
        Token::End => "end of input".to_owned(),
        Token::Bad => "error".to_owned(),
        Token::Identifier => format!("identifier {text:?}"),
        Token::MetricIdentifier => format!("metric identifier {text:?}"),
        Token::Number => format!("number {text:?}"),
        Token::Duration => format!("duration {text:?}"),
        Token::Text => format!("string {}", shortened(text)),
        Token::Operator(_) | Token::At => format!("<op:{text}>"),
        Token::Aggregator(_) => format!("<aggr:{text}>"),
        Token::Keyword(_) => format!("<{text}>"),
        _ => format!("{text:?}"),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(10) {
        Some((at, _)) => format!("{:?}...", &text[..at]),
        None => format!("{text:?}"),
    }
}
