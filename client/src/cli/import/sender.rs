use super::super::escape;
use super::super::exit::Problem;
use crate::{Backoff, Client, Error, TextFormat};
use bytes::Bytes;
use indicatif::ProgressBar;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Brings chunks to the node: repeats them, cuts what is too large, counts what was refused.
pub(super) struct Sender {
    pub client: Client,
    pub retry_for: Duration,
    pub refused: Refused,
}

/// What the node did not take, by its reason.
#[derive(Debug, Default)]
pub(super) struct Refused {
    /// Samples and the first example.
    pub reasons: BTreeMap<String, (u64, String)>,
    /// Requests of whose refusal nobody knows how many samples it was.
    pub whole: u64,
}

impl Sender {
    pub async fn send(&mut self, format: TextFormat, chunk: Bytes, bar: &ProgressBar) -> Result<(), Problem> {
        let mut parts = vec![chunk];
        while let Some(part) = parts.pop() {
            if part.is_empty() {
                continue;
            }
            match self.send_part(format, &part, bar).await {
                Ok(()) => {}
                Err(Error::Refused { status: 413, .. }) if middle(&part).is_some() => {
                    let at = middle(&part).unwrap_or(part.len());
                    parts.extend([part.slice(at..), part.slice(..at)]);
                }
                Err(Error::Refused { status: 400, message, .. }) => {
                    if let Some(new) = self.refused.add(&message) {
                        bar.suspend(|| eprintln!("refused: {}", escape::terminal(&new)));
                    }
                }
                Err(e) => return Err(e.into()),
            }
        }
        Ok(())
    }

    async fn send_part(&self, format: TextFormat, part: &Bytes, bar: &ProgressBar) -> Result<(), Error> {
        let backoff = Backoff { give_up_after: self.retry_for, ..Backoff::default() };
        let began = Instant::now();
        let mut repeat = 0;
        loop {
            let Err(e) = self.client.import(format, part.clone()).await else { return Ok(()) };
            let retry_after = match &e {
                Error::Busy { retry_after, .. } => *retry_after,
                _ => None,
            };
            let wait = backoff.wait(repeat, retry_after, rand::random());
            if !e.is_worth_repeating() || began.elapsed() + wait > backoff.give_up_after {
                return Err(e);
            }
            bar.set_message(format!("waiting: {e}"));
            tokio::time::sleep(wait).await;
            bar.set_message("");
            repeat += 1;
        }
    }
}

impl Refused {
    /// Counts what a node's answer tells, a line a reason: `12 refused (too_old): why; first: what`. Answers what is
    /// new to somebody who watches.
    fn add(&mut self, answer: &str) -> Option<String> {
        let (mut known, mut new) = (false, None);
        for line in answer.lines() {
            let Some((count, rest)) = line.split_once(" refused (") else { continue };
            let (Ok(count), Some((reason, why))) = (count.trim().parse::<u64>(), rest.split_once("): "))
            else {
                continue;
            };
            known = true;
            let so_far = self.reasons.entry(reason.to_owned()).or_insert_with(|| {
                new = Some(format!("{reason}: {why}"));
                (0, why.to_owned())
            });
            so_far.0 += count;
        }
        if !known {
            self.whole += 1;
            new = Some(answer.to_owned());
        }
        new
    }

    pub fn samples(&self) -> u64 {
        self.reasons.values().map(|(count, _)| count).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.reasons.is_empty() && self.whole == 0
    }
}

/// Where to cut lines in two, behind the line end nearest to the middle; `None` for a single line.
fn middle(lines: &[u8]) -> Option<usize> {
    let half = lines.len() / 2;
    let before = lines[..half].iter().rposition(|b| *b == b'\n');
    let after = lines[half..].iter().position(|b| *b == b'\n').map(|i| i + half);
    before.or(after).map(|i| i + 1).filter(|at| *at < lines.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_in_two_only_between_lines() {
        assert_eq!(middle(b"aa\nbb\n"), Some(3));
        assert_eq!(middle(b"a\nbbbbbbb\n"), Some(2));
        assert_eq!(middle(b"aaaaaaa\nb"), Some(8));
        assert_eq!(middle(b"aaaa\n"), None);
        assert_eq!(middle(b""), None);
    }

    #[test]
    fn refusals_are_counted_by_their_reason() {
        let mut refused = Refused::default();
        let first = refused.add("7 samples were taken\n2 refused (too_old): it is old; first: a\n1 refused (bad_line): b; first: c\n");
        assert!(first.is_some());
        assert_eq!(refused.add("0 samples were taken\n3 refused (too_old): it is old; first: z\n"), None);
        let counts: Vec<_> = refused.reasons.iter().map(|(r, (n, _))| (r.as_str(), *n)).collect();
        assert_eq!((counts, refused.samples()), (vec![("bad_line", 1), ("too_old", 5)], 6));
        assert!(refused.add("the body is no JSON").is_some());
        assert_eq!(refused.whole, 1);
    }
}
