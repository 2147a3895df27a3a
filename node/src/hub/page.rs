use super::topic::Key;
use bytes::Bytes;
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

/// Why the stream of a viewer ended; told as its last message.
pub(super) type End = Arc<OnceLock<&'static str>>;

/// Where messages to a viewer go.
pub(super) struct Seat {
    messages: mpsc::Sender<Bytes>,
    end: End,
}

impl Seat {
    pub fn new(messages: mpsc::Sender<Bytes>, end: End) -> Self {
        Self { messages, end }
    }

    /// Sends without waiting; false when the viewer is gone, or is let go because it does not keep up.
    pub fn send(&self, message: Bytes) -> bool {
        match self.messages.try_send(message) {
            Ok(()) => true,
            Err(TrySendError::Full(_)) => {
                self.leave("this viewer does not keep up: its connection is too slow");
                metrics::counter!("plimsoll_live_dropped_total", "reason" => "slow").increment(1);
                false
            }
            Err(TrySendError::Closed(_)) => false,
        }
    }

    /// Says why the stream ends.
    pub fn leave(&self, reason: &'static str) {
        // the first reason is the true one
        let _ = self.end.set(reason);
    }

    fn is_taken(&self) -> bool {
        !self.messages.is_closed()
    }
}

/// The viewers of the same queries.
pub(super) struct Page {
    /// Its queries.
    pub keys: Vec<Key>,
    /// What somebody who comes now is sent, until the next message.
    pub past: Option<Bytes>,
    pub seats: Vec<Seat>,
}

impl Page {
    pub fn new(keys: Vec<Key>) -> Self {
        Self { keys, past: None, seats: Vec::new() }
    }

    /// Sends the same bytes to all; those who are gone lose their seats.
    pub fn send(&mut self, message: &Bytes) {
        self.past = None;
        if !message.is_empty() {
            self.seats.retain(|seat| seat.send(message.clone()));
        }
    }

    /// Takes the seats of those who left.
    pub fn sweep(&mut self) {
        self.seats.retain(Seat::is_taken);
    }
}
