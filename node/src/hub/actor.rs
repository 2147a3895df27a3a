use super::msg::Msg;
use super::page::{Page, Seat};
use super::topic::{Key, Topic};
use super::{Error, Evaluate, Form, MOST_TOPICS, Outcome, Wish};
use bytes::Bytes;
use futures::StreamExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

/// Live queries that are evaluated at a time: those that people ask have the other slots.
const AT_A_TIME: usize = 4;
/// Answers of new queries that are handed over together.
const TOGETHER: usize = 16;

pub(super) struct HubActor;

pub(super) struct Args {
    pub evaluate: Arc<dyn Evaluate>,
    pub form: Arc<dyn Form>,
}

pub(super) struct State {
    evaluate: Arc<dyn Evaluate>,
    form: Arc<dyn Form>,
    topics: HashMap<Key, Topic>,
    pages: HashMap<Wish, Page>,
    next_id: u64,
    /// The last second that was looked at.
    last_ms: i64,
    /// Steps whose evaluation is under way.
    running: HashSet<i64>,
}

impl Actor for HubActor {
    type Msg = Msg;
    type State = State;
    type Arguments = Args;

    async fn pre_start(&self, me: ActorRef<Msg>, args: Args) -> Result<State, ActorProcessingErr> {
        me.send_after(to_next_second(), || Msg::Second);
        let Args { evaluate, form } = args;
        Ok(State {
            evaluate,
            form,
            topics: HashMap::new(),
            pages: HashMap::new(),
            next_id: 1,
            last_ms: crate::now_ms(),
            running: HashSet::new(),
        })
    }

    async fn handle(&self, me: ActorRef<Msg>, msg: Msg, state: &mut State) -> Result<(), ActorProcessingErr> {
        match msg {
            Msg::Join { wish, seat, reply } => {
                // who asked may be gone; its seat is then swept
                let _ = reply.send(state.join(&me, wish, seat));
            }
            Msg::Second => {
                me.send_after(to_next_second(), || Msg::Second);
                state.second(&me, crate::now_ms());
            }
            Msg::Filled(answers) => state.filled(answers),
            Msg::Evaluated { step_ms, at_ms, answers } => state.evaluated(step_ms, at_ms, answers),
        }
        Ok(())
    }
}

fn to_next_second() -> Duration {
    Duration::from_millis(1000 - crate::now_ms().rem_euclid(1000).unsigned_abs())
}

impl State {
    fn join(&mut self, me: &ActorRef<Msg>, wish: Wish, seat: Seat) -> Result<(), Error> {
        if !self.pages.contains_key(&wish) {
            self.open(me, &wish)?;
        }
        let Self { pages, topics, form, .. } = self;
        // it was opened above
        let Some(page) = pages.get_mut(&wish) else { return Err(Error::Stopped) };
        let past = page.past.get_or_insert_with(|| past_of(&page.keys, topics, form.as_ref(), wish.cluster));
        if seat.send(past.clone()) {
            page.seats.push(seat);
        }
        self.measure();
        Ok(())
    }

    /// Makes a page and the topics that it is the first to show.
    fn open(&mut self, me: &ActorRef<Msg>, wish: &Wish) -> Result<(), Error> {
        let mut keys: Vec<Key> = Vec::with_capacity(wish.queries.len());
        for key in wish.queries.iter().map(|wanted| Key::of(wanted, wish.step_ms)) {
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let new: Vec<Key> = keys.iter().filter(|key| !self.topics.contains_key(*key)).cloned().collect();
        if self.topics.len() + new.len() > MOST_TOPICS {
            return Err(Error::Topics);
        }
        for key in &new {
            self.topics.insert(key.clone(), Topic::new(self.next_id));
            self.next_id += 1;
        }
        for key in &keys {
            self.topics.entry(key.clone()).and_modify(|topic| topic.pages += 1);
        }
        self.pages.insert(wish.clone(), Page::new(keys));
        if !new.is_empty() {
            tokio::spawn(fill(self.evaluate.clone(), new, me.clone()));
        }
        Ok(())
    }

    fn second(&mut self, me: &ActorRef<Msg>, now_ms: i64) {
        self.close_empty();
        let steps: HashSet<i64> = self.pages.keys().map(|wish| wish.step_ms).collect();
        // on a busy machine a second may be skipped; a step that began meanwhile is due all the same
        let began = |step: &i64| now_ms.div_euclid(*step) > self.last_ms.div_euclid(*step);
        for step_ms in steps.into_iter().filter(began) {
            if !self.running.insert(step_ms) {
                metrics::counter!("plimsoll_live_skipped_steps_total").increment(1);
                continue;
            }
            let at_ms = now_ms.div_euclid(step_ms) * step_ms;
            let due = self.topics.iter().filter(|(key, topic)| key.step_ms == step_ms && topic.filled);
            let keys = due.map(|(key, _)| key.clone()).collect();
            tokio::spawn(evaluate(self.evaluate.clone(), step_ms, at_ms, keys, me.clone()));
        }
        self.last_ms = self.last_ms.max(now_ms);
    }

    /// Forgets the pages that nobody looks at, and what only they showed.
    fn close_empty(&mut self) {
        self.pages.retain(|_, page| {
            page.sweep();
            if page.seats.is_empty() {
                for key in &page.keys {
                    self.topics.entry(key.clone()).and_modify(|topic| topic.pages -= 1);
                }
            }
            !page.seats.is_empty()
        });
        self.topics.retain(|_, topic| topic.pages > 0);
        self.measure();
    }

    fn filled(&mut self, answers: Vec<(Key, i64, Outcome)>) {
        for (key, end_ms, outcome) in answers {
            let Some(topic) = self.topics.get_mut(&key) else { continue };
            let message = topic.fill(self.form.as_ref(), &key, end_ms, outcome);
            self.pages
                .values_mut()
                .filter(|page| page.keys.contains(&key))
                .for_each(|page| page.send(&message));
        }
    }

    fn evaluated(&mut self, step_ms: i64, at_ms: i64, answers: Vec<(Key, Outcome)>) {
        self.running.remove(&step_ms);
        metrics::counter!("plimsoll_live_evaluations_total").increment(answers.len() as u64);
        let form = self.form.as_ref();
        let mut parts: HashMap<Key, Bytes> = HashMap::with_capacity(answers.len());
        for (key, outcome) in answers {
            if let Some(topic) = self.topics.get_mut(&key) {
                let part = topic.add(form, &key, at_ms, outcome);
                parts.insert(key, part);
            }
        }
        let mut cluster = None;
        for (wish, page) in self.pages.iter_mut().filter(|(wish, _)| wish.step_ms == step_ms) {
            let own: Vec<&Bytes> = page.keys.iter().filter_map(|key| parts.get(key)).collect();
            let mut message = if own.is_empty() { Vec::new() } else { form.tick(at_ms, &own).to_vec() };
            if wish.cluster {
                message.extend_from_slice(cluster.get_or_insert_with(|| form.cluster()));
            }
            page.send(&message.into());
        }
    }

    fn measure(&self) {
        let viewers: usize = self.pages.values().map(|page| page.seats.len()).sum();
        metrics::gauge!("plimsoll_live_viewers").set(viewers as f64);
        metrics::gauge!("plimsoll_live_queries").set(self.topics.len() as f64);
    }
}

/// All that a new viewer of a page has missed.
fn past_of(keys: &[Key], topics: &HashMap<Key, Topic>, form: &dyn Form, cluster: bool) -> Bytes {
    let all: Vec<(&Key, &Topic)> = keys.iter().filter_map(|key| Some((key, topics.get(key)?))).collect();
    let numbers: Vec<(u64, Key)> = all.iter().map(|(key, topic)| (topic.id, (*key).clone())).collect();
    let mut out = form.hello(&numbers).to_vec();
    if cluster {
        out.extend_from_slice(&form.cluster());
    }
    for (_, topic) in all {
        topic.past(form, &mut out);
    }
    out.into()
}

/// Asks for the past of new queries, and hands it over as it comes.
async fn fill(by: Arc<dyn Evaluate>, keys: Vec<Key>, hub: ActorRef<Msg>) {
    let now_ms = crate::now_ms();
    let ask = |key: Key| {
        let end_ms = now_ms.div_euclid(key.step_ms) * key.step_ms;
        let request = if key.window_ms == 0 { key.at(end_ms) } else { key.window(end_ms) };
        let answer = by.evaluate(request);
        async move { (key, end_ms, answer.await) }
    };
    let answers = futures::stream::iter(keys).map(ask).buffer_unordered(AT_A_TIME).ready_chunks(TOGETHER);
    tokio::pin!(answers);
    while let Some(some) = answers.next().await {
        // at most one message a query is on its way
        if hub.cast(Msg::Filled(some)).is_err() {
            return;
        }
    }
}

/// Asks all queries of a step, and hands the answers over together.
async fn evaluate(by: Arc<dyn Evaluate>, step_ms: i64, at_ms: i64, keys: Vec<Key>, hub: ActorRef<Msg>) {
    let ask = |key: Key| {
        let answer = by.evaluate(key.at(at_ms));
        async move { (key, answer.await) }
    };
    let answers = futures::stream::iter(keys).map(ask).buffer_unordered(AT_A_TIME).collect().await;
    // one message a step is on its way: the next evaluation waits for it
    let _ = hub.cast(Msg::Evaluated { step_ms, at_ms, answers });
}
