use super::actor::{Args, HubActor};
use super::msg::Msg;
use super::page::{End, Seat};
use super::{Error, Evaluate, Form, MOST_QUERIES, MOST_STEPS, MOST_VIEWERS, STEPS_S, Wish};
use bytes::Bytes;
use plimsoll_promql::ParseOptions;
use ractor::{Actor, ActorRef};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

/// Messages that may wait for a viewer: the past of every query, and some steps.
const WAITING: usize = MOST_QUERIES + 32;

/// Handle of the hub. Cheap to clone.
#[derive(Clone)]
pub struct Hub {
    actor: ActorRef<Msg>,
    places: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// Somebody who looks on. Dropping it is leaving.
pub struct Viewer {
    messages: mpsc::Receiver<Bytes>,
    end: End,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Hub {
    /// Starts the hub. When `stopping` turns true all viewers are told so.
    pub async fn start(
        evaluate: Arc<dyn Evaluate>,
        form: Arc<dyn Form>,
        stopping: watch::Receiver<bool>,
    ) -> anyhow::Result<Self> {
        let (actor, _) = HubActor::spawn(None, HubActor, Args { evaluate, form }).await?;
        Ok(Self { actor, places: Arc::new(Semaphore::new(MOST_VIEWERS)), stopping })
    }

    /// Lets a viewer in. Fails at once when the node has as many as it takes.
    pub async fn join(&self, wish: Wish) -> Result<Viewer, Error> {
        check(&wish)?;
        let place = self.places.clone().try_acquire_owned().map_err(|_| Error::Full)?;
        let (sender, messages) = mpsc::channel(WAITING);
        let end = End::default();
        let (reply, joined) = oneshot::channel();
        let seat = Seat::new(sender, end.clone());
        // at most one message a place is on its way
        self.actor.cast(Msg::Join { wish, seat, reply }).map_err(|_| Error::Stopped)?;
        joined.await.map_err(|_| Error::Stopped)??;
        Ok(Viewer { messages, end, stopping: self.stopping.clone(), _place: place })
    }

    /// Viewers at this moment.
    pub fn viewers(&self) -> usize {
        MOST_VIEWERS - self.places.available_permits()
    }

    /// Ends the hub; whoever looks on is told.
    pub fn stop(&self) {
        self.actor.stop(None);
    }
}

impl Viewer {
    /// The next message; nothing after the last.
    pub async fn next(&mut self) -> Option<Bytes> {
        tokio::select! {
            message = self.messages.recv() => message,
            _ = self.stopping.wait_for(|stopping| *stopping) => None,
        }
    }

    /// Why there is no further message.
    pub fn reason(&self) -> &'static str {
        self.end.get().copied().unwrap_or("the node stops")
    }
}

fn check(wish: &Wish) -> Result<(), Error> {
    if wish.step_ms % 1000 != 0 || !STEPS_S.contains(&(wish.step_ms / 1000)) {
        return Err(Error::Step);
    }
    if wish.queries.len() > MOST_QUERIES {
        return Err(Error::Queries);
    }
    let mut once = HashSet::new();
    for wanted in &wish.queries {
        if wanted.window_ms < 0 || wanted.window_ms / wish.step_ms > MOST_STEPS {
            return Err(Error::Window);
        }
        if once.insert(&wanted.expr) {
            plimsoll_promql::parse(&wanted.expr, ParseOptions::default())
                .map_err(|e| Error::Query { expr: wanted.expr.clone(), reason: e.to_string() })?;
        }
    }
    Ok(())
}
