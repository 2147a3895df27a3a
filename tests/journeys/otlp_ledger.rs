//! A ledger of increases: what was sent is what the sums have grown by, to the last unit, whoever dies meanwhile.

use crate::fixture::{SOON, now_ms, seconds};
use plimsoll_tests::cluster::{Cluster, SETTLE_LIMIT};
use plimsoll_tests::http::Http;
use plimsoll_tests::otlp::{self, Delta, counter, exponential, histogram, whole};
use plimsoll_tests::wait::wait_until;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Senders, each with an identity and series of its own.
const SENDERS: usize = 3;
/// Series of a sender.
const SERIES: usize = 8;
/// Length of an interval.
const STEP_NS: u64 = 1_000_000_000;

/// What was acknowledged, by sender and series.
type Ledger = BTreeMap<(usize, usize), i64>;

struct Sender {
    number: usize,
    nodes: Vec<Http>,
    random: StdRng,
    /// Requests that were answered, kept to be sent again.
    answered: Vec<Vec<u8>>,
    tries: Arc<AtomicU64>,
}

impl Sender {
    /// Sends interval after interval until `stop`; answers what it has counted, and intervals.
    fn run(mut self, start_ns: u64, stop: &AtomicBool) -> (Ledger, u64) {
        let (mut ledger, mut step) = (Ledger::new(), 0);
        while !stop.load(SeqCst) {
            let times = (start_ns + step * STEP_NS, start_ns + (step + 1) * STEP_NS);
            let mut points = Vec::new();
            for series in 0..SERIES {
                let value = self.random.random_range(0..1000);
                *ledger.entry((self.number, series)).or_default() += value;
                points.push(whole(value, times, &[("series", &series.to_string())]));
            }
            let metrics = vec![
                counter("ledger", Delta, points),
                histogram("wait", Delta, times, &[1, 2], &[0.5]),
                exponential("size", Delta, times, 0, &[3]),
            ];
            let identity = format!("sender-{}", self.number);
            let body = otlp::request(&[("service.instance.id", &identity)], metrics);
            self.deliver(&body);
            self.repeat(body);
            step += 1;
        }
        (ledger, step)
    }

    /// Sends to one node after the other until one has taken it, as an SDK's retries do.
    fn deliver(&mut self, body: &[u8]) {
        let mut at = self.random.random_range(0..self.nodes.len());
        wait_until("an interval to be taken", Duration::from_secs(60), || {
            self.tries.fetch_add(1, SeqCst);
            let answer = otlp::send(&self.nodes[at], body);
            at = (at + 1) % self.nodes.len();
            match answer {
                Err(_) => false,
                Ok(answer) if answer.status == 503 || answer.status == 429 => false,
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    assert_eq!(otlp::rejected(&answer), (0, String::new()));
                    true
                }
            }
        });
    }

    /// Now and then an answer is lost on its way: one of the last few is sent again, to any node.
    fn repeat(&mut self, body: Vec<u8>) {
        self.answered.push(body);
        if self.answered.len() > 4 {
            self.answered.remove(0);
        }
        if self.random.random_bool(0.3) {
            let which = self.random.random_range(0..self.answered.len());
            let node = self.random.random_range(0..self.nodes.len());
            // whether it arrives is all the same
            drop(otlp::send(&self.nodes[node], &self.answered[which]));
        }
    }
}

#[test]
fn increases_are_counted_once_while_leaders_are_killed() {
    let mut cluster = Cluster::start(3, &[("storage.checkpoint_interval", "3s")]);
    let (stop, tries) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    // long ago, so that intervals may follow one another faster than they last
    let start_ns = (now_ms() - 25 * 3_600_000) as u64 * 1_000_000;
    let ledger = Arc::new(Mutex::new((Ledger::new(), BTreeMap::new())));
    let senders: Vec<_> = (0..SENDERS)
        .map(|number| {
            let limit = Duration::from_secs(15);
            let nodes = (0..3).map(|i| Http::with_timeout(cluster.node(i).url(), limit)).collect();
            let random = StdRng::seed_from_u64(number as u64);
            let sender = Sender { number, nodes, random, answered: Vec::new(), tries: tries.clone() };
            let (stop, ledger) = (stop.clone(), ledger.clone());
            std::thread::spawn(move || {
                let (sums, steps) = sender.run(start_ns, &stop);
                let mut all = ledger.lock().expect("nobody panics with it");
                all.0.extend(sums);
                all.1.insert(number, steps);
            })
        })
        .collect();
    for round in 0..4 {
        // a node that leads some of the shards, while increases are on their way
        let victim = round % 3;
        let before = tries.load(SeqCst);
        wait_until("increases to flow", SOON, || tries.load(SeqCst) > before + 10);
        cluster.node_mut(victim).kill();
        let before = tries.load(SeqCst);
        wait_until("increases to flow again", SETTLE_LIMIT, || tries.load(SeqCst) > before + 10);
        cluster.node_mut(victim).restart();
        cluster.wait_settled(SETTLE_LIMIT);
    }
    stop.store(true, SeqCst);
    senders.into_iter().for_each(|s| s.join().expect("a sender"));
    let (sums, steps) = &*ledger.lock().expect("nobody panics with it");
    check(&cluster, sums, steps, start_ns);
}

fn check(cluster: &Cluster, sums: &Ledger, steps: &BTreeMap<usize, u64>, start_ns: u64) {
    let last = steps.values().max().copied().unwrap_or_default();
    assert!(last > 20, "only {last} intervals were sent");
    let end_ms = (start_ns / 1_000_000) as i64 + (last as i64 + 1) * 1000;
    for at in 0..3 {
        let http = cluster.node(at).http();
        let ask = |query: &str| {
            let parameters = [("query", query), ("time", &seconds(end_ms)), ("lookback_delta", "26h")];
            http.data("/api/v1/query", &parameters)["result"].take()
        };
        for series in ask("ledger_total").as_array().expect("a vector") {
            let text = |name: &str| series["metric"][name].as_str().expect("a label").to_owned();
            let number = text("instance").trim_start_matches("sender-").parse().expect("a number");
            let key = (number, text("series").parse().expect("a number"));
            assert_eq!(series["value"][1], sums[&key].to_string(), "sender and series {key:?} on node {at}");
        }
        let total: i64 = sums.values().sum();
        let of = |query: &str| ask(query)[0]["value"][1].as_str().unwrap_or("nothing").to_owned();
        assert_eq!(of("count(ledger_total)"), (SENDERS * SERIES).to_string());
        assert_eq!(of("sum(ledger_total)"), total.to_string());
        // no total ever falls, and each begins at zero
        assert_eq!(of("sum(resets(ledger_total[26h]))"), "0");
        assert_eq!(of("max(min_over_time(ledger_total[26h]))"), "0");
        let intervals: u64 = steps.values().sum();
        assert_eq!(of("sum(wait_count)"), (3 * intervals).to_string());
        assert_eq!(of("sum(wait_bucket{le=\"0.5\"})"), intervals.to_string());
        assert_eq!(of("sum(histogram_count(size))"), (3 * intervals).to_string());
    }
}
