//! Rolled-up hours of many series in one value.
//!
//! ```text
//! body     varint number of series, then of each:
//!            zigzag varint distance of its ref to the one before (the first: from 0)
//!            varint mask: bit i is the hour that ends i hours after the start of the day (0 to 24); bit 25 alone says
//!            that the series has histograms and was not rolled up
//!            without bit 25: varint bytes of each of 7 columns: min, max, sum, count, first, last, increase
//!          columns one after another, packed (see `frame`), each as the values of a chunk of floats
//! ```

use super::frame::{self, Packer, Unpacker};
use super::{Flaw, keys};
use crate::bucket::Bucket;
use crate::codec::{Scratch, floats};
use crate::rollup::{Fold, Folded, HOUR_MS, Hours};
use plimsoll_model::{SeriesRef, varint};

const COLUMNS: usize = 7;
const HISTOGRAMS: u64 = 1 << 25;

/// Size of a row before compression at which it is closed.
const ROW_BYTES: usize = 32 << 10;

/// A row in the making.
#[derive(Default)]
pub(crate) struct Builder {
    count: u64,
    last: i64,
    directory: Vec<u8>,
    columns: Vec<u8>,
    place: Option<keys::Place>,
    scratch: Scratch,
    packer: Packer,
}

impl Builder {
    /// Adds the hours of a series; `None` for one with histograms.
    pub(crate) fn push(&mut self, place: keys::Place, bucket: Bucket, hours: Option<&Hours>) {
        varint::put_signed(&mut self.directory, i64::from(place.series.0) - self.last);
        self.last = i64::from(place.series.0);
        self.count += 1;
        self.place = Some(place);
        let Some(hours) = hours else { return varint::put(&mut self.directory, HISTOGRAMS) };
        let start = bucket.range().start;
        let mask = hours.ends.iter().fold(0, |mask, end| mask | 1 << ((end - start) / HOUR_MS));
        varint::put(&mut self.directory, mask);
        let mut column = Vec::with_capacity(hours.hours.len());
        for number in 0..COLUMNS {
            column.clear();
            column.extend(hours.hours.iter().map(|h| match number {
                0 => h.min,
                1 => h.max,
                2 => h.get(Fold::Sum),
                3 => h.count,
                4 => h.first,
                5 => h.last,
                _ => h.increase,
            }));
            let before = self.columns.len();
            floats::put(&mut self.columns, &column, &mut self.scratch);
            varint::put(&mut self.directory, (self.columns.len() - before) as u64);
        }
    }

    /// Whether the row should be closed.
    pub(crate) fn is_full(&self) -> bool {
        self.directory.len() + self.columns.len() >= ROW_BYTES
    }

    /// The place of the last series and the value; `None` when nothing was added.
    pub(crate) fn finish(&mut self) -> Option<(keys::Place, Vec<u8>)> {
        let place = self.place.take()?;
        let mut body = Vec::with_capacity(self.directory.len() + self.columns.len() / 2);
        varint::put(&mut body, self.count);
        body.extend_from_slice(&self.directory);
        self.packer.put(&mut body, &self.columns);
        (self.count, self.last) = (0, 0);
        self.directory.clear();
        self.columns.clear();
        Some((place, frame::seal(&body)))
    }
}

/// One series of a row.
struct Slot {
    series: SeriesRef,
    mask: u64,
    /// Where its columns begin, and how long each is.
    start: usize,
    lengths: [usize; COLUMNS],
}

/// A row that is read.
pub(crate) struct Row {
    slots: Vec<Slot>,
    columns: Vec<u8>,
}

impl Row {
    pub(crate) fn parse(value: &[u8], unpacker: &mut Unpacker) -> Result<Self, Flaw> {
        let mut body = frame::open(value)?;
        let slots = directory(&mut body).ok_or(Flaw::Damaged)?;
        let columns = unpacker.take(body)?;
        let length = slots.last().map_or(0, |s| s.start + s.lengths.iter().sum::<usize>());
        if columns.len() == length { Ok(Self { slots, columns }) } else { Err(Flaw::Damaged) }
    }

    /// The series in it.
    pub(crate) fn series(&self) -> impl Iterator<Item = SeriesRef> {
        self.slots.iter().map(|s| s.series)
    }

    /// Appends the hours of series number `i`; `Some(false)` when it was not rolled up, `None` when it is damaged.
    pub(crate) fn read(
        &self,
        i: usize,
        bucket: Bucket,
        fold: Fold,
        scratch: &mut Scratch,
        out: &mut Folded,
    ) -> Option<bool> {
        let slot = &self.slots[i];
        if slot.mask == HISTOGRAMS {
            return Some(false);
        }
        let number = match fold {
            Fold::Min => 0,
            Fold::Max => 1,
            Fold::Sum => 2,
            Fold::Count => 3,
            Fold::First => 4,
            Fold::Last => 5,
        };
        let start = slot.start + slot.lengths[..number].iter().sum::<usize>();
        let mut column = &self.columns[start..start + slot.lengths[number]];
        let mut values = Vec::with_capacity(25);
        floats::take(&mut column, slot.mask.count_ones() as usize, scratch, &mut values)?;
        let hours = (0..25).filter(|hour| slot.mask & 1 << hour != 0);
        for (hour, v) in hours.zip(values) {
            out.push(bucket.range().start + hour * HOUR_MS, v, fold);
        }
        Some(true)
    }
}

fn directory(body: &mut &[u8]) -> Option<Vec<Slot>> {
    let count = usize::try_from(varint::take(body)?).ok().filter(|n| *n <= body.len() / 2)?;
    let mut slots = Vec::with_capacity(count);
    let (mut series, mut start) = (0i64, 0usize);
    for _ in 0..count {
        series = series.checked_add(varint::take_signed(body)?)?;
        let mask = varint::take(body).filter(|mask| *mask <= HISTOGRAMS)?;
        let mut lengths = [0; COLUMNS];
        let mut length = 0usize;
        if mask != HISTOGRAMS {
            for l in &mut lengths {
                *l = usize::try_from(varint::take(body)?).ok()?;
                length = length.checked_add(*l)?;
            }
        }
        slots.push(Slot { series: SeriesRef(u32::try_from(series).ok()?), mask, start, lengths });
        start = start.checked_add(length)?;
    }
    Some(slots)
}

#[cfg(test)]
mod tests {
    use super::*;
    use keys::Place;
    use plimsoll_model::FloatColumn;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn hours(samples: &[(i64, f64)]) -> Hours {
        let (times, values): (Vec<i64>, Vec<f64>) = samples.iter().copied().unzip();
        let mut hours = Hours::default();
        hours.extend(&FloatColumn { timestamps: Arc::new(times), values });
        hours
    }

    fn place(r: u32) -> Place {
        Place { metric: 7, series: SeriesRef(r) }
    }

    #[test]
    fn a_row_is_golden() {
        let mut builder = Builder::default();
        builder.push(place(5), Bucket(0), Some(&hours(&[(0, 1.0), (HOUR_MS * 2, 3.0)])));
        builder.push(place(3), Bucket(0), None);
        let (last, value) = builder.finish().expect("two series");
        assert_eq!(last, place(3));
        assert!(builder.finish().is_none());
        let body = &value[5..];
        // refs 5 and 3, hours 0 and 2, histograms
        assert_eq!(body[..3], [2, 10, 5]);
        let lengths: usize = body[3..10].iter().map(|b| usize::from(*b)).sum();
        assert_eq!(body[10..15], [3, 0x80, 0x80, 0x80, 0x10]);
        assert_eq!(usize::from(body[15]), lengths, "packed: length of all columns");
    }

    proptest! {
        #[test]
        fn hours_come_back(
            series in proptest::collection::vec(
                proptest::collection::btree_map(0i64..86_400_000, any::<f64>(), 0..40), 1..6)
        ) {
            let rolled: Vec<Hours> =
                series.iter().map(|s| hours(&s.iter().map(|(t, v)| (*t, *v)).collect::<Vec<_>>())).collect();
            let mut builder = Builder::default();
            for (i, h) in rolled.iter().enumerate() {
                builder.push(place(i as u32), Bucket(0), Some(h));
            }
            let (_, value) = builder.finish().expect("some");
            let row = Row::parse(&value, &mut Unpacker::default()).expect("own bytes");
            prop_assert_eq!(row.series().count(), rolled.len());
            for fold in [Fold::Min, Fold::Max, Fold::Sum, Fold::Count, Fold::First, Fold::Last] {
                for (i, h) in rolled.iter().enumerate() {
                    let (mut read, mut made) = (Folded::default(), Folded::default());
                    prop_assert_eq!(row.read(i, Bucket(0), fold, &mut Scratch::default(), &mut read), Some(true));
                    h.fold(fold, &mut made);
                    prop_assert_eq!(&read.ends, &made.ends);
                    let bits = |f: &Folded| f.values.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                    prop_assert_eq!(bits(&read), bits(&made));
                }
            }
        }

        #[test]
        fn arbitrary_bytes_never_panic(body in proptest::collection::vec(any::<u8>(), 0..100)) {
            let value = frame::seal(&body);
            if let Ok(row) = Row::parse(&value, &mut Unpacker::default()) {
                for i in 0..row.slots.len() {
                    let _ = row.read(i, Bucket(0), Fold::Last, &mut Scratch::default(), &mut Folded::default());
                }
            }
        }
    }
}
