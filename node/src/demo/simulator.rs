//! A small fleet of agent loops, simulated: what `plimsoll demo` shows. It writes the canonical series of agent telemetry,
//! as the client library and the normaliser do.

use super::curve::{Book, Curve};
use plimsoll_client::Sample;
use plimsoll_model::Timestamp;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Loop types, the agents that run them, the teams that pay.
const LOOPS: [(&str, &[&str], &str); 4] = [
    ("research", &["scout"], "insight"),
    ("coding", &["claude-code", "codex", "gemini-cli"], "platform"),
    ("support", &["clerk"], "care"),
    ("planner", &["pilot"], "operations"),
];
/// Provider, model, dollars for a million tokens of each kind.
const MODELS: [(&str, &str, [f64; 5]); 4] = [
    ("anthropic", "sonnet", [3.0, 15.0, 0.3, 3.75, 15.0]),
    ("openai", "gpt", [1.25, 10.0, 0.125, 0.0, 10.0]),
    ("google", "flash", [0.3, 2.5, 0.03, 0.0, 2.5]),
    ("self-hosted", "local", [0.0, 0.0, 0.0, 0.0, 0.0]),
];
/// Kinds of tokens and how many a request has.
const KINDS: [(&str, f64); 5] = [
    ("input", 900.0),
    ("output", 260.0),
    ("cache_read", 2500.0),
    ("cache_write", 300.0),
    ("reasoning", 120.0),
];
/// Tools and the seconds that a call takes.
const TOOLS: [(&str, f64); 6] = [
    ("bash", 1.2),
    ("search", 0.6),
    ("read_file", 0.05),
    ("write_file", 0.08),
    ("browser", 4.0),
    ("python", 2.0),
];
const ERRORS: [&str; 4] = ["timeout", "rate_limit", "tool", "context_length"];
const STATUSES: [&str; 2] = ["success", "error"];
const CODES: [&str; 3] = ["200", "429", "500"];
/// Upper bounds of buckets.
const LOOP_SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];
const REQUEST_SECONDS: &[f64] = &[0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const FIRST_TOKEN_SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
const TOOL_SECONDS: &[f64] = &[0.05, 0.25, 1.0, 5.0, 30.0];
const TURNS: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0];

/// The fleet and its counters.
pub struct Fleet {
    agents: Vec<Agent>,
    random: SmallRng,
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
            agent.live(&mut self.random, now, seconds);
            agent.book.samples(now)
        };
        self.agents.iter_mut().map(live).collect()
    }
}

/// What an agent counts of each model.
struct Model {
    tokens: Vec<usize>,
    cost: usize,
    answers: Vec<usize>,
    seconds: Curve,
    first_token: Curve,
}

struct Tool {
    calls: Vec<usize>,
    seconds: Curve,
}

/// What a coding agent counts beside its loops.
struct Coding {
    sessions: usize,
    commits: usize,
    pull_requests: usize,
    added: usize,
    removed: usize,
    accepted: usize,
    rejected: usize,
    user_seconds: usize,
    cli_seconds: usize,
}

struct Agent {
    book: Book,
    active: usize,
    progress: usize,
    models: Vec<Model>,
    tools: Vec<Tool>,
    errors: Vec<usize>,
    loops: Vec<Curve>,
    turns: Curve,
    coding: Option<Coding>,
    /// How busy this agent is, as a factor of the mean.
    pace: f64,
    running: f64,
}

impl Agent {
    fn new(index: usize, pace: f64) -> Self {
        let (loop_type, names, team) = LOOPS[index % LOOPS.len()];
        let agent = names[index / LOOPS.len() % names.len()];
        let instance = format!("agent-{index}");
        let base =
            [("job", "agents"), ("instance", instance.as_str()), ("agent", agent), ("loop_type", loop_type)];
        let mut book = Book::new(&base);
        let user = format!("user-{}", index % 5);
        let models = MODELS.iter().map(|(provider, model, _)| {
            let of = [("provider", *provider), ("model", *model)];
            let mut tokens = Vec::new();
            for (kind, _) in KINDS {
                tokens.push(book.counter("llm_tokens_total", &[&of[..], &[("token_type", kind)]].concat()));
            }
            let paid = [&of[..], &[("team", team), ("user", &user), ("price_rev", "demo")]].concat();
            let cost = book.counter("llm_cost_usd_total", &paid);
            let code = |book: &mut Book, c| {
                book.counter("llm_requests_total", &[&of[..], &[("status_code", c)]].concat())
            };
            let answers = CODES.iter().map(|c| code(&mut book, *c)).collect();
            let seconds = Curve::new(&mut book, "llm_request_duration_seconds", &of, REQUEST_SECONDS);
            let first_token = Curve::new(&mut book, "llm_ttft_seconds", &of, FIRST_TOKEN_SECONDS);
            Model { tokens, cost, answers, seconds, first_token }
        });
        let models = models.collect();
        let tools = TOOLS.iter().map(|(tool, _)| {
            let of = [("tool", *tool)];
            let outcome = |book: &mut Book, o| {
                book.counter("tool_invocations_total", &[&of[..], &[("outcome", o)]].concat())
            };
            let calls = STATUSES.iter().map(|o| outcome(&mut book, *o)).collect();
            Tool { calls, seconds: Curve::new(&mut book, "tool_duration_seconds", &of, TOOL_SECONDS) }
        });
        let tools = tools.collect();
        let errors =
            ERRORS.iter().map(|e| book.counter("loop_errors_total", &[("error_type", *e)])).collect();
        let curve = |book: &mut Book, s| {
            Curve::new(book, "loop_execution_duration_seconds", &[("status", s)], LOOP_SECONDS)
        };
        let loops = STATUSES.iter().map(|s| curve(&mut book, *s)).collect();
        let turns = Curve::new(&mut book, "loop_turns", &[], TURNS);
        let active = book.counter("active_loops", &[]);
        let progress = book.counter("loop_last_progress_timestamp_seconds", &[]);
        let coding = (loop_type == "coding").then(|| Coding::new(&mut book));
        Self { book, active, progress, models, tools, errors, loops, turns, coding, pace, running: 2.0 }
    }

    /// One stretch of time: loops end, each with tokens, tool calls, a duration and now and then an error.
    fn live(&mut self, random: &mut SmallRng, now: Timestamp, seconds: f64) {
        self.running = (self.running + random.random_range(-1.0..1.0)).clamp(0.0, 8.0);
        self.book.set(self.active, self.running.round());
        let mean = self.pace * seconds * 0.4;
        let loops = mean.floor() as usize + usize::from(random.random_bool(mean.fract()));
        for _ in 0..loops {
            self.one_loop(random);
            self.book.set(self.progress, now as f64 / 1000.0);
        }
        if let Some(coding) = &self.coding {
            coding.live(&mut self.book, random, seconds);
        }
    }

    fn one_loop(&mut self, random: &mut SmallRng) {
        let turns = random.random_range(1..9);
        self.turns.observe(&mut self.book, f64::from(turns));
        for _ in 0..turns.min(3) {
            self.one_request(random);
        }
        for _ in 0..random.random_range(0..5) {
            let at = random.random_range(0..TOOLS.len());
            let failed = random.random_bool(0.04);
            self.book.add(self.tools[at].calls[usize::from(failed)], 1.0);
            let took = TOOLS[at].1 * random.random_range(-1.5..1.5f64).exp();
            self.tools[at].seconds.observe(&mut self.book, took);
        }
        let failed = random.random_bool(0.03);
        if failed {
            self.book.add(self.errors[random.random_range(0..ERRORS.len())], 1.0);
        }
        // most loops are short, a few are very long
        let seconds = 0.3 * random.random_range(0.0..5.5f64).exp();
        self.loops[usize::from(failed)].observe(&mut self.book, seconds);
    }

    fn one_request(&mut self, random: &mut SmallRng) {
        let at = [0, 0, 0, 1, 1, 2, 2, 3][random.random_range(0..8)];
        let (model, (_, _, prices)) = (&self.models[at], MODELS[at]);
        let code = [0, 1, 2][if random.random_bool(0.985) { 0 } else { random.random_range(1..3) }];
        self.book.add(model.answers[code], 1.0);
        let first = 0.25 * (at as f64 * 0.25 + 1.0) * random.random_range(-1.0..1.4f64).exp();
        model.seconds.observe(&mut self.book, first * random.random_range(2.0..8.0));
        if code != 0 {
            return;
        }
        model.first_token.observe(&mut self.book, first);
        for (kind, (_, mean)) in KINDS.iter().enumerate() {
            let tokens = (mean * random.random_range(0.2..2.4)).round();
            self.book.add(model.tokens[kind], tokens);
            self.book.add(model.cost, tokens * prices[kind] / 1e6);
        }
    }
}

impl Coding {
    fn new(book: &mut Book) -> Self {
        Self {
            sessions: book.counter("agent_sessions_total", &[]),
            commits: book.counter("agent_commits_total", &[]),
            pull_requests: book.counter("agent_pull_requests_total", &[]),
            added: book.counter("agent_lines_of_code_total", &[("type", "added")]),
            removed: book.counter("agent_lines_of_code_total", &[("type", "removed")]),
            accepted: book.counter("agent_edit_decisions_total", &[("decision", "accept"), ("tool", "edit")]),
            rejected: book.counter("agent_edit_decisions_total", &[("decision", "reject"), ("tool", "edit")]),
            user_seconds: book.counter("agent_active_seconds_total", &[("type", "user")]),
            cli_seconds: book.counter("agent_active_seconds_total", &[("type", "cli")]),
        }
    }

    fn live(&self, book: &mut Book, random: &mut SmallRng, seconds: f64) {
        let mut now_and_then = |book: &mut Book, series: usize, a_minute: f64, most: u32| {
            if random.random_bool((a_minute * seconds / 60.0).min(1.0)) {
                book.add(series, f64::from(random.random_range(1..=most)));
            }
        };
        now_and_then(book, self.sessions, 0.5, 1);
        now_and_then(book, self.commits, 0.8, 2);
        now_and_then(book, self.pull_requests, 0.15, 1);
        now_and_then(book, self.added, 20.0, 40);
        now_and_then(book, self.removed, 12.0, 20);
        now_and_then(book, self.accepted, 10.0, 3);
        now_and_then(book, self.rejected, 2.0, 1);
        book.add(self.user_seconds, seconds * 0.2);
        book.add(self.cli_seconds, seconds * 0.6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_client::SampleValue;
    use std::collections::BTreeMap;

    /// All series of a fleet after some time; counters are held against what they were.
    fn after(seconds: i64) -> BTreeMap<String, f64> {
        let mut fleet = Fleet::new(4, 1);
        let mut before: BTreeMap<String, f64> = BTreeMap::new();
        for second in 0..seconds {
            for sample in fleet.step(second * 1000, 1.0).concat() {
                let SampleValue::Float(value) = sample.value else { panic!("the fleet has floats alone") };
                let name = sample.labels.to_string();
                if !name.starts_with("active_loops") {
                    assert!(value >= before.get(&name).copied().unwrap_or(0.0), "{name}");
                }
                before.insert(name, value);
            }
        }
        before
    }

    #[test]
    fn counters_never_fall_and_the_last_bucket_equals_the_count() {
        let held = after(200);
        let total = |start: &str, part: &str| -> f64 {
            held.iter().filter(|(k, _)| k.starts_with(start) && k.contains(part)).map(|(_, v)| v).sum()
        };
        for curve in
            ["loop_execution_duration_seconds", "tool_duration_seconds", "llm_ttft_seconds", "loop_turns"]
        {
            let count = total(&format!("{curve}_count"), "");
            assert!(count > 0.0, "{curve}");
            assert_eq!(count, total(&format!("{curve}_bucket"), "le=\"+Inf\""), "{curve}");
        }
    }

    #[test]
    fn tokens_have_a_price_and_coding_agents_change_code() {
        let held = after(300);
        let total =
            |start: &str| held.iter().filter(|(k, _)| k.starts_with(start)).map(|(_, v)| v).sum::<f64>();
        assert!(total("llm_cost_usd_total") > 0.0 && total("llm_tokens_total") > 100_000.0);
        assert!(total("agent_lines_of_code_total") > 0.0);
        let free = held.iter().filter(|(k, _)| k.starts_with("llm_cost_usd_total") && k.contains("local"));
        assert!(free.map(|(_, v)| v).all(|v| *v == 0.0), "what runs at home costs nothing here");
    }
}
