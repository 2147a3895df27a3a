use super::Shard;
use crate::Error;
use crate::head::{Counted, Head, Outcome};
use plimsoll_model::{Batch, BatchError, Increase, Interval, SeriesRef, Target, varint};
use std::sync::Arc;

/// Samples whose series are brought into the processor's cache together.
const GROUP: usize = 64;

/// What became of one batch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The ref of each definition, in the order of the batch.
    pub refs: Vec<SeriesRef>,
    /// Refs that the shard does not know; their samples were not stored. Ascending, each once.
    pub unknown: Vec<SeriesRef>,
    /// Samples stored, replacements included.
    pub stored: u32,
    /// Samples equal to one that was there.
    pub duplicates: u32,
    /// Samples that took the place of a different one.
    pub replaced: u32,
    /// Samples older than what has expired; they were not stored.
    pub expired: u32,
    /// Data points with increases whose interval overlaps one that was counted; nothing of them was.
    pub overlapping: u32,
    /// Data points with increases older than the intervals that are remembered; nothing of them was counted.
    pub late: u32,
    /// The batch is malformed: what stands before the damage was applied, the same on every replica.
    pub malformed: bool,
}

/// Bytes that are no [`Applied`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the answer to an append is malformed")]
pub struct AppliedError;

impl Applied {
    /// Appends the bytes of this answer: flags (1 malformed, 2 with refused points), four counts, then refs and unknown
    /// refs as zigzag distances, then overlapping and late points where there are any.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let refused = self.overlapping + self.late > 0;
        out.push(u8::from(self.malformed) | u8::from(refused) << 1);
        for n in [self.stored, self.duplicates, self.replaced, self.expired] {
            varint::put(out, u64::from(n));
        }
        for refs in [&self.refs, &self.unknown] {
            varint::put(out, refs.len() as u64);
            let mut last = 0;
            for r in refs {
                varint::put_signed(out, i64::from(r.0) - last);
                last = i64::from(r.0);
            }
        }
        if refused {
            varint::put(out, u64::from(self.overlapping));
            varint::put(out, u64::from(self.late));
        }
    }

    /// Takes an answer off the front of `input`.
    pub fn decode(input: &mut &[u8]) -> Result<Self, AppliedError> {
        Self::take(input).ok_or(AppliedError)
    }

    fn take(input: &mut &[u8]) -> Option<Self> {
        let flags = varint::take_bytes(input, 1)?[0];
        let malformed = flags & 1 == 1;
        let mut count = || u32::try_from(varint::take(input)?).ok();
        let (stored, duplicates, replaced, expired) = (count()?, count()?, count()?, count()?);
        let mut refs = || {
            let n = usize::try_from(varint::take(input)?).ok().filter(|n| *n <= input.len())?;
            let (mut out, mut last) = (Vec::with_capacity(n), 0i64);
            for _ in 0..n {
                last = last.checked_add(varint::take_signed(input)?)?;
                out.push(SeriesRef(u32::try_from(last).ok()?));
            }
            Some(out)
        };
        let (refs, unknown) = (refs()?, refs()?);
        let mut count = || u32::try_from(varint::take(input)?).ok();
        let (overlapping, late) = if flags & 2 == 2 { (count()?, count()?) } else { (0, 0) };
        Some(Self { refs, unknown, stored, duplicates, replaced, expired, overlapping, late, malformed })
    }

    fn count(&mut self, r: SeriesRef, outcome: Outcome) {
        match outcome {
            Outcome::Stored => self.stored += 1,
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Replaced => {
                self.stored += 1;
                self.replaced += 1;
            }
            Outcome::Unknown => self.unknown.push(r),
            Outcome::Expired => self.expired += 1,
        }
    }
}

impl Shard {
    /// Applies commands in memory; each is batches one after another, each as `varint length, bytes` (see
    /// `docs/formats/batch.md`). Answers one [`Applied`] for each batch of each command.
    ///
    /// Deterministic: the same commands after the same position give the same refs on every replica. `position`
    /// becomes the position of the shard and is saved by the next checkpoint.
    pub fn apply(&self, position: &[u8], commands: &[&[u8]]) -> Result<Vec<Vec<Applied>>, Error> {
        let _writer = self.writer.lock();
        let mut answers = Vec::with_capacity(commands.len());
        for command in commands {
            let (mut rest, mut of_command) = (*command, Vec::new());
            while !rest.is_empty() {
                let Some(bytes) = take_batch(&mut rest) else {
                    of_command.push(Applied { malformed: true, ..Applied::default() });
                    break;
                };
                of_command.push(self.apply_batch(bytes));
            }
            answers.push(of_command);
        }
        self.head.write().position = Some(position.to_vec());
        Ok(answers)
    }

    fn apply_batch(&self, bytes: &[u8]) -> Applied {
        let mut applied = Applied::default();
        let Ok(batch) = Batch::decode(bytes) else { return Applied { malformed: true, ..applied } };
        let mut new = Vec::new();
        if !batch.definitions.is_empty() {
            let mut index = self.index.write();
            for labels in &batch.definitions {
                let (r, is_new) = index.define(labels);
                applied.refs.push(r);
                if is_new {
                    new.push(r);
                }
            }
        }
        let mut head = self.head.write();
        let any_new = !new.is_empty();
        new.into_iter().for_each(|r| head.add(r));
        applied.malformed = append(&mut head, &batch, &mut applied).is_err();
        if any_new {
            head.date_the_undated();
        }
        drop(head);
        applied.unknown.sort_unstable();
        applied.unknown.dedup();
        applied
    }
}

fn take_batch<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = usize::try_from(varint::take(rest)?).ok()?;
    varint::take_bytes(rest, length)
}

fn append(head: &mut Head, batch: &Batch<'_>, applied: &mut Applied) -> Result<(), BatchError> {
    let resolve = |applied: &Applied, target| match target {
        Target::Known(r) => Ok(r),
        Target::Defined(i) => applied.refs.get(i as usize).copied().ok_or(BatchError::Malformed),
    };
    let mut group = Vec::with_capacity(GROUP);
    let mut floats = batch.floats();
    loop {
        group.clear();
        let mut failed = None;
        for item in floats.by_ref().take(GROUP) {
            match item.and_then(|(target, at, v)| Ok((resolve(applied, target)?, at, v))) {
                Ok(sample) => group.push(sample),
                Err(e) => {
                    failed = Some(e);
                    break;
                }
            }
        }
        head.touch(group.iter().map(|(r, ..)| *r));
        for (r, at, v) in &group {
            applied.count(*r, head.float(*r, *at, *v));
        }
        if let Some(e) = failed {
            return Err(e);
        }
        if group.len() < GROUP {
            break;
        }
    }
    for item in batch.histograms() {
        let (target, at, h) = item?;
        let r = resolve(applied, target)?;
        applied.count(r, head.histogram(r, at, Arc::new(h)));
    }
    for point in batch.points() {
        let point = point?;
        let member = |(target, increase)| Ok((resolve(applied, target)?, increase));
        let members = point.members.into_iter().map(member).collect::<Result<Vec<_>, BatchError>>()?;
        add_point(head, point.interval, &members, applied);
    }
    Ok(())
}

/// A point counts as a whole: while the shard does not know one of its series, nothing of it is counted.
fn add_point(head: &mut Head, interval: Interval, members: &[(SeriesRef, Increase)], applied: &mut Applied) {
    let unknown = members.iter().map(|(r, _)| *r).filter(|r| head.series.get(*r).is_none());
    let known = applied.unknown.len();
    applied.unknown.extend(unknown);
    if applied.unknown.len() > known {
        return;
    }
    match head.increase(interval, members, |r, outcome| applied.count(r, outcome)) {
        Counted::Added => {}
        Counted::Repeated => applied.duplicates += members.len() as u32,
        Counted::Overlapping => applied.overlapping += 1,
        Counted::Late => applied.late += 1,
        Counted::Expired => applied.expired += members.len() as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_golden_and_comes_back() {
        let a = Applied {
            refs: vec![SeriesRef(5), SeriesRef(3)],
            unknown: vec![SeriesRef(u32::MAX)],
            stored: 300,
            duplicates: 1,
            replaced: 2,
            expired: 4,
            malformed: true,
            ..Applied::default()
        };
        let mut bytes = Vec::new();
        a.encode(&mut bytes);
        assert_eq!(bytes, [1, 0xac, 2, 1, 2, 4, 2, 10, 3, 1, 0xfe, 0xff, 0xff, 0xff, 0x1f]);
        assert_eq!(Applied::decode(&mut &bytes[..]).as_ref(), Ok(&a));
        let refused = Applied { overlapping: 7, late: 200, ..a };
        let mut longer = Vec::new();
        refused.encode(&mut longer);
        assert_eq!(longer[..1], [3]);
        assert_eq!(longer[bytes.len()..], [7, 0xc8, 1]);
        assert_eq!(Applied::decode(&mut &longer[..]), Ok(refused));
        for n in 0..bytes.len() {
            assert_eq!(Applied::decode(&mut &bytes[..n]), Err(AppliedError));
        }
    }
}
