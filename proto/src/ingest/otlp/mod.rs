//! OTLP metrics: <https://opentelemetry.io/docs/specs/otlp/>, read in place and translated to series as Prometheus has
//! them. See `docs/formats/otlp.md`.
//!
//! Reading order: [`names`], [`attributes`], [`series`] (which series a point belongs to), [`point`] (what all kinds
//! of points have in common), then a file for each kind; [`json`] writes the JSON form as the binary one.
//!
//! What is translated goes to the [`Sink`]: behind it nothing knows of OTLP any more.

mod attributes;
mod exponential;
mod histogram;
mod json;
mod json_schema;
mod metric;
mod names;
mod number;
mod point;
mod series;
mod summary;

pub use json::otlp_from_json;
pub use names::Naming;

use super::compression::{Encoding, decompress};
use super::intake::Intake;
use super::wire::Fields;
use super::{DecodeError, Decoded, Limits, Scratch, Sink};
use metric::Reader;
use series::{InfoLabels, Keying, Origin, Spent};
use std::mem::take;

/// How OTLP is translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OtlpOptions {
    /// Names of metrics and labels.
    pub naming: Naming,
    /// Attributes of the resource that become labels of its series.
    pub promote: Vec<String>,
    /// Whether the instrumentation scope becomes labels.
    pub scope_labels: bool,
    /// Whether the other attributes of the resource become the series `target_info`.
    pub target_info: bool,
    /// Whether delta temporality is taken.
    pub delta: bool,
}

impl Default for OtlpOptions {
    fn default() -> Self {
        Self {
            naming: Naming::Prometheus,
            promote: Vec::new(),
            scope_labels: false,
            target_info: true,
            delta: true,
        }
    }
}

/// Decodes the body of an OTLP request over HTTP: an `ExportMetricsServiceRequest`, binary or as JSON.
pub fn otlp<S: Sink + ?Sized>(
    body: &[u8],
    (encoding, json): (Encoding, bool),
    options: &OtlpOptions,
    (limits, seed): (&Limits, u64),
    scratch: &mut Scratch,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    let mut buffer = take(&mut scratch.body);
    let read = || -> Result<Decoded, DecodeError> {
        let plain = decompress(encoding, body, limits, &mut buffer)?;
        if json {
            let message = otlp_from_json(plain, limits)?;
            otlp_message(&message, options, limits, seed, scratch, sink)
        } else {
            otlp_message(plain, options, limits, seed, scratch, sink)
        }
    };
    let decoded = { read }();
    scratch.body = buffer;
    decoded
}

/// Decodes an `ExportMetricsServiceRequest`.
pub fn otlp_message<S: Sink + ?Sized>(
    message: &[u8],
    options: &OtlpOptions,
    limits: &Limits,
    seed: u64,
    scratch: &mut Scratch,
    sink: &mut S,
) -> Result<Decoded, DecodeError> {
    if message.len() > limits.decoded_bytes {
        return Err(DecodeError::TooLarge { size: message.len() as u64, limit: limits.decoded_bytes });
    }
    let mut walk = Walk {
        keying: Keying::new(seed),
        spent: Spent::default(),
        scattered: &mut scratch.labels,
        intake: Intake::new(sink, limits),
        options,
        limits,
    };
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number == 1 {
            walk.resource(value.bytes()?)?;
        }
    }
    Ok(walk.intake.decoded)
}

struct Walk<'w, S: ?Sized> {
    keying: Keying,
    spent: Spent,
    scattered: &'w mut Vec<u8>,
    intake: Intake<'w, S>,
    options: &'w OtlpOptions,
    limits: &'w Limits,
}

impl<S: Sink + ?Sized> Walk<'_, S> {
    /// A `ResourceMetrics`. The resource may legally stand after its scopes, so it is looked for first.
    fn resource(&mut self, message: &[u8]) -> Result<(), DecodeError> {
        let resource = last(message, 1)?;
        let mut newest = None;
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            if number == 2 {
                self.scope(resource, value.bytes()?, &mut newest)?;
            }
        }
        match newest {
            Some(at) if self.options.target_info => self.info(resource, at),
            _ => Ok(()),
        }
    }

    /// A `ScopeMetrics`.
    fn scope(
        &mut self,
        resource: &[u8],
        message: &[u8],
        newest: &mut Option<u64>,
    ) -> Result<(), DecodeError> {
        let (options, limits) = (self.options, self.limits);
        let (scope, scope_schema) = (last(message, 1)?, last(message, 3)?);
        let origin = Origin { options, limits, resource, scope, scope_schema };
        let origin_key = self.keying.origin(&origin);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            if number == 2 {
                let mut reader = Reader {
                    origin: &origin,
                    origin_key,
                    keying: &self.keying,
                    spent: &self.spent,
                    scattered: self.scattered,
                    intake: &mut self.intake,
                    newest: &mut *newest,
                };
                reader.metric(value.bytes()?)?;
            }
        }
        Ok(())
    }

    /// The series that tells what else is known about a resource, at its newest point.
    fn info(&mut self, resource: &[u8], newest_ns: u64) -> Result<(), DecodeError> {
        let (options, limits) = (self.options, self.limits);
        let origin = Origin { options, limits, resource, scope: b"", scope_schema: b"" };
        if !origin.has_info() {
            return Ok(());
        }
        let labels = InfoLabels(&origin);
        let mut current = self.intake.series(self.keying.info(resource), &labels);
        self.intake.float(&mut current, point::milliseconds(newest_ns), 1.0)
    }
}

/// The bytes of a field that stands once; where it stands twice the last one counts.
fn last(message: &[u8], field: u32) -> Result<&[u8], DecodeError> {
    let mut found = &b""[..];
    let mut fields = Fields::new(message);
    while let Some((number, value)) = fields.next()? {
        if number == field {
            found = value.bytes()?;
        }
    }
    Ok(found)
}
