//! Remote write 1.0: <https://prometheus.io/docs/specs/prw/remote_write_spec/>.
//!
//! Senders write the labels of a series first and one after the other, so the key of a series is a hash over one
//! slice of the message. Anything else that protobuf allows is read too, by a slower way.

use super::compression::clear;
use super::intake::{Current, Intake};
use super::key::{Format, Keys};
use super::wire::{Fields, Wire, take_varint};
use super::{
    DecodeError, Decoded, Limits, Metadata, MetricType, RawLabels, Refusal, Scratch, Sink, compression,
    wire_histogram, wire_sample,
};
use plimsoll_model::varint;

/// Tag of a label inside a series: field 1, bytes.
const LABEL_TAG: u8 = 1 << 3 | 2;

/// Tag of a float sample inside a series: field 2, bytes.
const SAMPLE_TAG: u8 = 2 << 3 | 2;

/// Decodes the body of a remote-write 1.0 request: a snappy block that holds a `prometheus.WriteRequest`.
pub fn remote_write_v1<S: Sink + ?Sized>(
    body: &[u8],
    limits: &Limits,
    seed: u64,
    scratch: &mut Scratch,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    let Scratch { body: buffer, labels, .. } = scratch;
    walk(compression::snappy(body, limits, buffer)?, limits, seed, labels, sink)
}

/// Decodes a `prometheus.WriteRequest` that is not compressed.
pub fn remote_write_v1_message<S: Sink + ?Sized>(
    message: &[u8],
    limits: &Limits,
    seed: u64,
    scratch: &mut Scratch,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    walk(message, limits, seed, &mut scratch.labels, sink)
}

fn walk<S: Sink + ?Sized>(
    message: &[u8],
    limits: &Limits,
    seed: u64,
    scattered: &mut Vec<u8>,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    let keys = Keys::new(seed, Format::RemoteWriteV1);
    let mut intake = Intake::new(sink, limits);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => read_series(value.bytes()?, &keys, limits, scattered, &mut intake)?,
            3 => read_metadata(value.bytes()?, &mut intake)?,
            _ => {}
        }
    }
    Ok(intake.decoded)
}

#[inline(always)]
fn read_series<S: Sink + ?Sized>(
    series: &[u8],
    keys: &Keys,
    limits: &Limits,
    scattered: &mut Vec<u8>,
    intake: &mut Intake<'_, S>,
) -> Result<(), DecodeError> {
    let (labels, rest) = series.split_at(label_run(series)?);
    // The common case: one sample and nothing else.
    if let [SAMPLE_TAG, length, sample @ ..] = rest
        && *length < 0x80
        && usize::from(*length) == sample.len()
    {
        let sample = wire_sample::read(sample)?;
        let raw = WireLabels { raw: labels, limits };
        let mut current = intake.series(keys.of(labels), &raw);
        return intake.float(&mut current, sample.timestamp, sample.value);
    }
    read_series_fields(series, labels, rest, keys, limits, scattered, intake)
}

/// A series of any content, of which `labels` is the start and `rest` the rest.
#[inline(never)]
fn read_series_fields<S: Sink + ?Sized>(
    series: &[u8],
    labels: &[u8],
    rest: &[u8],
    keys: &Keys,
    limits: &Limits,
    scattered: &mut Vec<u8>,
    intake: &mut Intake<'_, S>,
) -> Result<(), DecodeError> {
    let content = Content::of(rest)?;
    if !content.has_samples {
        return Ok(());
    }
    let raw = if content.has_labels { gather(series, scattered)? } else { labels };
    let raw = WireLabels { raw, limits };
    let mut current = intake.series(keys.of(raw.raw), &raw);
    let mut fields = Fields::new(rest);
    while let Some((number, value)) = fields.next()? {
        match number {
            2 => {
                let sample = wire_sample::read(value.bytes()?)?;
                intake.float(&mut current, sample.timestamp, sample.value)?;
            }
            3 => read_exemplar(value.bytes()?, &current, limits, intake)?,
            4 => {
                let h = wire_histogram::read(value.bytes()?, limits)?;
                intake.histogram(&mut current, h.timestamp, h.histogram)?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Length of the labels that stand at the start of a series.
#[inline(always)]
fn label_run(series: &[u8]) -> Result<usize, DecodeError> {
    let mut at = 0;
    while let Some([LABEL_TAG, length, ..]) = series.get(at..) {
        at += 2 + usize::from(*length);
        if *length >= 0x80 {
            at = long_label_end(series, at - 1 - usize::from(*length))?;
        }
    }
    if at > series.len() { Err(CUT) } else { Ok(at) }
}

/// End of the label whose length begins at `at` and has two bytes or more.
#[inline(never)]
fn long_label_end(series: &[u8], at: usize) -> Result<usize, DecodeError> {
    let mut rest = &series[at..];
    let length = take_varint(&mut rest)?;
    let left = (rest.len() as u64).checked_sub(length).ok_or(CUT)?;
    Ok(series.len() - left as usize)
}

const CUT: DecodeError = DecodeError::Malformed("a label reaches beyond its series");

/// What follows the first labels of a series.
#[derive(Default)]
struct Content {
    has_samples: bool,
    has_labels: bool,
}

impl Content {
    #[inline]
    fn of(rest: &[u8]) -> Result<Self, DecodeError> {
        let mut content = Self::default();
        let mut fields = Fields::new(rest);
        while let Some((number, _)) = fields.next()? {
            content.has_samples |= number == 2 || number == 4;
            content.has_labels |= number == 1;
        }
        Ok(content)
    }
}

/// Puts the labels of a series that are strewn over it one after the other, as others write them.
#[cold]
fn gather<'b>(series: &[u8], buffer: &'b mut Vec<u8>) -> Result<&'b [u8], DecodeError> {
    clear(buffer);
    let mut fields = Fields::new(series);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            let label = value.bytes()?;
            buffer.push(LABEL_TAG);
            varint::put(buffer, label.len() as u64);
            buffer.extend_from_slice(label);
        }
    }
    Ok(buffer)
}

fn read_exemplar<S: Sink + ?Sized>(
    exemplar: &[u8],
    current: &Current<'_>,
    limits: &Limits,
    intake: &mut Intake<'_, S>,
) -> Result<(), DecodeError> {
    if !intake.sink.wants_exemplars() {
        intake.decoded.exemplars_ignored += 1;
        return Ok(());
    }
    let (mut timestamp, mut value) = (0, 0.0);
    let mut fields = Fields::new(exemplar);
    while let Some((number, field)) = fields.next()? {
        match number {
            2 => value = field.double()?,
            3 => timestamp = field.varint()? as i64,
            _ => {}
        }
    }
    // The labels are read where they stand; whatever else is in the exemplar is passed over.
    intake.exemplar(current, timestamp, value, &WireLabels { raw: exemplar, limits })
}

fn read_metadata<S: Sink + ?Sized>(message: &[u8], intake: &mut Intake<'_, S>) -> Result<(), DecodeError> {
    let (mut kind, mut texts) = (0, [&b""[..]; 3]);
    let mut fields = Fields::new(message);
    while let Some((number, field)) = fields.next()? {
        match number {
            1 => kind = field.varint()?,
            2 => texts[0] = field.bytes()?,
            4 => texts[1] = field.bytes()?,
            5 => texts[2] = field.bytes()?,
            _ => {}
        }
    }
    // Metadata is for people: what is not UTF-8 is left out without a word.
    if let [Ok(name), Ok(help), Ok(unit)] = texts.map(std::str::from_utf8)
        && !name.is_empty()
    {
        intake.sink.metadata(Metadata { name, metric_type: MetricType::from_number(kind), help, unit });
    }
    Ok(())
}

/// Label messages as they stand in a series or an exemplar.
struct WireLabels<'a> {
    raw: &'a [u8],
    limits: &'a Limits,
}

impl RawLabels for WireLabels<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        let mut fields = Fields::new(self.raw);
        while let Some((number, value)) = fields.next().map_err(|_| Refusal::MalformedLabels)? {
            if number != 1 {
                continue;
            }
            let Wire::Bytes(label) = value else { return Err(Refusal::MalformedLabels) };
            let (name, value) = read_label(label).map_err(|_| Refusal::MalformedLabels)?;
            visit(name, value);
        }
        Ok(())
    }

    fn limits(&self) -> &Limits {
        self.limits
    }
}

pub(super) fn read_label(label: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let (mut name, mut text) = (&b""[..], &b""[..]);
    let mut fields = Fields::new(label);
    while let Some((number, value)) = fields.next()? {
        match number {
            1 => name = value.bytes()?,
            2 => text = value.bytes()?,
            _ => {}
        }
    }
    Ok((name, text))
}
