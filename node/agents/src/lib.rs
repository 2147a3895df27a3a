//! Telemetry of agents and LLM SDKs: many names in, one set of canonical series and their cost out.
//!
//! ```text
//! mapping   which source series become which canonical ones; tokens split into kinds that exclude one another
//! prices    what a token of a kind costs at a time, exactly
//! budget    limits a period: what is spent, how fast, where it ends
//! normal    a window of source samples and the state before it -> canonical samples and the state after it
//! ```
//!
//! Owns: the documents (mapping, price book, budgets), their text form and their faults; the arithmetic.
//! Does not own: where samples come from and go to, the clock, which node works (`node/src/agents`).
//!
//! Invariant: what comes out of a window depends on the state before it and the samples in it alone, so doing it twice,
//! or on two nodes, writes the same samples.

mod budget;
mod document;
mod mapping;
mod money;
mod normal;
mod prices;

pub use budget::{Budget, Figures, Period, Standing};
pub use document::{Fault, instant};
pub use mapping::{Kind, Mapping, Reading, Shape, SourceSeries};
pub use money::Pico;
pub use normal::{
    Config, Costs, Lacks, Outcome, Row, STEP_MS, SourceSamples, State, Steps, Stored, TOUCH_MS, Total,
    Window, ceil_step, floor_step, normalise,
};
pub use prices::{Asked, Book, Price};

/// The label that every series made here bears, and no other: its value names the source in the mapping.
pub const SOURCE_LABEL: &str = "telemetry_source";
/// The value of [`SOURCE_LABEL`] of what is summed up over all sources.
pub const OWN_SOURCE: &str = "plimsoll";
/// The label that names a session; only the newest ones have their own value.
pub const SESSION_LABEL: &str = "session";
/// The value of [`SESSION_LABEL`] under which older sessions are summed up.
pub const ROLLED_OFF: &str = "rolled_off";
/// Tokens of each kind; the kinds exclude one another.
pub const TOKENS: &str = "llm_tokens_total";
/// Tokens as the source counts them, where its input or output holds other kinds.
pub const GROSS: &str = "llm_tokens_gross_total";
/// What the tokens cost.
pub const COST: &str = "llm_cost_usd_total";
/// Tokens without a price.
pub const UNPRICED: &str = "llm_price_missing_total";
/// What was spent of a budget since it began.
pub const SPENT: &str = "budget_spent_usd_total";
/// When a session was seen first.
pub const SESSION_START: &str = "agent_session_start_timestamp_seconds";
