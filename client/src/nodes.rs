//! The nodes that a client knows, and the order in which it asks them.
//!
//! Owns: the list (urls that were given, addresses that the cluster named), which of them failed lately, and when
//! the list is to be looked at again.
//! Does not own: connections and requests (`transport`), the questions that a look asks (`discover`). Knows no clock:
//! the moment is an argument.
//!
//! An address that the cluster names is only a *candidate* until it has answered for the same cluster: behind a NAT or
//! a proxy it may lead nowhere, or to somebody else. No request of the caller ever goes to a candidate.

use crate::cluster::{Cluster, ClusterNode};
use crate::{Error, transport::BaseUrl};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Nodes that one request is offered to: with more dead ones in a row it is the cluster that is away.
const MAX_TRIES: usize = 8;
/// Addresses that are taken from a cluster; more would only make a hostile answer cost memory.
const MAX_LEARNED: usize = 64;
/// How often the list is looked at when all is well.
const REFRESH: Duration = Duration::from_secs(30);
/// After a failure the cluster may have changed; a look this often is enough to see it.
const REFRESH_AFTER_FAILURE: Duration = Duration::from_secs(2);
/// When the node does not tell: an older version, another program, or a token that may not ask.
const REFRESH_AFTER_REFUSAL: Duration = Duration::from_secs(600);
/// A node that failed is not asked for this long, doubled with each failure in a row, up to the longest.
const AVOID_FIRST: Duration = Duration::from_millis(500);
const AVOID_LONGEST: Duration = Duration::from_secs(30);
/// Looks in which a candidate may fail to answer before it is dropped, and for how long it is.
const CANDIDATE_TRIES: u32 = 3;
const DROPPED_FOR: Duration = Duration::from_secs(600);

/// A node as a client sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownNode {
    /// Its url.
    pub url: String,
    /// Whether the cluster named it; otherwise it was given.
    pub learned: bool,
    /// Whether it failed lately and is asked last.
    pub avoided: bool,
}

#[derive(Debug)]
pub(crate) struct Nodes {
    list: Mutex<List>,
    discover: bool,
    /// One look at a time.
    looking: AtomicBool,
}

#[derive(Debug)]
struct List {
    known: Vec<Known>,
    candidates: Vec<Candidate>,
    /// Text of the url that answered last.
    preferred: String,
    /// When to look at the list again; none before the first answer of a node.
    look_at: Option<Instant>,
}

#[derive(Debug)]
struct Known {
    url: Arc<BaseUrl>,
    learned: bool,
    failures: u32,
    avoid_until: Option<Instant>,
}

#[derive(Debug)]
struct Candidate {
    url: Arc<BaseUrl>,
    tries: u32,
    not_before: Option<Instant>,
}

impl Nodes {
    pub fn new(urls: &[BaseUrl], discover: bool) -> Self {
        let mut known: Vec<Known> = Vec::new();
        for url in urls {
            if !known.iter().any(|k| k.url.text == url.text) {
                known.push(Known::new(Arc::new(url.clone()), false));
            }
        }
        let preferred = known.first().map(|k| k.url.text.clone()).unwrap_or_default();
        let list = List { known, candidates: Vec::new(), preferred, look_at: None };
        Self { list: Mutex::new(list), discover, looking: AtomicBool::new(false) }
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        // No code panics while it holds the lock half-way through a change.
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The nodes to offer a request to: the one that answered last, the others, and at the end those that failed
    /// lately, the one first that may be asked again soonest.
    pub fn order(&self, now: Instant) -> Vec<Arc<BaseUrl>> {
        let list = self.lock();
        let mut order: Vec<_> = list.known.iter().enumerate().collect();
        order.sort_by_key(|(at, k)| (k.avoided(now), k.url.text != list.preferred, *at));
        order.into_iter().take(MAX_TRIES).map(|(_, k)| Arc::clone(&k.url)).collect()
    }

    /// Notes that `url` gave an answer, be it a refusal.
    pub fn answered(&self, url: &str, now: Instant) {
        let mut list = self.lock();
        if let Some(known) = list.known.iter_mut().find(|k| k.url.text == url) {
            known.failures = 0;
            known.avoid_until = None;
            if list.preferred != url {
                list.preferred = url.to_owned();
            }
        }
        list.look_at.get_or_insert(now);
    }

    /// Notes what `error` says about the node at `url`.
    pub fn failed(&self, url: &str, error: &Error, now: Instant) {
        let wait = match error {
            Error::Unreachable { .. } | Error::Interrupted { .. } | Error::Timeout { .. } => None,
            // One more second than it asks for: what is repeated then goes elsewhere, if there is an elsewhere.
            Error::Busy { status: 503, retry_after, .. } => {
                Some(retry_after.unwrap_or_default().min(AVOID_LONGEST) + Duration::from_secs(1))
            }
            // A rate limit or a refusal is an answer.
            _ => return self.answered(url, now),
        };
        let mut list = self.lock();
        if let Some(known) = list.known.iter_mut().find(|k| k.url.text == url) {
            let wait = wait.unwrap_or_else(|| {
                known.failures = known.failures.saturating_add(1);
                AVOID_FIRST.saturating_mul(1 << (known.failures - 1).min(10)).min(AVOID_LONGEST)
            });
            known.avoid_until = Some(now + wait);
        }
        if let Some(at) = &mut list.look_at {
            *at = (*at).min(now + REFRESH_AFTER_FAILURE);
        }
    }

    /// Whether it is time to look at the list; the caller then looks, and ends with [`looked`](Self::looked).
    pub fn begin_look(&self, now: Instant) -> bool {
        let due = self.discover && self.lock().look_at.is_some_and(|at| at <= now);
        due && !self.looking.swap(true, Ordering::AcqRel)
    }

    /// Ends a look; `error` is why it told nothing.
    pub fn looked(&self, error: Option<&Error>, now: Instant) {
        let wait = match error {
            None => REFRESH,
            Some(Error::Refused { .. } | Error::Answer { .. } | Error::TooLarge { .. }) => {
                REFRESH_AFTER_REFUSAL
            }
            Some(_) => REFRESH_AFTER_FAILURE,
        };
        self.lock().look_at = Some(now + wait);
        self.looking.store(false, Ordering::Release);
    }

    /// Takes over what `cluster`, as the node at `from` told it, says about where nodes are: new addresses become
    /// candidates, learned ones that are gone from it are forgotten. The urls that were given stay.
    pub fn learn(&self, cluster: &Cluster, from: &BaseUrl, now: Instant) {
        // Behind a path there is a proxy, and the addresses are those of another network.
        if !self.discover || from.has_path() {
            return;
        }
        let named: Vec<BaseUrl> =
            cluster.nodes.iter().filter_map(|n| address(n, from)).take(MAX_LEARNED).collect();
        let mut list = self.lock();
        list.known.retain(|k| !k.learned || named.iter().any(|n| n.text == k.url.text));
        list.candidates.retain(|c| named.iter().any(|n| n.text == c.url.text));
        for url in named {
            let is_new = !list.known.iter().any(|k| k.url.text == url.text)
                && !list.candidates.iter().any(|c| c.url.text == url.text);
            if is_new {
                list.candidates.push(Candidate { url: Arc::new(url), tries: 0, not_before: None });
                list.look_at = Some(now);
            }
        }
    }

    /// The candidates that may be tried now, at most as many as a look has time for.
    pub fn candidates(&self, now: Instant) -> Vec<Arc<BaseUrl>> {
        let list = self.lock();
        let ready = list.candidates.iter().filter(|c| c.not_before.is_none_or(|at| at <= now));
        ready.take(MAX_TRIES).map(|c| Arc::clone(&c.url)).collect()
    }

    /// Notes whether the candidate at `url` answered for the same cluster: it is used from now on, or dropped when it
    /// never does.
    pub fn tried(&self, url: &BaseUrl, answered: bool, now: Instant) {
        let mut list = self.lock();
        let Some(at) = list.candidates.iter().position(|c| c.url.text == url.text) else { return };
        if answered {
            let candidate = list.candidates.swap_remove(at);
            list.known.push(Known::new(candidate.url, true));
            return;
        }
        let candidate = &mut list.candidates[at];
        candidate.tries += 1;
        if candidate.tries >= CANDIDATE_TRIES {
            candidate.not_before = Some(now + DROPPED_FOR);
        }
    }

    /// The nodes that requests may go to.
    pub fn known(&self, now: Instant) -> Vec<KnownNode> {
        let list = self.lock();
        let node = |k: &Known| KnownNode {
            url: k.url.text.clone(),
            learned: k.learned,
            avoided: k.avoided(now).is_some(),
        };
        list.known.iter().map(node).collect()
    }
}

impl Known {
    fn new(url: Arc<BaseUrl>, learned: bool) -> Self {
        Self { url, learned, failures: 0, avoid_until: None }
    }

    fn avoided(&self, now: Instant) -> Option<Instant> {
        self.avoid_until.filter(|until| *until > now)
    }
}

/// The url of `node`, if a client that reached `from` may hope to reach it.
fn address(node: &ClusterNode, from: &BaseUrl) -> Option<BaseUrl> {
    if node.address.is_empty() || matches!(node.state.as_str(), "dead" | "removed") {
        return None;
    }
    let scheme = if from.https { "https" } else { "http" };
    let url = BaseUrl::parse(&format!("{scheme}://{}", node.address)).ok()?;
    // A node may not know by which address others reach it; its loopback is its own machine's.
    let ip = |url: &BaseUrl| url.host().trim_matches(['[', ']']).parse::<IpAddr>().ok();
    let is_local = |url: &BaseUrl| url.host() == "localhost" || ip(url).is_some_and(|ip| ip.is_loopback());
    let nowhere = ip(&url).is_some_and(|ip| ip.is_unspecified());
    (!nowhere && !url.has_path() && (!is_local(&url) || is_local(from))).then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> BaseUrl {
        BaseUrl::parse(text).expect("a url")
    }

    fn nodes(urls: &[&str]) -> Nodes {
        Nodes::new(&urls.iter().map(|u| url(u)).collect::<Vec<_>>(), true)
    }

    fn order(nodes: &Nodes, now: Instant) -> Vec<String> {
        nodes.order(now).iter().map(|u| u.text.trim_start_matches("http://").to_owned()).collect()
    }

    fn gone() -> Error {
        Error::Unreachable { url: "u".into(), reason: "refused".into() }
    }

    fn cluster(addresses: &[(&str, &str)]) -> Cluster {
        let node = |(address, state): &(&str, &str)| ClusterNode {
            address: (*address).to_owned(),
            state: (*state).to_owned(),
            ..ClusterNode::default()
        };
        Cluster { nodes: addresses.iter().map(node).collect(), ..Cluster::default() }
    }

    #[test]
    fn the_node_that_answered_last_is_asked_first_and_one_that_failed_last() {
        let (n, t) = (nodes(&["a:1", "b:1", "c:1", "a:1"]), Instant::now());
        assert_eq!(order(&n, t), ["a:1", "b:1", "c:1"], "a url given twice is one node");
        n.failed("http://a:1", &gone(), t);
        assert_eq!(order(&n, t), ["b:1", "c:1", "a:1"]);
        n.answered("http://c:1", t);
        assert_eq!(order(&n, t), ["c:1", "b:1", "a:1"]);
        assert_eq!(order(&n, t + Duration::from_secs(1)), ["c:1", "a:1", "b:1"], "the moment is over");
    }

    #[test]
    fn a_node_is_avoided_for_longer_with_each_failure_and_at_most_half_a_minute() {
        let (n, t) = (nodes(&["a:1", "b:1"]), Instant::now());
        let avoided = |after: Duration| n.known(t + after)[0].avoided;
        n.failed("http://a:1", &gone(), t);
        assert!(avoided(Duration::from_millis(400)) && !avoided(Duration::from_millis(600)));
        for _ in 0..40 {
            n.failed("http://a:1", &gone(), t);
        }
        assert!(avoided(Duration::from_secs(29)) && !avoided(Duration::from_secs(31)));
        n.answered("http://a:1", t);
        assert!(!avoided(Duration::ZERO));
    }

    #[test]
    fn a_busy_node_is_left_alone_for_longer_than_it_asks_and_a_refusal_is_an_answer() {
        let (n, t) = (nodes(&["a:1", "b:1"]), Instant::now());
        let retry_after = Some(Duration::from_secs(3));
        n.failed("http://a:1", &Error::Busy { status: 503, message: String::new(), retry_after }, t);
        assert_eq!(order(&n, t + Duration::from_millis(3_500)), ["b:1", "a:1"]);
        let refused = Error::Refused { status: 400, kind: None, message: String::new(), written: None };
        n.failed("http://a:1", &refused, t);
        assert_eq!(order(&n, t), ["a:1", "b:1"]);
    }

    #[test]
    fn named_addresses_are_used_once_they_have_answered_and_forgotten_with_their_node() {
        let (n, t) = (nodes(&["10.0.0.1:7777"]), Instant::now());
        let from = url("10.0.0.1:7777");
        let three = [("10.0.0.1:7777", "active"), ("10.0.0.2:7777", "active"), ("10.0.0.3:7777", "dead")];
        n.learn(&cluster(&three), &from, t);
        assert_eq!(order(&n, t), ["10.0.0.1:7777"], "a candidate is not asked");
        let candidates = n.candidates(t);
        assert_eq!(candidates.len(), 1, "a dead node is no candidate, nor one that is known");
        n.tried(&candidates[0], true, t);
        assert_eq!(order(&n, t), ["10.0.0.1:7777", "10.0.0.2:7777"]);
        n.learn(&cluster(&three[..1]), &from, t);
        assert_eq!(order(&n, t), ["10.0.0.1:7777"]);
        n.learn(&cluster(&[]), &from, t);
        assert_eq!(order(&n, t), ["10.0.0.1:7777"], "what was given stays");
    }

    #[test]
    fn a_candidate_that_never_answers_is_dropped() {
        let (n, t) = (nodes(&["10.0.0.1:7777"]), Instant::now());
        let answer = cluster(&[("192.168.0.9:7777", "active")]);
        for _ in 0..CANDIDATE_TRIES {
            n.learn(&answer, &url("10.0.0.1:7777"), t);
            n.tried(&n.candidates(t)[0], false, t);
        }
        n.learn(&answer, &url("10.0.0.1:7777"), t);
        assert!(n.candidates(t + Duration::from_secs(599)).is_empty());
    }

    #[test]
    fn addresses_that_cannot_be_meant_are_not_taken() {
        let t = Instant::now();
        for (from, address, taken) in [
            ("http://10.0.0.1:7777", "127.0.0.1:7778", false),
            ("http://127.0.0.1:7777", "127.0.0.1:7778", true),
            ("http://localhost:7777", "[::1]:7778", true),
            ("http://10.0.0.1:7777", "0.0.0.0:7777", false),
            ("http://10.0.0.1:7777", "", false),
            ("http://10.0.0.1:7777", "user@10.0.0.2:1", false),
            ("http://10.0.0.1:7777", "10.0.0.2:1/path", false),
            ("http://proxy/plimsoll", "10.0.0.2:7777", false),
        ] {
            let n = nodes(&[from]);
            n.learn(&cluster(&[(address, "active")]), &url(from), t);
            assert_eq!(n.candidates(t).len(), usize::from(taken), "{from} {address}");
        }
        let many: Vec<String> = (0..200).map(|i| format!("10.0.1.{i}:7777")).collect();
        let many: Vec<(&str, &str)> = many.iter().map(|a| (a.as_str(), "active")).collect();
        let n = nodes(&["10.0.0.1:7777"]);
        n.learn(&cluster(&many), &url("10.0.0.1:7777"), t);
        assert_eq!(n.lock().candidates.len(), MAX_LEARNED);
    }

    #[test]
    fn the_list_is_looked_at_after_the_first_answer_then_now_and_then() {
        let (n, t) = (nodes(&["a:1"]), Instant::now());
        assert!(!n.begin_look(t), "nobody has answered yet");
        n.answered("http://a:1", t);
        assert!(n.begin_look(t));
        assert!(!n.begin_look(t), "one look at a time");
        n.looked(None, t);
        assert!(!n.begin_look(t + Duration::from_secs(29)));
        n.failed("http://a:1", &gone(), t);
        assert!(n.begin_look(t + Duration::from_secs(3)), "a failure makes it sooner");
        let refused = Error::Refused { status: 404, kind: None, message: String::new(), written: None };
        n.looked(Some(&refused), t);
        assert!(!n.begin_look(t + Duration::from_secs(500)));
        let off = Nodes::new(&[url("a:1")], false);
        off.answered("http://a:1", t);
        assert!(!off.begin_look(t));
    }
}
