use crate::{METRIC_NAME, varint};
use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

/// A set of labels, sorted by name, each name once, no empty value. Cheap to clone.
///
/// Canonical bytes: for each label `varint(name length) name varint(value length) value`. They are the form
/// in the raft log and on disk (frozen, see `docs/formats/labels.md`); equal sets have equal bytes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels(Arc<[u8]>);

/// Why bytes or pairs are not a set of labels.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    /// The name stands there twice.
    #[error("label name {0:?} is given twice")]
    Duplicate(String),
    /// A name is empty.
    #[error("a label name is empty")]
    EmptyName,
    /// A name or value is not UTF-8.
    #[error("a label name or value is not valid UTF-8")]
    NotUtf8,
    /// Names are not in ascending order, or a value is empty, or the bytes are cut.
    #[error("label bytes are not in canonical form")]
    NotCanonical,
}

impl Default for Labels {
    fn default() -> Self {
        Self(Arc::from([].as_slice()))
    }
}

impl Labels {
    /// Labels from pairs in any order; empty values are left out as if the label was absent.
    pub fn from_pairs<N: AsRef<str>, V: AsRef<str>>(
        pairs: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, LabelsError> {
        let mut b = LabelsBuilder::default();
        for (n, v) in pairs {
            b.push(n.as_ref(), v.as_ref());
        }
        b.finish()
    }

    /// Labels from canonical bytes, checked.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, LabelsError> {
        let mut rest = bytes;
        let mut last: Option<&str> = None;
        while !rest.is_empty() {
            let name = take_str(&mut rest)?;
            let value = take_str(&mut rest)?;
            if name.is_empty() {
                return Err(LabelsError::EmptyName);
            }
            if value.is_empty() || last.is_some_and(|l| l >= name) {
                return Err(LabelsError::NotCanonical);
            }
            last = Some(name);
        }
        Ok(Self(Arc::from(bytes)))
    }

    /// The canonical bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Pairs in ascending order of the name.
    pub fn iter(&self) -> Iter<'_> {
        Iter(&self.0)
    }

    /// The value of `name`, if there is such a label.
    pub fn get(&self, name: &str) -> Option<&str> {
        for (n, v) in self.iter() {
            match n.cmp(name) {
                Ordering::Less => {}
                Ordering::Equal => return Some(v),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// The metric's name, if there is one.
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    /// Number of labels.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Whether there is no label.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The labels for which `keep` answers true.
    pub fn filter(&self, mut keep: impl FnMut(&str) -> bool) -> Self {
        let mut out = Vec::with_capacity(self.0.len());
        for (n, v) in self.iter() {
            if keep(n) {
                put_pair(&mut out, n, v);
            }
        }
        Self(Arc::from(out))
    }

    /// These labels with `name` set to `value`, or without it when `value` is empty.
    pub fn with(&self, name: &str, value: &str) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + name.len() + value.len() + 4);
        let mut placed = value.is_empty();
        for (n, v) in self.iter() {
            if !placed && n >= name {
                put_pair(&mut out, name, value);
                placed = true;
            }
            if n != name {
                put_pair(&mut out, n, v);
            }
        }
        if !placed {
            put_pair(&mut out, name, value);
        }
        Self(Arc::from(out))
    }

    /// Identity of the series: xxh3-128 of the canonical bytes.
    pub fn fingerprint(&self) -> u128 {
        xxh3_128(&self.0)
    }

    /// The hash that places a series on a shard: xxh3-64 over the labels without `__name__`, `le` and
    /// `quantile`, so that all buckets of a histogram and all metrics with equal labels meet.
    pub fn shard_hash(&self) -> u64 {
        let mut hasher = Xxh3::new();
        for (n, v) in self.iter() {
            if n != METRIC_NAME && n != "le" && n != "quantile" {
                hasher.update(n.as_bytes());
                hasher.update(&[0xff]);
                hasher.update(v.as_bytes());
                hasher.update(&[0xff]);
            }
        }
        hasher.digest()
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Name by name, value by value; a set that is a prefix of the other comes first.
impl Ord for Labels {
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

/// `{a="b", c="d"}` after the metric's name, as Prometheus prints it.
impl fmt::Display for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        f.write_str(name.unwrap_or(""))?;
        if name.is_some() && self.len() == 1 {
            return Ok(());
        }
        f.write_str("{")?;
        let mut first = true;
        for (n, v) in self.iter().filter(|(n, _)| *n != METRIC_NAME) {
            if !first {
                f.write_str(", ")?;
            }
            first = false;
            write!(f, "{n}={v:?}")?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Iterator over (name, value).
#[derive(Clone)]
pub struct Iter<'a>(&'a [u8]);

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let mut take = || {
            let n = varint::take(&mut self.0).expect("labels were checked when built");
            let bytes = varint::take_bytes(&mut self.0, n as usize).expect("labels were checked when built");
            // SAFETY: every constructor of `Labels` puts only whole `str`s or checks for UTF-8.
            unsafe { std::str::from_utf8_unchecked(bytes) }
        };
        let name = take();
        Some((name, take()))
    }
}

/// Collects pairs in any order.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder(Vec<(String, String)>);

impl LabelsBuilder {
    /// Adds a label; an empty value is left out.
    pub fn push(&mut self, name: &str, value: &str) {
        if !value.is_empty() {
            self.0.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The labels, or why these pairs are none.
    pub fn finish(mut self) -> Result<Labels, LabelsError> {
        self.0.sort_unstable();
        let mut out = Vec::with_capacity(self.0.iter().map(|(n, v)| n.len() + v.len() + 4).sum());
        for (i, (n, v)) in self.0.iter().enumerate() {
            if n.is_empty() {
                return Err(LabelsError::EmptyName);
            }
            if i > 0 && self.0[i - 1].0 == *n {
                return Err(LabelsError::Duplicate(n.clone()));
            }
            put_pair(&mut out, n, v);
        }
        Ok(Labels(Arc::from(out)))
    }
}

fn put_pair(out: &mut Vec<u8>, name: &str, value: &str) {
    for s in [name, value] {
        varint::put(out, s.len() as u64);
        out.extend_from_slice(s.as_bytes());
    }
}

fn take_str<'a>(rest: &mut &'a [u8]) -> Result<&'a str, LabelsError> {
    let whole = *rest;
    let n = varint::take(rest).ok_or(LabelsError::NotCanonical)?;
    let used = whole.len() - rest.len();
    // A length with a needless zero byte at its end would give equal labels unequal bytes.
    if used > 1 && whole[used - 1] == 0 {
        return Err(LabelsError::NotCanonical);
    }
    let n = usize::try_from(n).map_err(|_| LabelsError::NotCanonical)?;
    let bytes = varint::take_bytes(rest, n).ok_or(LabelsError::NotCanonical)?;
    std::str::from_utf8(bytes).map_err(|_| LabelsError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        Labels::from_pairs(pairs.iter().copied()).expect("valid labels")
    }

    #[test]
    fn order_of_pairs_does_not_matter_and_empty_values_are_absent() {
        let a = labels(&[("b", "2"), ("a", "1"), ("z", "")]);
        assert_eq!(a, labels(&[("a", "1"), ("b", "2")]));
        assert_eq!(a.fingerprint(), labels(&[("a", "1"), ("b", "2")]).fingerprint());
        assert_eq!((a.get("a"), a.get("z"), a.len()), (Some("1"), None, 2));
    }

    #[test]
    fn duplicate_and_empty_names_are_refused() {
        assert_eq!(Labels::from_pairs([("a", "1"), ("a", "2")]), Err(LabelsError::Duplicate("a".into())));
        assert_eq!(Labels::from_pairs([("", "1")]), Err(LabelsError::EmptyName));
    }

    #[test]
    fn canonical_bytes_are_golden_and_come_back() {
        let a = labels(&[("__name__", "up"), ("job", "é")]);
        assert_eq!(a.as_bytes(), b"\x08__name__\x02up\x03job\x02\xc3\xa9");
        assert_eq!(Labels::from_bytes(a.as_bytes()), Ok(a));
    }

    #[test]
    fn bytes_out_of_form_are_refused() {
        assert_eq!(Labels::from_bytes(b"\x01b\x011\x01a\x011"), Err(LabelsError::NotCanonical));
        assert_eq!(Labels::from_bytes(b"\x01b\x00"), Err(LabelsError::NotCanonical));
        assert_eq!(Labels::from_bytes(b"\x01b\x09x"), Err(LabelsError::NotCanonical));
        assert_eq!(Labels::from_bytes(b"\x01b\x01\xff"), Err(LabelsError::NotUtf8));
        assert_eq!(Labels::from_bytes(b"\x01b\x81\x00x"), Err(LabelsError::NotCanonical));
    }

    #[test]
    fn with_sets_replaces_and_removes() {
        let a = labels(&[("b", "2")]);
        assert_eq!(a.with("a", "1").with("c", "3"), labels(&[("a", "1"), ("b", "2"), ("c", "3")]));
        assert_eq!(a.with("b", "9"), labels(&[("b", "9")]));
        assert_eq!(a.with("b", ""), Labels::default());
    }

    #[test]
    fn buckets_of_a_histogram_and_equal_labels_meet_on_one_shard() {
        let a = labels(&[("__name__", "x_bucket"), ("le", "1"), ("job", "j")]);
        let b = labels(&[("__name__", "x_sum"), ("job", "j")]);
        assert_eq!(a.shard_hash(), b.shard_hash());
        assert_ne!(a.shard_hash(), labels(&[("job", "k")]).shard_hash());
    }

    #[test]
    fn order_is_by_name_then_value() {
        let mut all = vec![labels(&[("b", "1")]), labels(&[("a", "10")]), labels(&[("a", "9")]), labels(&[])];
        all.sort();
        assert_eq!(
            all,
            vec![labels(&[]), labels(&[("a", "10")]), labels(&[("a", "9")]), labels(&[("b", "1")])]
        );
    }
}
