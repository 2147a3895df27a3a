use super::Refusal;

/// Longest example that is kept, in bytes: a log line, not a book.
const EXAMPLE_BYTES: usize = 512;

/// What came of a request.
#[derive(Clone, Debug, Default)]
pub struct Decoded {
    /// Series that have at least one accepted sample; one that stands in the request twice counts twice.
    pub series: u64,
    /// Float samples that the sink took.
    pub floats: u64,
    /// Histogram samples that the sink took.
    pub histograms: u64,
    /// Exemplars that the sink took.
    pub exemplars: u64,
    /// Exemplars that nobody wanted.
    pub exemplars_ignored: u64,
    /// OTLP: data points that were read; each may be several samples.
    pub points: u64,
    /// OTLP: data points of which something was refused.
    pub refused_points: u64,
    /// What was not taken and why.
    pub refused: Refused,
}

impl Decoded {
    /// Samples of both kinds that were taken.
    pub fn samples(&self) -> u64 {
        self.floats + self.histograms
    }

    /// Adds the figures of another request; the examples of this one stay.
    pub fn merge(&mut self, other: Self) {
        self.series += other.series;
        self.floats += other.floats;
        self.histograms += other.histograms;
        self.exemplars += other.exemplars;
        self.exemplars_ignored += other.exemplars_ignored;
        self.points += other.points;
        self.refused_points += other.refused_points;
        self.refused.merge(other.refused);
    }
}

/// Refused samples by reason, each with its first example.
#[derive(Clone, Debug, Default)]
pub struct Refused {
    entries: [Entry; Refusal::ALL.len()],
}

#[derive(Clone, Debug, Default)]
struct Entry {
    samples: u64,
    example: Option<Box<str>>,
}

impl Refused {
    /// Counts `samples` under `reason`. `example` is called for the first of a reason only.
    pub fn add(&mut self, reason: Refusal, samples: u64, example: impl FnOnce() -> String) {
        let entry = &mut self.entries[reason as usize];
        entry.samples += samples;
        if entry.example.is_none() && samples > 0 {
            let mut text = example();
            if text.len() > EXAMPLE_BYTES {
                let cut = (0..=EXAMPLE_BYTES).rev().find(|&i| text.is_char_boundary(i)).unwrap_or(0);
                text.truncate(cut);
                text.push_str("...");
            }
            entry.example = Some(text.into());
        }
    }

    /// Whether everything was taken.
    pub fn is_empty(&self) -> bool {
        self.total() == 0
    }

    /// Refused samples of all reasons. A line that cannot be read counts as one.
    pub fn total(&self) -> u64 {
        self.entries.iter().map(|e| e.samples).sum()
    }

    /// Refused samples of one reason.
    pub fn count(&self, reason: Refusal) -> u64 {
        self.entries[reason as usize].samples
    }

    /// The reasons that occurred: how many samples, and the first example.
    pub fn iter(&self) -> impl Iterator<Item = (Refusal, u64, &str)> {
        let entries = Refusal::ALL.into_iter().zip(&self.entries).filter(|(_, e)| e.samples > 0);
        entries.map(|(r, e)| (r, e.samples, e.example.as_deref().unwrap_or("")))
    }

    /// Adds the refusals of `other`; examples that are here already stay.
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in self.entries.iter_mut().zip(other.entries) {
            mine.samples += theirs.samples;
            mine.example = mine.example.take().or(theirs.example);
        }
    }

    /// A line for each reason, for the body of an answer.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        for (reason, samples, example) in self.iter() {
            out.push_str(&format!("{samples} refused ({}): {reason}; first: {example}\n", reason.name()));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_example_of_a_reason_is_kept_and_cut_at_a_character() {
        let mut refused = Refused::default();
        refused.add(Refusal::TooOld, 2, || "é".repeat(400));
        refused.add(Refusal::TooOld, 3, || unreachable!("only the first example is rendered"));
        let mut other = Refused::default();
        other.add(Refusal::TooOld, 1, || "later".into());
        other.add(Refusal::BadLine, 1, || "line 3".into());
        refused.merge(other);
        let seen: Vec<_> = refused.iter().map(|(r, n, e)| (r, n, e.len())).collect();
        assert_eq!(seen, vec![(Refusal::TooOld, 6, 515), (Refusal::BadLine, 1, 6)]);
        assert_eq!(refused.total(), 7);
    }
}
