//! What can go wrong between the text of a query and its answer.

use crate::ast::Span;
use plimsoll_model::Fault;

/// A text that is not PromQL, with where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: parse error: {message}")]
pub struct ParseError {
    /// Line of the first offending character, from 1.
    pub line: usize,
    /// Column in bytes, from 1.
    pub column: usize,
    /// What is wrong there.
    pub message: String,
    /// The offending bytes of the input.
    pub span: Span,
}

impl ParseError {
    pub(crate) fn new(input: &str, span: Span, message: impl Into<String>) -> Self {
        let (line, column) = span.line_column(input);
        Self { line, column, message: message.into(), span }
    }
}

/// Why a storage could not be read.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct SourceError {
    /// What happened, for the asker.
    pub message: String,
    /// Whose move it is.
    pub fault: Fault,
}

/// Why a query has no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The text is not PromQL.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// Start, end and step do not describe a range of times.
    #[error("{0}")]
    Times(String),
    /// More steps than a query may have.
    #[error(
        "exceeded maximum resolution of {limit} points per timeseries ({points} asked for): \
         use a larger step or a shorter range"
    )]
    Points {
        /// Steps asked for.
        points: u64,
        /// Steps allowed.
        limit: u64,
    },
    /// The query read or held more samples than allowed.
    #[error("query processing would load too many samples into memory (limit max_samples = {limit})")]
    Samples {
        /// Samples allowed.
        limit: u64,
    },
    /// The query needed more memory than allowed.
    #[error("query needs more memory than it may use (limit memory_bytes = {limit})")]
    Memory {
        /// Bytes allowed.
        limit: u64,
    },
    /// The selectors matched more series than allowed.
    #[error("query selects more series than it may (limit max_series = {limit})")]
    Series {
        /// Series allowed.
        limit: u64,
    },
    /// The query took longer than allowed.
    #[error("query timed out in expression evaluation")]
    Timeout,
    /// Somebody stopped the query.
    #[error("query was canceled in expression evaluation")]
    Canceled,
    /// The data do not allow the evaluation, for example many-to-many matching.
    #[error("{0}")]
    Evaluation(String),
    /// The storage failed.
    #[error("expanding series: {0}")]
    Source(#[from] SourceError),
}

impl Error {
    /// Whose move it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::Source(e) => e.fault,
            Self::Timeout | Self::Canceled => Fault::Moment,
            _ => Fault::Asker,
        }
    }

    /// The `errorType` of Prometheus' HTTP API: `bad_data`, `execution`, `timeout`, `canceled` or `internal`.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Parse(_) | Self::Times(_) | Self::Points { .. } => "bad_data",
            Self::Timeout => "timeout",
            Self::Canceled => "canceled",
            Self::Source(e) if e.fault == Fault::Ours => "internal",
            _ => "execution",
        }
    }
}
