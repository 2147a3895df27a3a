//! Remote write 2.0: <https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/>.
//!
//! Every name and value stands once in a table of symbols. Each symbol is hashed once; the key of a series follows
//! from the hashes of its symbols, so that it does not depend on the order of the table.

use super::intake::{Current, Intake};
use super::key::{Format, Keys};
use super::wire::{Fields, Wire};
use super::{
    DecodeError, Decoded, Limits, Metadata, MetricType, RawLabels, Refusal, Scratch, Sink, compression,
    wire_histogram, wire_sample,
};
use plimsoll_model::{METRIC_NAME, Timestamp};

/// Where a symbol stands in the message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Symbol {
    hash: [u64; 2],
    start: u32,
    end: u32,
    /// Whether the metric with this name has had its metadata handed on.
    described: bool,
}

/// Decodes the body of a remote-write 2.0 request: a snappy block that holds an `io.prometheus.write.v2.Request`.
pub fn remote_write_v2<S: Sink + ?Sized>(
    body: &[u8],
    limits: &Limits,
    seed: u64,
    scratch: &mut Scratch,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    let Scratch { body: buffer, symbols, .. } = scratch;
    walk(compression::snappy(body, limits, buffer)?, limits, seed, symbols, sink)
}

/// Decodes an `io.prometheus.write.v2.Request` that is not compressed.
pub fn remote_write_v2_message<S: Sink + ?Sized>(
    message: &[u8],
    limits: &Limits,
    seed: u64,
    scratch: &mut Scratch,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    walk(message, limits, seed, &mut scratch.symbols, sink)
}

fn walk<S: Sink + ?Sized>(
    message: &[u8],
    limits: &Limits,
    seed: u64,
    symbols: &mut Vec<Symbol>,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    let keys = Keys::new(seed, Format::RemoteWriteV2);
    // The table may legally stand after the series, so it is read in a pass of its own.
    read_symbols(message, limits, &keys, symbols)?;
    let factors: Vec<_> = (0..2 * limits.labels_per_series as u64)
        .map(|i| halves(keys.of(&i.to_le_bytes())).map(|h| h | 1))
        .collect();
    let mut reader =
        Reader { message, limits, symbols, factors: &factors, refs: Vec::with_capacity(factors.len() + 1) };
    let mut intake = Intake::new(sink, limits);
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number == 5 {
            reader.series(value.bytes()?, &mut intake)?;
        }
    }
    Ok(intake.decoded)
}

fn read_symbols(
    message: &[u8],
    limits: &Limits,
    keys: &Keys,
    symbols: &mut Vec<Symbol>,
) -> Result<(), DecodeError> {
    symbols.clear();
    if symbols.capacity() > 1 << 17 {
        symbols.shrink_to(1 << 12);
    }
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number != 4 {
            continue;
        }
        let text = value.bytes()?;
        if symbols.len() >= limits.symbols_per_request {
            return Err(DecodeError::TooManySymbols { limit: limits.symbols_per_request });
        }
        let too_large = DecodeError::TooLarge { size: message.len() as u64, limit: limits.decoded_bytes };
        let start = u32::try_from(text.as_ptr().addr() - message.as_ptr().addr()).map_err(|_| too_large)?;
        let end = start.saturating_add(text.len() as u32);
        symbols.push(Symbol { hash: halves(keys.of(text)), start, end, described: false });
    }
    Ok(())
}

struct Reader<'a, 't> {
    message: &'a [u8],
    limits: &'a Limits,
    symbols: &'t mut Vec<Symbol>,
    /// An odd factor for each place that a reference may have, for both halves of a hash.
    factors: &'t [[u64; 2]],
    refs: Vec<u32>,
}

/// What a series holds besides its labels.
#[derive(Default)]
struct Content<'a> {
    has_samples: bool,
    metadata: Option<&'a [u8]>,
    created: Timestamp,
}

impl<'a> Reader<'a, '_> {
    fn series<S: Sink + ?Sized>(
        &mut self,
        series: &'a [u8],
        intake: &mut Intake<'_, S>,
    ) -> Result<(), DecodeError> {
        let content = self.content(series)?;
        if let Some(metadata) = content.metadata {
            self.metadata(metadata, intake)?;
        }
        if !content.has_samples {
            return Ok(());
        }
        let raw = SymbolLabels {
            refs: &self.refs,
            symbols: self.symbols,
            message: self.message,
            limits: self.limits,
        };
        let mut current = match self.key() {
            Ok(key) => intake.series(key, &raw),
            Err(reason) => intake.refused_series(&raw, reason),
        };
        let mut fields = Fields::new(series);
        while let Some((number, value)) = fields.next()? {
            match number {
                2 => {
                    let sample = wire_sample::read(value.bytes()?)?;
                    started(sample.start_timestamp, content.created, intake);
                    intake.float(&mut current, sample.timestamp, sample.value)?;
                }
                3 => {
                    let h = wire_histogram::read(value.bytes()?, self.limits)?;
                    started(h.start_timestamp, content.created, intake);
                    intake.histogram(&mut current, h.timestamp, h.histogram)?;
                }
                4 => self.exemplar(value.bytes()?, &current, intake)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the label references into `refs` and looks what else is there.
    fn content(&mut self, series: &'a [u8]) -> Result<Content<'a>, DecodeError> {
        let mut content = Content::default();
        self.refs.clear();
        let mut fields = Fields::new(series);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => read_refs(value, self.limits, &mut self.refs)?,
                2 | 3 => content.has_samples = true,
                5 => content.metadata = Some(value.bytes()?),
                6 => content.created = value.varint()? as i64,
                _ => {}
            }
        }
        Ok(content)
    }

    /// The key of the series whose references were read: a sum of its symbols' hashes, each times a factor of
    /// its place. The hashes are drawn by a secret, so that sums of different series meet as rarely as chance has it.
    fn key(&self) -> Result<u128, Refusal> {
        if self.refs.len() > self.factors.len() {
            return Err(Refusal::TooManyLabels);
        }
        if !self.refs.len().is_multiple_of(2) {
            return Err(Refusal::BadReference);
        }
        let (mut high, mut low) = (0u64, 0u64);
        for (r, factor) in self.refs.iter().zip(self.factors) {
            let symbol = self.symbols.get(*r as usize).ok_or(Refusal::BadReference)?;
            high = high.wrapping_add(symbol.hash[0].wrapping_mul(factor[0]));
            low = low.wrapping_add(symbol.hash[1].wrapping_mul(factor[1]));
        }
        Ok(u128::from(high) << 64 | u128::from(low))
    }

    fn text(&self, symbol: u32) -> Option<&'a [u8]> {
        self.symbols.get(symbol as usize).map(|s| &self.message[s.start as usize..s.end as usize])
    }

    fn metadata<S: Sink + ?Sized>(
        &mut self,
        metadata: &[u8],
        intake: &mut Intake<'_, S>,
    ) -> Result<(), DecodeError> {
        // Senders repeat metadata with each series; what is known already is not read again.
        let is_name = |p: &&[u32]| self.text(p[0]) == Some(METRIC_NAME.as_bytes());
        let Some(&[_, metric]) = self.refs.chunks_exact(2).find(is_name) else { return Ok(()) };
        match self.symbols.get_mut(metric as usize) {
            Some(symbol) if !symbol.described => symbol.described = true,
            _ => return Ok(()),
        }
        let (mut kind, mut help, mut unit) = (0, 0, 0);
        let mut fields = Fields::new(metadata);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => kind = value.varint()?,
                3 => help = value.varint()? as u32,
                4 => unit = value.varint()? as u32,
                _ => {}
            }
        }
        if kind == 0 && help == 0 && unit == 0 {
            return Ok(());
        }
        // Metadata is for people: what is not UTF-8 or not there is left out without a word.
        let text = |symbol| std::str::from_utf8(self.text(symbol).unwrap_or_default()).unwrap_or_default();
        let (name, help, unit) = (text(metric), text(help), text(unit));
        if !name.is_empty() {
            intake.sink.metadata(Metadata { name, metric_type: MetricType::from_number(kind), help, unit });
        }
        Ok(())
    }

    fn exemplar<S: Sink + ?Sized>(
        &self,
        exemplar: &[u8],
        current: &Current<'_>,
        intake: &mut Intake<'_, S>,
    ) -> Result<(), DecodeError> {
        if !intake.sink.wants_exemplars() {
            intake.decoded.exemplars_ignored += 1;
            return Ok(());
        }
        let (mut timestamp, mut sample, mut refs) = (0, 0.0, Vec::new());
        let mut fields = Fields::new(exemplar);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => read_refs(value, self.limits, &mut refs)?,
                2 => sample = value.double()?,
                3 => timestamp = value.varint()? as i64,
                _ => {}
            }
        }
        let raw =
            SymbolLabels { refs: &refs, symbols: self.symbols, message: self.message, limits: self.limits };
        intake.exemplar(current, timestamp, sample, &raw)
    }
}

/// Adds references, but no more than one too many: that is enough to refuse the series.
fn read_refs(value: Wire<'_>, limits: &Limits, refs: &mut Vec<u32>) -> Result<(), DecodeError> {
    value.varints(|r| {
        if refs.len() <= 2 * limits.labels_per_series {
            refs.push(u32::try_from(r).unwrap_or(u32::MAX));
        }
        Ok(())
    })
}

fn halves(hash: u128) -> [u64; 2] {
    [(hash >> 64) as u64, hash as u64]
}

fn started<S: Sink + ?Sized>(own: Timestamp, of_series: Timestamp, intake: &mut Intake<'_, S>) {
    let start = if own == 0 { of_series } else { own };
    if start != 0 {
        intake.sink.start_timestamp(start);
    }
}

/// Labels as references to symbols.
struct SymbolLabels<'a> {
    refs: &'a [u32],
    symbols: &'a [Symbol],
    message: &'a [u8],
    limits: &'a Limits,
}

impl RawLabels for SymbolLabels<'_> {
    fn visit(&self, visit: &mut dyn FnMut(&[u8], &[u8])) -> Result<(), Refusal> {
        let text = |r: u32| {
            let symbol = self.symbols.get(r as usize).ok_or(Refusal::BadReference)?;
            Ok(&self.message[symbol.start as usize..symbol.end as usize])
        };
        for pair in self.refs.chunks(2) {
            let &[name, value] = pair else { return Err(Refusal::BadReference) };
            visit(text(name)?, text(value)?);
        }
        Ok(())
    }

    fn limits(&self) -> &Limits {
        self.limits
    }
}
