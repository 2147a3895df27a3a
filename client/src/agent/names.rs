//! The names of the metrics, and the counting into them.

use super::{LlmCall, LoopExecution, LoopStatus, ToolCall};
use crate::registry::{Buckets, Counter, Gauge, Histogram, Registry, RegistryError, now_ms};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// Under which names loops are told. One set alone: a node makes the other names of what it gets, and what is told under
/// both would count twice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LoopNames {
    /// `llm_tokens_total`, `loop_execution_duration_seconds`, `tool_invocations_total`, ... with units and `_total`.
    #[default]
    Canonical,
    /// `llm_tokens_used`, `loop_execution_duration`, `tool_invocations`, `loop_errors`.
    Plain,
}

impl LoopNames {
    fn choose(self, canonical: &'static str, plain: &'static str) -> &'static str {
        if self == Self::Canonical { canonical } else { plain }
    }
}

/// Counts what one kind of loop does. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LoopMetrics {
    registry: Registry,
    names: LoopNames,
    labels: Arc<LoopLabels>,
    /// Metrics that could not be made; the caller's loop shall not fail for that.
    refused: Arc<AtomicU64>,
}

#[derive(Debug)]
struct LoopLabels {
    loop_type: String,
    agent: String,
    tenant: String,
}

/// Upper bounds for rounds of a loop.
const TURNS: [f64; 9] = [1.0, 2.0, 3.0, 5.0, 8.0, 13.0, 25.0, 50.0, 100.0];

impl LoopMetrics {
    pub fn new(
        registry: &Registry,
        names: LoopNames,
        refused: &Arc<AtomicU64>,
        loop_type: &str,
        agent: Option<&str>,
        tenant: Option<&str>,
    ) -> Self {
        let owned = |text: Option<&str>| text.unwrap_or_default().to_owned();
        let labels =
            LoopLabels { loop_type: loop_type.to_owned(), agent: owned(agent), tenant: owned(tenant) };
        Self { registry: registry.clone(), names, labels: Arc::new(labels), refused: Arc::clone(refused) }
    }

    /// The same with another agent or tenant.
    pub fn with(&self, agent: Option<&str>, tenant: Option<&str>) -> Self {
        let l = &self.labels;
        let (agent, tenant) = (agent.unwrap_or(&l.agent), tenant.unwrap_or(&l.tenant));
        Self::new(&self.registry, self.names, &self.refused, &l.loop_type, Some(agent), Some(tenant))
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn loop_type(&self) -> &str {
        &self.labels.loop_type
    }

    /// Tells a loop that has ended.
    pub fn execution(&self, done: &LoopExecution) {
        done.llm_calls.iter().for_each(|call| self.llm_call(call));
        done.tool_calls.iter().for_each(|call| self.tool_call(call));
        done.errors.iter().for_each(|error| self.error(error));
        self.ended(done.status, done.duration, done.turns);
    }

    pub fn llm_call(&self, call: &LlmCall) {
        let (provider, model) = (call.provider.as_str(), call.model.as_str());
        let source = [("provider", provider), ("model", model)];
        let name = self.names.choose("llm_tokens_total", "llm_tokens_used");
        for (kind, count) in call.tokens.kinds().into_iter().filter(|(_, count)| *count > 0) {
            let labels = [("provider", provider), ("model", model), ("token_type", kind)];
            self.count(name, &labels, count as f64);
        }
        if let Some(duration) = call.duration {
            self.observe("llm_request_duration_seconds", &source, duration);
        }
        if let Some(duration) = call.time_to_first_token {
            self.observe("llm_ttft_seconds", &source, duration);
        }
    }

    pub fn tool_call(&self, call: &ToolCall) {
        let outcome = if call.success { "success" } else { "error" };
        let name = self.names.choose("tool_invocations_total", "tool_invocations");
        self.count(name, &[("tool", &call.tool), ("outcome", outcome)], 1.0);
        if let Some(duration) = call.duration {
            self.observe("tool_duration_seconds", &[("tool", &call.tool)], duration);
        }
    }

    pub fn error(&self, kind: &str) {
        self.count(self.names.choose("loop_errors_total", "loop_errors"), &[("error_type", kind)], 1.0);
    }

    pub fn ended(&self, status: LoopStatus, duration: Duration, turns: Option<u32>) {
        let labels = [("status", status.name())];
        let name = self.names.choose("loop_execution_duration_seconds", "loop_execution_duration");
        self.observe(name, &labels, duration);
        if let Some(turns) = turns {
            let made = self.histogram("loop_turns", &[], &Buckets::Classic(TURNS.to_vec()));
            made.iter().for_each(|h| h.observe(f64::from(turns)));
        }
        self.progress();
    }

    /// Tells that the loop is not stuck.
    pub fn progress(&self) {
        if let Some(gauge) = self.gauge("loop_last_progress_timestamp_seconds") {
            gauge.set(now_ms() as f64 / 1e3);
        }
    }

    /// Loops of this kind that are under way.
    pub fn active(&self) -> Option<Gauge> {
        self.gauge("active_loops")
    }

    fn count(&self, name: &str, labels: &[(&str, &str)], by: f64) {
        let made: Option<Counter> = self.made(self.registry.counter(name, &self.all(labels)));
        made.iter().for_each(|counter| counter.add(by));
    }

    fn observe(&self, name: &str, labels: &[(&str, &str)], duration: Duration) {
        let made = self.histogram(name, labels, &Buckets::durations());
        made.iter().for_each(|h| h.observe_duration(duration));
    }

    fn histogram(&self, name: &str, labels: &[(&str, &str)], buckets: &Buckets) -> Option<Histogram> {
        self.made(self.registry.histogram(name, &self.all(labels), buckets))
    }

    fn gauge(&self, name: &str) -> Option<Gauge> {
        self.made(self.registry.gauge(name, &self.all(&[])))
    }

    fn made<T>(&self, made: Result<T, RegistryError>) -> Option<T> {
        if made.is_err() {
            self.refused.fetch_add(1, Relaxed);
        }
        made.ok()
    }

    /// `labels` with those of the loop; those without a value are none.
    fn all<'a>(&'a self, labels: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
        let l = &*self.labels;
        let own = [("loop_type", l.loop_type.as_str()), ("agent", &l.agent), ("tenant", &l.tenant)];
        own.into_iter().chain(labels.iter().copied()).collect()
    }
}
