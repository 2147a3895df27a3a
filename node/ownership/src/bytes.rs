//! Bytes of commands, replies and the whole state: a version byte (1), then postcard.
//!
//! A replica that cannot read a command must stop: to skip it would make it differ from the others. So a newer
//! version is proposed only once every node can read it.

use crate::command::{Command, Reply};
use crate::state::State;
use serde::{Serialize, de::DeserializeOwned};

const VERSION: u8 = 1;

/// Bytes that this version cannot read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what} cannot be read: {reason}; is a newer version running elsewhere?")]
pub struct Unreadable {
    /// What they should have been.
    pub what: &'static str,
    /// What is wrong.
    pub reason: String,
}

fn encode(value: &impl Serialize) -> Vec<u8> {
    postcard::to_extend(value, vec![VERSION]).expect("a vector takes any length")
}

fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Unreadable> {
    let unreadable = |reason: String| Unreadable { what, reason };
    match bytes.split_first() {
        Some((&VERSION, body)) => {
            let (value, rest) =
                postcard::take_from_bytes(body).map_err(|error| unreadable(error.to_string()))?;
            if rest.is_empty() { Ok(value) } else { Err(unreadable("bytes follow its end".to_owned())) }
        }
        Some((version, _)) => Err(unreadable(format!("it is of version {version}"))),
        None => Err(unreadable("it is empty".to_owned())),
    }
}

impl Command {
    /// Its bytes, for the log.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The command of these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode("an ownership command", bytes)
    }
}

impl Reply {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The reply of these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode("an ownership reply", bytes)
    }
}

impl State {
    /// All of the state, for checkpoints and snapshots.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// The state of these bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, Unreadable> {
        decode("the ownership state", bytes)
    }
}
