//! The histogram message of remote write, which 1.0 and 2.0 have in common up to one field.

use super::wire::{Fields, Wire};
use super::{DecodeError, Limits};
use plimsoll_model::{Histogram, ResetHint, Span, Timestamp, varint};

/// A histogram message: when, since when, and the histogram or what is wrong with it.
pub(super) struct WireHistogram {
    pub(super) timestamp: Timestamp,
    pub(super) start_timestamp: Timestamp,
    pub(super) histogram: Result<Histogram, String>,
}

/// Buckets of one side: as differences of whole numbers, or as floats.
#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

enum Number {
    Int(u64),
    Float(f64),
}

pub(super) fn read(message: &[u8], limits: &Limits) -> Result<WireHistogram, DecodeError> {
    let mut reader = Reader::new(limits.buckets_per_histogram);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        reader.field(number, value)?;
    }
    let (timestamp, start_timestamp) = (reader.timestamp, reader.start_timestamp);
    Ok(WireHistogram { timestamp, start_timestamp, histogram: reader.finish() })
}

/// Reads the histogram of Prometheus' exposition: the same things under other numbers.
pub(super) fn read_exposed(message: &[u8], limits: &Limits) -> Result<WireHistogram, DecodeError> {
    let mut reader = Reader::new(limits.buckets_per_histogram);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        let same = match number {
            1 => 1,
            2 => 3,
            4 => 2,
            5..=14 => number - 1,
            _ => continue,
        };
        // a count of floats stands beside one of integers that is nought
        let is_nought = matches!(value, Wire::Varint(0)) && matches!(same, 1 | 6)
            || matches!(value, Wire::Fixed64(0)) && matches!(same, 2 | 7);
        if !is_nought {
            reader.field(same, value)?;
        }
    }
    Ok(WireHistogram { timestamp: 0, start_timestamp: 0, histogram: reader.finish() })
}

struct Reader {
    most: usize,
    too_many: bool,
    timestamp: Timestamp,
    start_timestamp: Timestamp,
    count: Option<Number>,
    zero_count: Option<Number>,
    hint: u64,
    schema: i64,
    zero_threshold: f64,
    sum: f64,
    positive: Side,
    negative: Side,
    custom_values: Vec<f64>,
}

impl Reader {
    fn new(most: usize) -> Self {
        Self {
            most,
            too_many: false,
            timestamp: 0,
            start_timestamp: 0,
            count: None,
            zero_count: None,
            hint: 0,
            schema: 0,
            zero_threshold: 0.0,
            sum: 0.0,
            positive: Side::default(),
            negative: Side::default(),
            custom_values: Vec::new(),
        }
    }

    fn field(&mut self, number: u32, value: Wire<'_>) -> Result<(), DecodeError> {
        match number {
            1 => self.count = Some(Number::Int(value.varint()?)),
            2 => self.count = Some(Number::Float(value.double()?)),
            3 => self.sum = value.double()?,
            4 => self.schema = varint::unzigzag(value.varint()?),
            5 => self.zero_threshold = value.double()?,
            6 => self.zero_count = Some(Number::Int(value.varint()?)),
            7 => self.zero_count = Some(Number::Float(value.double()?)),
            8 | 11 => {
                let span = read_span(value.bytes()?)?;
                let (most, side) = (self.most, self.side(number == 11));
                self.too_many |= !push(&mut side.spans, span, most);
            }
            9 | 12 => {
                let (most, mut fits) = (self.most, true);
                let deltas = &mut self.side(number == 12).deltas;
                value.varints(|v| {
                    fits &= push(deltas, varint::unzigzag(v), most);
                    Ok(())
                })?;
                self.too_many |= !fits;
            }
            10 | 13 | 16 => {
                let (most, mut fits) = (self.most, true);
                let column = match number {
                    10 => &mut self.negative.counts,
                    13 => &mut self.positive.counts,
                    _ => &mut self.custom_values,
                };
                value.doubles(|v| {
                    fits &= push(column, v, most);
                    Ok(())
                })?;
                self.too_many |= !fits;
            }
            14 => self.hint = value.varint()?,
            15 => self.timestamp = value.varint()? as i64,
            17 => self.start_timestamp = value.varint()? as i64,
            _ => {}
        }
        Ok(())
    }

    fn side(&mut self, positive: bool) -> &mut Side {
        if positive { &mut self.positive } else { &mut self.negative }
    }

    fn finish(self) -> Result<Histogram, String> {
        if self.too_many {
            return Err(format!("histogram has more than {} buckets or spans", self.most));
        }
        let float = matches!(self.count, Some(Number::Float(_)));
        Ok(Histogram {
            reset_hint: reset_hint(self.hint)?,
            schema: i32::try_from(self.schema).map_err(|_| "histogram schema is out of range".to_owned())?,
            zero_threshold: self.zero_threshold,
            zero_count: as_float(self.zero_count),
            count: as_float(self.count),
            sum: self.sum,
            positive_buckets: self.positive.buckets(float)?,
            negative_buckets: self.negative.buckets(float)?,
            positive_spans: self.positive.spans,
            negative_spans: self.negative.spans,
            custom_values: self.custom_values,
        })
    }
}

impl Side {
    fn buckets(&self, float: bool) -> Result<Vec<f64>, String> {
        if float {
            return Ok(self.counts.clone());
        }
        let mut count = 0i64;
        let add = |delta: &i64| {
            count = count.checked_add(*delta).ok_or("histogram bucket count is out of range")?;
            Ok(count as f64)
        };
        self.deltas.iter().map(add).collect()
    }
}

pub(super) fn reset_hint(number: u64) -> Result<ResetHint, String> {
    Ok(match number {
        0 => ResetHint::Unknown,
        1 => ResetHint::Yes,
        2 => ResetHint::No,
        3 => ResetHint::Gauge,
        _ => return Err(format!("histogram reset hint {number} is not known")),
    })
}

fn read_span(message: &[u8]) -> Result<Span, DecodeError> {
    let mut span = Span { offset: 0, length: 0 };
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            // Cut to 32 bits, as protobuf prescribes for what is too large for its type.
            1 => span.offset = varint::unzigzag(u64::from(value.varint()? as u32)) as i32,
            2 => span.length = value.varint()? as u32,
            _ => {}
        }
    }
    Ok(span)
}

/// Adds `item` unless there are `most` already.
fn push<T>(column: &mut Vec<T>, item: T, most: usize) -> bool {
    let fits = column.len() < most;
    if fits {
        column.push(item);
    }
    fits
}

fn as_float(number: Option<Number>) -> f64 {
    match number {
        None => 0.0,
        Some(Number::Int(v)) => v as f64,
        Some(Number::Float(v)) => v,
    }
}
