//! The hub with an evaluator that counts what it is asked.

use super::*;
use crate::query::Times;
use plimsoll_model::Labels;
use plimsoll_promql::{Point, Series};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Answers every instant query with one series, and counts queries by their text and time.
#[derive(Default)]
struct Counting(parking_lot::Mutex<BTreeMap<(String, i64), usize>>);

impl Evaluate for Counting {
    fn evaluate(&self, request: Request) -> BoxFuture<'static, Outcome> {
        let at = match request.times {
            Times::Instant(at) => at,
            Times::Range { .. } => -1,
        };
        *self.0.lock().entry((request.text.clone(), at)).or_default() += 1;
        let labels = Labels::from_pairs([("q", request.text.as_str())]).expect("a label");
        let outcome = if request.text == "bad" {
            Err("no luck".to_owned())
        } else {
            Ok(Value::Vector(at, vec![Series { labels, point: Point::Float(1.0) }]))
        };
        Box::pin(std::future::ready(outcome))
    }
}

/// Writes words instead of JSON.
struct Words;

impl Form for Words {
    fn hello(&self, queries: &[(u64, Key)]) -> Bytes {
        format!("hello {};", queries.len()).into()
    }
    fn history(&self, id: u64, outcome: &Outcome) -> Bytes {
        format!("history {id} {};", outcome.is_ok()).into()
    }
    fn part(&self, id: u64, outcome: &Outcome) -> Bytes {
        format!("{id}={}", outcome.is_ok()).into()
    }
    fn tick(&self, _: i64, parts: &[&Bytes]) -> Bytes {
        let parts: Vec<_> = parts.iter().map(|p| String::from_utf8_lossy(p).into_owned()).collect();
        format!("tick {};", parts.join(",")).into()
    }
    fn cluster(&self) -> Bytes {
        Bytes::from_static(b"cluster;")
    }
}

fn wish(queries: &[&str], window_ms: i64) -> Wish {
    let queries = queries.iter().map(|expr| Wanted { expr: (*expr).to_owned(), window_ms }).collect();
    Wish { queries, step_ms: 1000, cluster: false }
}

async fn hub() -> (Hub, Arc<Counting>, watch::Sender<bool>) {
    let counting = Arc::<Counting>::default();
    let (stop, stopping) = watch::channel(false);
    let hub = Hub::start(counting.clone(), Arc::new(Words), stopping).await.expect("an actor starts");
    (hub, counting, stop)
}

async fn next(viewer: &mut Viewer) -> String {
    let message = tokio::time::timeout(Duration::from_secs(10), viewer.next()).await.expect("in time");
    String::from_utf8(message.expect("a message").to_vec()).expect("words")
}

/// Messages up to the first one with `word` in it.
async fn until(viewer: &mut Viewer, word: &str) -> String {
    let mut all = String::new();
    while !all.contains(word) {
        all += &next(viewer).await;
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_is_evaluated_once_a_step_however_many_look_on() {
    let (hub, counting, _stop) = hub().await;
    let mut viewers = Vec::new();
    for _ in 0..50 {
        viewers.push(hub.join(wish(&["up", "down"], 60_000)).await.expect("there is room"));
    }
    // another page shares one of them
    viewers.push(hub.join(wish(&["up"], 60_000)).await.expect("there is room"));
    assert_eq!(hub.viewers(), 51);
    for viewer in &mut viewers {
        let seen = until(viewer, "tick").await;
        assert!(seen.starts_with("hello"), "{seen}");
        until(viewer, "tick").await;
    }
    let counts = counting.0.lock();
    assert!(counts.len() >= 4, "two queries, their past and at least one step: {counts:?}");
    assert!(counts.values().all(|n| *n == 1), "{counts:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_comes_later_gets_the_past_at_once_and_no_query_is_asked_for_it() {
    let (hub, counting, _stop) = hub().await;
    let mut first = hub.join(wish(&["up"], 60_000)).await.expect("there is room");
    until(&mut first, "history").await;
    until(&mut first, "tick").await;
    let mut second = hub.join(wish(&["up"], 60_000)).await.expect("there is room");
    let seen = next(&mut second).await;
    assert!(
        seen.contains("hello 1;") && seen.contains("history 1 true;") && seen.contains("tick 1=true;"),
        "{seen}"
    );
    assert_eq!(counting.0.lock().iter().filter(|((_, at), _)| *at == -1).count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_that_does_not_read_is_let_go_with_a_reason_and_the_others_go_on() {
    let (messages, mut slow) = tokio::sync::mpsc::channel(2);
    let end = page::End::default();
    let mut page = page::Page::new(Vec::new());
    page.seats.push(page::Seat::new(messages, end.clone()));
    let (messages, mut good) = tokio::sync::mpsc::channel(8);
    page.seats.push(page::Seat::new(messages, page::End::default()));
    for _ in 0..4 {
        page.send(&Bytes::from_static(b"x"));
    }
    assert_eq!(page.seats.len(), 1);
    assert!(end.get().expect("a reason").contains("keep up"));
    assert_eq!(
        (slow.recv().await.is_some(), slow.recv().await.is_some(), slow.recv().await),
        (true, true, None)
    );
    for _ in 0..4 {
        assert!(good.recv().await.is_some());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_all_have_left_nothing_is_evaluated_any_more() {
    let (hub, counting, _stop) = hub().await;
    let mut viewer = hub.join(wish(&["up"], 0)).await.expect("there is room");
    until(&mut viewer, "tick").await;
    drop(viewer);
    assert_eq!(hub.viewers(), 0);
    // another page keeps the seconds coming; two of its steps later the first one is long forgotten
    let mut other = hub.join(wish(&["other"], 0)).await.expect("there is room");
    for _ in 0..3 {
        until(&mut other, "tick").await;
    }
    let before = counting.0.lock().keys().filter(|(text, _)| text == "up").count();
    for _ in 0..2 {
        until(&mut other, "tick").await;
    }
    assert_eq!(counting.0.lock().keys().filter(|(text, _)| text == "up").count(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failed_query_is_told_and_the_others_are_sent_all_the_same() {
    let (hub, _, _stop) = hub().await;
    let mut viewer = hub.join(wish(&["bad", "up"], 60_000)).await.expect("there is room");
    let seen = until(&mut viewer, "tick").await;
    assert!(seen.contains("history 1 false;") && seen.contains("history 2 true;"), "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_cannot_be_met_is_refused_with_the_reason() {
    let (hub, _, _stop) = hub().await;
    let refused = async |wish: Wish| hub.join(wish).await.err().expect("refused").to_string();
    assert!(refused(wish(&["sum(("], 0)).await.contains("sum(("));
    assert!(refused(wish(&["up"; MOST_QUERIES + 1], 0)).await.contains("64"));
    assert!(refused(wish(&["up"], (MOST_STEPS + 1) * 1000)).await.contains("steps"));
    assert!(refused(Wish { step_ms: 1500, ..wish(&["up"], 0) }).await.contains("whole seconds"));
    for at in 0..MOST_TOPICS / 64 {
        let all: Vec<String> = (0..64).map(|i| format!("a{at}_{i}")).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        // they leave at once; their topics stay until the next second
        hub.join(wish(&all, 0)).await.map(drop).expect("there is room");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_node_stops_every_viewer_is_told() {
    let (hub, _, stop) = hub().await;
    let mut viewer = hub.join(wish(&["up"], 0)).await.expect("there is room");
    until(&mut viewer, "tick").await;
    stop.send(true).expect("somebody listens");
    while viewer.next().await.is_some() {}
    assert_eq!(viewer.reason(), "the node stops");
}
