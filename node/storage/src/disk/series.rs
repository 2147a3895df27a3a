//! Labels of series seen in a bucket.
//!
//! ```text
//! body    varint number of series, zigzag varint distances of their refs
//!         labels one after another, packed (see `frame`)
//! labels  varint labels << 1 | 1 when their names are those of the series before: varint bit mask of the values
//!         that differ, then each: varint length, value
//!         varint labels << 1 otherwise: each: varint length, name, varint length, value
//! ```
//! The refs are outside the compressed part: at a start, most buckets name series that are known already.

use super::Flaw;
use super::frame::{self, Packer, Unpacker};
use plimsoll_model::{Labels, SeriesRef, varint};

/// Series in a row. Enough for good compression, few enough to unpack in a fraction of a millisecond.
pub(crate) const ROW: usize = 512;

/// A mask has 64 bits.
const MOST_MASKED: usize = 64;

/// Collects series into one value.
#[derive(Default)]
pub(crate) struct Builder {
    refs: Vec<u8>,
    labels: Vec<u8>,
    count: usize,
    first: Option<SeriesRef>,
    last: i64,
    before: Vec<(String, String)>,
}

impl Builder {
    pub(crate) fn push<'a>(&mut self, r: SeriesRef, pairs: impl Iterator<Item = (&'a str, &'a str)>) {
        varint::put_signed(&mut self.refs, i64::from(r.0) - self.last);
        self.last = i64::from(r.0);
        self.first.get_or_insert(r);
        let pairs: Vec<(&str, &str)> = pairs.collect();
        let alike = pairs.len() == self.before.len()
            && pairs.len() <= MOST_MASKED
            && pairs.iter().zip(&self.before).all(|(a, b)| a.0 == b.0);
        varint::put(&mut self.labels, (pairs.len() as u64) << 1 | u64::from(alike));
        if alike {
            let differ = |i: usize| pairs[i].1 != self.before[i].1;
            let mask = (0..pairs.len()).filter(|i| differ(*i)).fold(0u64, |m, i| m | 1 << i);
            varint::put(&mut self.labels, mask);
            for (i, (_, value)) in pairs.iter().enumerate().filter(|(i, _)| mask >> i & 1 != 0) {
                put_text(&mut self.labels, value);
                self.before[i].1 = (*value).to_owned();
            }
        } else {
            for (name, value) in &pairs {
                put_text(&mut self.labels, name);
                put_text(&mut self.labels, value);
            }
            self.before = pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        }
        self.count += 1;
    }

    /// The first ref and the framed value, when there is any series; the builder is empty afterwards.
    pub(crate) fn finish(&mut self) -> Option<(SeriesRef, Vec<u8>)> {
        let first = self.first?;
        let mut body = Vec::with_capacity(self.refs.len() + self.labels.len() / 2 + 16);
        varint::put(&mut body, self.count as u64);
        body.append(&mut self.refs);
        Packer::default().put(&mut body, &self.labels);
        *self = Self::default();
        Some((first, frame::seal(&body)))
    }
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    varint::put(out, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// A row of series read from disk.
pub(crate) struct SeriesRow<'a> {
    pub(crate) refs: Vec<SeriesRef>,
    packed: &'a [u8],
}

impl<'a> SeriesRow<'a> {
    pub(crate) fn parse(value: &'a [u8]) -> Result<Self, Flaw> {
        let mut body = frame::open(value)?;
        let refs = refs(&mut body).ok_or(Flaw::Damaged)?;
        Ok(Self { refs, packed: body })
    }

    /// Labels in the order of `refs`.
    pub(crate) fn labels(&self) -> Result<Vec<Labels>, Flaw> {
        let bytes = Unpacker::default().take(self.packed)?;
        labels(&bytes, self.refs.len()).ok_or(Flaw::Damaged)
    }
}

fn refs(body: &mut &[u8]) -> Option<Vec<SeriesRef>> {
    let count = usize::try_from(varint::take(body)?).ok().filter(|n| *n <= body.len())?;
    let (mut out, mut r) = (Vec::with_capacity(count), 0i64);
    for _ in 0..count {
        r = r.checked_add(varint::take_signed(body)?)?;
        out.push(SeriesRef(u32::try_from(r).ok()?));
    }
    Some(out)
}

fn labels(bytes: &[u8], count: usize) -> Option<Vec<Labels>> {
    let input = &mut &bytes[..];
    let mut out = Vec::with_capacity(count);
    let mut pairs: Vec<(&[u8], &[u8])> = Vec::new();
    let mut canonical = Vec::new();
    for _ in 0..count {
        let head = varint::take(input)?;
        if head & 1 != 0 {
            let mask = varint::take(input)?;
            if head >> 1 != pairs.len() as u64 {
                return None;
            }
            for i in (0..pairs.len().min(MOST_MASKED)).filter(|i| mask >> i & 1 != 0) {
                pairs[i].1 = take_text(input)?;
            }
        } else {
            pairs.clear();
            for _ in 0..head >> 1 {
                pairs.push((take_text(input)?, take_text(input)?));
            }
        }
        canonical.clear();
        for text in pairs.iter().flat_map(|(n, v)| [n, v]) {
            varint::put(&mut canonical, text.len() as u64);
            canonical.extend_from_slice(text);
        }
        out.push(Labels::from_bytes(&canonical).ok()?);
    }
    Some(out)
}

fn take_text<'a>(input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let n = usize::try_from(varint::take(input)?).ok()?;
    varint::take_bytes(input, n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(all: &[(u32, &[(&str, &str)])]) -> Vec<u8> {
        let mut b = Builder::default();
        for (r, pairs) in all {
            b.push(SeriesRef(*r), pairs.iter().copied());
        }
        b.finish().expect("there are series").1
    }

    #[test]
    fn labels_come_back_with_their_refs() {
        let all: [(u32, &[(&str, &str)]); 4] =
            [(7, &[("a", "1"), ("b", "2")]), (9, &[("a", "1"), ("b", "3")]), (12, &[("c", "x")]), (13, &[])];
        let value = build(&all);
        let row = SeriesRow::parse(&value).expect("own bytes");
        let labels = row.labels().expect("own bytes");
        for ((r, pairs), (found, labels)) in all.iter().zip(row.refs.iter().zip(labels)) {
            assert_eq!(found.0, *r);
            assert_eq!(labels, Labels::from_pairs(pairs.iter().copied()).expect("labels"));
        }
    }

    #[test]
    fn a_row_is_golden() {
        let value = build(&[(7, &[("a", "1")]), (9, &[("a", "2")])]);
        assert_eq!(value[5..], [2, 14, 4, 9, 0, 2, 1, b'a', 1, b'1', 3, 1, 1, b'2']);
    }
}
