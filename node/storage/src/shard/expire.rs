use super::Shard;
use crate::Error;
use plimsoll_model::Timestamp;

/// What an expiry took away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expired {
    /// Series that had nothing left.
    pub series: u64,
}

impl Shard {
    /// Hides every sample older than `before`, at once and exactly, and for ever: an earlier `before` later on
    /// changes nothing. Days that lie wholly before it leave the disk, and series that have nothing left leave memory.
    ///
    /// It decides which refs live on, so every replica must expire at the same position of the log. After an error
    /// the samples are hidden; repeat the call, as the series and the disk may not be free yet.
    pub fn expire(&self, before: Timestamp) -> Result<Expired, Error> {
        let mut durable = self.lock_pressing();
        // What is frozen may be of series that go now, and its position is one at which they were still there.
        if let Err(e) = self.write_left_over(&mut durable) {
            let mut head = self.head.write();
            head.expired_before = head.expired_before.max(before);
            return Err(e);
        }
        let had = self.head.read().active.keys().next().copied();
        let gone = {
            let _writer = self.writer.lock();
            let mut index = self.index.write();
            let mut head = self.head.write();
            let gone = head.expire(before);
            index.remove(&gone);
            gone
        };
        let first_kept = crate::bucket::Bucket::of(before);
        if had.is_some_and(|b| b < first_kept) || durable.runs.keys().next().is_some_and(|b| *b < first_kept)
        {
            // The labels of series that live on may stand in an expired day alone: a checkpoint writes them anew
            // before that day goes.
            self.write_checkpoint(&mut durable, false)?;
        }
        Ok(Expired { series: gone.len() })
    }
}
