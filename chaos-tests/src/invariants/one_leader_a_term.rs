//! No two nodes ever say that they lead the same shard in the same term.
//!
//! Every node is asked all the time what it believes of its replicas, each by a thread of its own, so that a node that
//! does not answer holds nobody up. What was said once counts for the whole scenario.

use plimsoll_tests::http::Http;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

/// Between two looks at a node.
const PAUSE: Duration = Duration::from_millis(200);

/// A stopped node does not answer; it is asked again.
const LOOK_LIMIT: Duration = Duration::from_secs(1);

/// Shard and term, and who said that it leads there.
type Seen = BTreeMap<(u64, u64), String>;

/// All that the nodes said so far.
pub struct Terms {
    seen: Arc<Mutex<(Seen, Vec<String>)>>,
    looks: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
}

impl Terms {
    /// Watches the nodes at `urls`.
    pub fn watch(urls: &[String]) -> Self {
        let terms = Self { seen: Arc::default(), looks: Arc::default(), stop: Arc::default() };
        urls.iter().for_each(|url| terms.watch_one(url.clone()));
        terms
    }

    /// Watches one more node.
    pub fn watch_one(&self, url: String) {
        let (seen, looks, stop) = (self.seen.clone(), self.looks.clone(), self.stop.clone());
        thread::spawn(move || {
            let http = Http::with_timeout(url, LOOK_LIMIT);
            while !stop.load(Relaxed) {
                if let Ok(answer) = http.get("/api/v1/status", &[])
                    && let Ok(json) = serde_json::from_slice::<Value>(&answer.body)
                {
                    note(&mut seen.lock().unwrap_or_else(PoisonError::into_inner), &json["data"]);
                    looks.fetch_add(1, Relaxed);
                }
                thread::sleep(PAUSE);
            }
        });
    }

    /// Every case of two leaders in one term so far.
    pub fn violations(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }

    /// How many answers were looked at, and how many leaderships (a shard and a term) they told.
    pub fn size(&self) -> (u64, usize) {
        (self.looks.load(Relaxed), self.seen.lock().unwrap_or_else(PoisonError::into_inner).0.len())
    }
}

impl Drop for Terms {
    fn drop(&mut self) {
        self.stop.store(true, Relaxed);
    }
}

fn note((seen, violations): &mut (Seen, Vec<String>), status: &Value) {
    let node = status["node"]["id"].as_str().unwrap_or_default();
    for shard in status["shards"].as_array().into_iter().flatten() {
        let (Some(id), Some(term)) = (shard["id"].as_u64(), shard["term"].as_u64()) else { continue };
        if shard["role"] != "leader" {
            continue;
        }
        let first = seen.entry((id, term)).or_insert_with(|| node.to_owned());
        if first != node {
            violations.push(format!("shard {id}, term {term}: {first} and {node} both lead"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn status(node: &str, role: &str, term: u64) -> Value {
        json!({"node": {"id": node}, "shards": [{"id": 3, "role": role, "term": term}]})
    }

    #[test]
    fn two_leaders_in_one_term_are_noted_and_two_terms_are_not() {
        let mut all = (Seen::new(), Vec::new());
        note(&mut all, &status("n1", "leader", 4));
        note(&mut all, &status("n2", "follower", 4));
        note(&mut all, &status("n2", "leader", 5));
        note(&mut all, &status("n1", "leader", 4));
        assert_eq!(all.1, Vec::<String>::new());
        note(&mut all, &status("n1", "leader", 5));
        assert_eq!(all.1, ["shard 3, term 5: n2 and n1 both lead"]);
    }
}
