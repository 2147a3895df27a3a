use super::{Limits, Refusal};
use plimsoll_model::{Labels, LabelsError, varint};
use smallvec::SmallVec;
use std::fmt::Write;

/// Bytes of labels that nobody has looked into yet.
pub trait RawLabels {
    /// Calls `visit` with name and value of each label as they stand there: in any order, unchecked.
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal>;

    /// What the labels may be.
    fn limits(&self) -> &Limits;

    /// The labels of a series, checked against the limits. An empty value is as good as no label.
    fn parse(&self) -> Result<Labels, Refusal> {
        let labels = canonical(self)?;
        if labels.metric_name().is_none() { Err(Refusal::NoMetricName) } else { Ok(labels) }
    }

    /// The labels of an exemplar: as of a series, but without a name.
    fn parse_nameless(&self) -> Result<Labels, Refusal> {
        canonical(self)
    }

    /// Text for a message about this series: readable whatever the bytes are, and bounded.
    fn describe(&self) -> String {
        let mut out = String::from("{");
        let mut more = false;
        // An error only ends the text early: it is about to be reported itself.
        let _ = self.visit(&mut |name, value| {
            if out.len() > 200 {
                more = true;
                return;
            }
            let separator = if out.len() > 1 { ", " } else { "" };
            let cut = |bytes: &[u8]| String::from_utf8_lossy(&bytes[..bytes.len().min(64)]).into_owned();
            let _ = write!(out, "{separator}{}={:?}", cut(name), cut(value));
        });
        out.push_str(if more { ", ...}" } else { "}" });
        out
    }
}

struct Pair {
    name: std::ops::Range<usize>,
    value: std::ops::Range<usize>,
}

fn canonical<R: RawLabels + ?Sized>(raw: &R) -> Result<Labels, Refusal> {
    let limits = *raw.limits();
    // Both are on the stack for labels of a common size: a new series costs one allocation, its own.
    let mut text: SmallVec<[u8; 1024]> = SmallVec::new();
    let mut pairs: SmallVec<[Pair; 32]> = SmallVec::new();
    let mut refused = None;
    raw.visit(&mut |name, value| {
        if refused.is_some() {
            return;
        }
        match check(name, value, pairs.len(), &limits) {
            Err(reason) => refused = Some(reason),
            Ok(()) => {
                let start = text.len();
                text.extend_from_slice(name);
                text.extend_from_slice(value);
                let middle = start + name.len();
                pairs.push(Pair { name: start..middle, value: middle..text.len() });
            }
        }
    })?;
    if let Some(reason) = refused {
        return Err(reason);
    }
    pairs.sort_unstable_by(|a, b| text[a.name.clone()].cmp(&text[b.name.clone()]));
    if pairs.windows(2).any(|w| text[w[0].name.clone()] == text[w[1].name.clone()]) {
        return Err(Refusal::DuplicateLabel);
    }
    let mut bytes = Vec::with_capacity(text.len() + 4 * pairs.len());
    for pair in pairs.iter().filter(|p| !p.value.is_empty()) {
        for part in [&text[pair.name.clone()], &text[pair.value.clone()]] {
            varint::put(&mut bytes, part.len() as u64);
            bytes.extend_from_slice(part);
        }
    }
    Labels::from_bytes(&bytes).map_err(|e| match e {
        LabelsError::NotUtf8 => Refusal::NotUtf8,
        LabelsError::Duplicate(_) => Refusal::DuplicateLabel,
        LabelsError::EmptyName => Refusal::InvalidName,
        LabelsError::NotCanonical => Refusal::MalformedLabels,
    })
}

fn check(name: &[u8], value: &[u8], before: usize, limits: &Limits) -> Result<(), Refusal> {
    if before >= limits.labels_per_series {
        return Err(Refusal::TooManyLabels);
    }
    // Prometheus takes any UTF-8 as a name. NUL is left out: the index on disk ends a name with it.
    if name.is_empty() || name.contains(&0) {
        return Err(Refusal::InvalidName);
    }
    if name.len() > limits.label_name_bytes {
        return Err(Refusal::LabelNameTooLong);
    }
    if value.len() > limits.label_value_bytes {
        return Err(Refusal::LabelValueTooLong);
    }
    // A value that is dropped for being empty would leave its name unchecked.
    if value.is_empty() && std::str::from_utf8(name).is_err() {
        return Err(Refusal::NotUtf8);
    }
    Ok(())
}
