//! Passes the long answer of one node on.

use super::answer_question;
use crate::shard::Shards;
use bytes::Bytes;
use plimsoll_model::NodeId;
use std::io;
use tokio::sync::mpsc;

/// Pieces that wait for a slow reader.
const PIECES: usize = 4;

/// Asks one node, which may be this one.
pub struct Asker<'a> {
    /// The shards, for what this node holds itself, and the way to the others.
    pub shards: &'a Shards,
    /// Who is asked.
    pub node: NodeId,
}

impl Asker<'_> {
    /// Sends every piece of the answer, as `form` makes it, to `out`.
    pub async fn copy(
        &self,
        question: Bytes,
        out: &mpsc::Sender<io::Result<Bytes>>,
        form: impl Fn(Bytes) -> Bytes,
    ) -> Result<(), String> {
        let gone = |_| "the reader is gone".to_owned();
        if self.node == self.shards.node() {
            let (pieces, mut receiver) = mpsc::channel(PIECES);
            answer_question(self.shards.clone(), question, pieces);
            while let Some(piece) = receiver.recv().await {
                out.send(Ok(form(piece?))).await.map_err(gone)?;
            }
            return Ok(());
        }
        let mut pieces = self.shards.peers().ask(self.node, question).await.map_err(|e| e.to_string())?;
        while let Some(piece) = pieces.next().await.map_err(|e| e.to_string())? {
            out.send(Ok(form(piece))).await.map_err(gone)?;
        }
        Ok(())
    }
}
