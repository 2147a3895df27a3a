//! A small fleet of agent loops, simulated: what `plimsoll demo` shows.

use plimsoll_client::Sample;
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

const LOOPS: [&str; 4] = ["research", "coding", "support", "planner"];
const MODELS: [&str; 3] = ["large", "medium", "small"];
const KINDS: [(&str, f64); 4] =
    [("input", 900.0), ("output", 260.0), ("cache_read", 1500.0), ("reasoning", 120.0)];
const TOOLS: [&str; 6] = ["bash", "search", "read_file", "write_file", "browser", "python"];
const ERRORS: [&str; 4] = ["timeout", "rate_limit", "tool", "context_length"];
const STATUSES: [&str; 2] = ["success", "error"];
/// Upper bounds of the buckets in seconds; the last bucket has none.
const BOUNDS: [f64; 11] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// The fleet and its counters.
pub struct Fleet {
    agents: Vec<Agent>,
    random: SmallRng,
}

struct Agent {
    series: Vec<Labels>,
    values: Vec<f64>,
    /// How busy this agent is, as a factor of the mean.
    pace: f64,
    active: f64,
}

impl Fleet {
    /// A fleet of `agents`; the same seed gives the same fleet.
    pub fn new(agents: usize, seed: u64) -> Self {
        let mut random = SmallRng::seed_from_u64(seed);
        let agents = (0..agents).map(|i| Agent::new(i, random.random_range(0.4..1.8))).collect();
        Self { agents, random }
    }

    /// Lets `seconds` pass and answers all series of each agent as they stand at `now`.
    pub fn step(&mut self, now: Timestamp, seconds: f64) -> Vec<Vec<Sample>> {
        let live = |agent: &mut Agent| {
            agent.live(&mut self.random, seconds);
            let pairs = agent.series.iter().zip(&agent.values);
            pairs.map(|(labels, value)| Sample::float(labels.clone(), now, *value)).collect()
        };
        self.agents.iter_mut().map(live).collect()
    }
}

impl Agent {
    fn new(index: usize, pace: f64) -> Self {
        let instance = format!("agent-{index}");
        let base =
            [("job", "agents"), ("instance", instance.as_str()), ("loop_type", LOOPS[index % LOOPS.len()])];
        let mut series = Vec::new();
        let mut add = |name: &str, extra: &[(&str, &str)]| {
            let pairs =
                base.iter().chain([(METRIC_NAME, name)].iter()).chain(extra).copied().collect::<Vec<_>>();
            series.push(Labels::from_pairs(pairs).expect("constant names, each once"));
        };
        add("active_loops", &[]);
        for model in MODELS {
            for (kind, _) in KINDS {
                add("llm_tokens_used", &[("model", model), ("token_type", kind)]);
            }
        }
        for tool in TOOLS {
            add("tool_invocations", &[("tool", tool), ("status", "ok")]);
            add("tool_invocations", &[("tool", tool), ("status", "error")]);
        }
        for error in ERRORS {
            add("loop_errors", &[("error_type", error)]);
        }
        for status in STATUSES {
            for le in BOUNDS {
                add("loop_execution_duration_bucket", &[("status", status), ("le", &le.to_string())]);
            }
            add("loop_execution_duration_bucket", &[("status", status), ("le", "+Inf")]);
            add("loop_execution_duration_sum", &[("status", status)]);
            add("loop_execution_duration_count", &[("status", status)]);
        }
        let values = vec![0.0; series.len()];
        Self { series, values, pace, active: 2.0 }
    }

    /// One stretch of time: loops end, each with tokens, tool calls, a duration and now and then an error.
    fn live(&mut self, random: &mut SmallRng, seconds: f64) {
        self.active = (self.active + random.random_range(-1.0..1.0)).clamp(0.0, 8.0);
        self.values[0] = self.active.round();
        let mean = self.pace * seconds * 0.4;
        let loops = mean.floor() as usize + usize::from(random.random_bool(mean.fract()));
        for _ in 0..loops {
            self.one_loop(random);
        }
    }

    fn one_loop(&mut self, random: &mut SmallRng) {
        let tokens = 1;
        let tools = tokens + MODELS.len() * KINDS.len();
        let errors = tools + TOOLS.len() * 2;
        let durations = errors + ERRORS.len();
        let model = [0, 0, 1, 1, 1, 2][random.random_range(0..6)];
        for (i, (_, mean)) in KINDS.iter().enumerate() {
            self.values[tokens + model * KINDS.len() + i] += (mean * random.random_range(0.2..2.4)).round();
        }
        for _ in 0..random.random_range(0..5) {
            let tool = random.random_range(0..TOOLS.len());
            self.values[tools + tool * 2 + usize::from(random.random_bool(0.04))] += 1.0;
        }
        let failed = random.random_bool(0.03);
        if failed {
            self.values[errors + random.random_range(0..ERRORS.len())] += 1.0;
        }
        // most loops are short, a few are very long
        let seconds: f64 = 0.3 * (random.random_range(0.0..5.5f64)).exp();
        let buckets = durations + usize::from(failed) * (BOUNDS.len() + 3);
        for (i, bound) in BOUNDS.iter().enumerate() {
            self.values[buckets + i] += f64::from(u8::from(seconds <= *bound));
        }
        let last = buckets + BOUNDS.len();
        self.values[last] += 1.0;
        self.values[last + 1] += seconds;
        self.values[last + 2] += 1.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_client::SampleValue;
    use std::collections::BTreeMap;

    #[test]
    fn counters_never_fall_and_the_last_bucket_equals_the_count() {
        let mut fleet = Fleet::new(3, 1);
        let mut before: BTreeMap<String, f64> = BTreeMap::new();
        for second in 0..200 {
            for sample in fleet.step(second * 1000, 1.0).concat() {
                let SampleValue::Float(value) = sample.value else { panic!("the fleet has floats alone") };
                let name = sample.labels.to_string();
                if !name.starts_with("active_loops") {
                    assert!(value >= before.get(&name).copied().unwrap_or(0.0), "{name}");
                }
                before.insert(name, value);
            }
        }
        let total = |start: &str, part: &str| -> f64 {
            before.iter().filter(|(k, _)| k.starts_with(start) && k.contains(part)).map(|(_, v)| v).sum()
        };
        let count = total("loop_execution_duration_count", "");
        assert!(count > 0.0);
        assert_eq!(count, total("loop_execution_duration_bucket", "le=\"+Inf\""));
    }
}
