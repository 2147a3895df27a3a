use super::Tokens;
use std::time::Duration;

/// How a loop ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopStatus {
    /// It did what it was to do.
    #[default]
    Success,
    /// It failed.
    Error,
    /// Its time ran out.
    Timeout,
    /// It was given up before it came to an end.
    Aborted,
}

impl LoopStatus {
    /// The value of the label `status`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Aborted => "aborted",
        }
    }
}

/// A call of a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LlmCall {
    /// Who answers: `anthropic`, `openai`.
    pub provider: String,
    /// The model that answered.
    pub model: String,
    /// What it used.
    pub tokens: Tokens,
    /// From the request to the end of the answer.
    pub duration: Option<Duration>,
    /// From the request to the first token of the answer.
    pub time_to_first_token: Option<Duration>,
}

/// A call of a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Its name.
    pub tool: String,
    /// Whether it did what it was to do.
    pub success: bool,
    /// How long it took.
    pub duration: Option<Duration>,
}

/// A loop that has ended, for [`Collector::collect_loop_metrics`](crate::Collector::collect_loop_metrics).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LoopExecution {
    /// What kind of loop it was: `code_review`, `triage`. Few different ones: it is a label of every series.
    pub loop_type: String,
    /// Which agent ran it.
    pub agent: Option<String>,
    /// For whom.
    pub tenant: Option<String>,
    /// How it ended.
    pub status: LoopStatus,
    /// How long it took.
    pub duration: Duration,
    /// Rounds of the loop.
    pub turns: Option<u32>,
    /// Calls of models.
    pub llm_calls: Vec<LlmCall>,
    /// Calls of tools.
    pub tool_calls: Vec<ToolCall>,
    /// Errors by their kind: `rate_limit`, `timeout`. Few different ones, and no texts.
    pub errors: Vec<String>,
}
