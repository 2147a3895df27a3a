use super::names::LoopMetrics;
use super::{LlmCall, LoopStatus, Tokens, ToolCall};
use crate::registry::{Counter, Gauge, RegistryError};
use std::time::{Duration, Instant};

/// A loop under way: times it, and counts what it uses as it goes.
///
/// Dropped without [`success`](Self::success) it was not one: after an error it is told as `error`, in a panic as
/// `error` of the kind `panic`, otherwise as `aborted`. So `?` and a cancelled task are counted as well.
#[derive(Debug)]
#[must_use = "a loop that is dropped at once is told as aborted"]
pub struct LoopGuard {
    metrics: LoopMetrics,
    active: Option<Gauge>,
    begun: Instant,
    turns: u32,
    failed: bool,
    ended: bool,
}

impl LoopGuard {
    pub(crate) fn begin(metrics: LoopMetrics) -> Self {
        let active = metrics.active();
        active.iter().for_each(|gauge| gauge.add(1.0));
        metrics.progress();
        Self { metrics, active, begun: Instant::now(), turns: 0, failed: false, ended: false }
    }

    /// Names the agent that runs the loop. To be called first: what was counted before is counted without it.
    pub fn agent(mut self, agent: &str) -> Self {
        self.rename(Some(agent), None);
        self
    }

    /// Names for whom the loop runs. To be called first: what was counted before is counted without it.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.rename(None, Some(tenant));
        self
    }

    fn rename(&mut self, agent: Option<&str>, tenant: Option<&str>) {
        self.active.iter().for_each(|gauge| gauge.sub(1.0));
        self.metrics = self.metrics.with(agent, tenant);
        self.active = self.metrics.active();
        self.active.iter().for_each(|gauge| gauge.add(1.0));
    }

    /// A round of the loop begins.
    pub fn turn(&mut self) {
        self.turns = self.turns.saturating_add(1);
        self.metrics.progress();
    }

    /// Tokens of a call of `model`.
    pub fn tokens(&mut self, provider: &str, model: &str, tokens: Tokens) {
        let (provider, model) = (provider.to_owned(), model.to_owned());
        self.llm_call(&LlmCall { provider, model, tokens, ..LlmCall::default() });
    }

    /// A call of a model with its times.
    pub fn llm_call(&mut self, call: &LlmCall) {
        self.metrics.llm_call(call);
        self.metrics.progress();
    }

    /// A call of a tool. One that failed is no error of the loop: agents try again.
    pub fn tool(&mut self, tool: &str, duration: Duration, success: bool) {
        self.metrics.tool_call(&ToolCall { tool: tool.to_owned(), success, duration: Some(duration) });
        self.metrics.progress();
    }

    /// An error of a kind (`rate_limit`, no text). The loop may go on; ended without `success`, it failed.
    pub fn error(&mut self, kind: &str) {
        self.failed = true;
        self.metrics.error(kind);
    }

    /// A counter of your own with the label `loop_type` of this loop.
    pub fn counter(&self, name: &str, labels: &[(&str, &str)]) -> Result<Counter, RegistryError> {
        let own = [("loop_type", self.metrics.loop_type())];
        let labels: Vec<_> = own.into_iter().chain(labels.iter().copied()).collect();
        self.metrics.registry().counter(name, &labels)
    }

    /// How long the loop has run.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// The loop did what it was to do.
    pub fn success(self) {
        self.end(LoopStatus::Success);
    }

    /// Ends the loop by `result`: a success, or an error of the kind `failed`.
    pub fn finish<T, E>(mut self, result: &Result<T, E>) {
        if result.is_ok() {
            return self.success();
        }
        if !self.failed {
            self.error("failed");
        }
        self.end(LoopStatus::Error);
    }

    /// Ends the loop as `status`.
    pub fn end(mut self, status: LoopStatus) {
        self.tell(status);
    }

    fn tell(&mut self, status: LoopStatus) {
        self.ended = true;
        self.active.iter().for_each(|gauge| gauge.sub(1.0));
        self.metrics.ended(status, self.begun.elapsed(), (self.turns > 0).then_some(self.turns));
    }
}

impl Drop for LoopGuard {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let status = if std::thread::panicking() {
            self.metrics.error("panic");
            LoopStatus::Error
        } else if self.failed {
            LoopStatus::Error
        } else {
            self.metrics.error("aborted");
            LoopStatus::Aborted
        };
        self.tell(status);
    }
}

#[cfg(test)]
mod tests {
    use super::super::LoopNames;
    use super::*;
    use crate::SampleValue;
    use crate::registry::{Expander, Registry};
    use std::sync::Arc;

    fn guard(registry: &Registry) -> LoopGuard {
        named(registry, LoopNames::default())
    }

    fn named(registry: &Registry, names: LoopNames) -> LoopGuard {
        LoopGuard::begin(LoopMetrics::new(registry, names, &Arc::default(), "review", None, None))
    }

    /// The value of `series`; 0 when it is not there.
    fn value(registry: &Registry, series: &str) -> f64 {
        let mut out = Expander { common: &[], out: Vec::new() };
        registry.read(7).iter().for_each(|reading| out.tell(reading, 7, false));
        let found = out.out.iter().find(|s| s.labels.to_string() == series);
        found.map_or(0.0, |s| match s.value {
            SampleValue::Float(v) => v,
            SampleValue::Histogram(_) => f64::NAN,
        })
    }

    #[test]
    fn a_loop_is_counted_in_one_set_of_names() {
        let canonical = [
            "active_loops",
            "llm_tokens_total",
            "tool_invocations_total",
            "loop_execution_duration_seconds_count",
        ];
        let plain = ["active_loops", "llm_tokens_used", "tool_invocations", "loop_execution_duration_count"];
        for (names, told, others) in
            [(LoopNames::Canonical, canonical, plain), (LoopNames::Plain, plain, canonical)]
        {
            let registry = Registry::default();
            let mut run = named(&registry, names).agent("bot");
            let own = "agent=\"bot\", loop_type=\"review\"";
            assert_eq!(value(&registry, &format!("active_loops{{{own}}}")), 1.0);
            run.turn();
            run.tokens("openai", "gpt", Tokens::from_openai(10, 5, 4, 0));
            run.tool("grep", Duration::from_millis(3), false);
            run.success();
            let series = |[active, tokens, tools, loops]: [&str; 4]| {
                [
                    (format!("{active}{{{own}}}"), 0.0),
                    (
                        format!(
                            "{tokens}{{{own}, model=\"gpt\", provider=\"openai\", token_type=\"input\"}}"
                        ),
                        6.0,
                    ),
                    (
                        format!(
                            "{tokens}{{{own}, model=\"gpt\", provider=\"openai\", token_type=\"cache_read\"}}"
                        ),
                        4.0,
                    ),
                    (format!("{tools}{{{own}, outcome=\"error\", tool=\"grep\"}}"), 1.0),
                    (format!("{loops}{{{own}, status=\"success\"}}"), 1.0),
                ]
            };
            for (series, expected) in series(told) {
                assert_eq!(value(&registry, &series), expected, "{series}");
            }
            for (series, _) in series(others) {
                assert_eq!(value(&registry, &series), 0.0, "{series} would count twice");
            }
            assert_eq!(value(&registry, &format!("loop_turns_sum{{{own}}}")), 1.0);
        }
    }

    fn endings(end: impl FnOnce(LoopGuard) + std::panic::UnwindSafe) -> (Registry, [f64; 3]) {
        let registry = Registry::default();
        let run = std::panic::AssertUnwindSafe(guard(&registry));
        let _ = std::panic::catch_unwind(move || {
            let run = run;
            end(run.0);
        });
        let count = |status| {
            value(
                &registry,
                &format!(
                    "loop_execution_duration_seconds_count{{loop_type=\"review\", status=\"{status}\"}}"
                ),
            )
        };
        let counts = ["success", "error", "aborted"].map(count);
        assert_eq!(value(&registry, "active_loops{loop_type=\"review\"}"), 0.0);
        (registry, counts)
    }

    #[test]
    fn what_was_no_success_is_told_as_what_it_was() {
        let error = |kind| format!("loop_errors_total{{error_type=\"{kind}\", loop_type=\"review\"}}");
        let (registry, counts) = endings(drop);
        assert_eq!((counts, value(&registry, &error("aborted"))), ([0.0, 0.0, 1.0], 1.0));
        let (registry, counts) = endings(|mut run| run.error("rate_limit"));
        assert_eq!((counts, value(&registry, &error("rate_limit"))), ([0.0, 1.0, 0.0], 1.0));
        let (registry, counts) = endings(|_run| panic!("of the test"));
        assert_eq!((counts, value(&registry, &error("panic"))), ([0.0, 1.0, 0.0], 1.0));
        let (registry, counts) = endings(|run| run.finish(&Err::<(), _>("x")));
        assert_eq!((counts, value(&registry, &error("failed"))), ([0.0, 1.0, 0.0], 1.0));
        let (_, counts) = endings(|run| run.finish(&Ok::<_, ()>(1)));
        assert_eq!(counts, [1.0, 0.0, 0.0]);
    }
}
