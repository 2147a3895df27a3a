//! Points of gauges and sums.

use super::metric::{Manner, Reader, Temporality};
use super::point::{Attributes, Times};
use super::series::{Head, Role};
use crate::ingest::wire::Fields;
use crate::ingest::{DecodeError, Refusal, Sink};

const ATTRIBUTES: u32 = 7;

impl<S: Sink + ?Sized> Reader<'_, '_, S> {
    /// A `NumberDataPoint`.
    pub(super) fn number(
        &mut self,
        point: &[u8],
        head: &Head<'_>,
        metric_key: u128,
        temporality: Temporality,
    ) -> Result<(), DecodeError> {
        let (mut times, mut number, mut exemplars) = (Times::default(), None, 0);
        let mut attributes = Attributes::new(point, ATTRIBUTES);
        let mut fields = Fields::new(point);
        let mut left = fields.left();
        while let Some((field, value)) = fields.next()? {
            match field {
                2 => times.start_ns = value.fixed64()?,
                3 => times.end_ns = value.fixed64()?,
                4 => number = Some(value.double()?),
                5 => exemplars += 1,
                6 => number = Some(value.fixed64()? as i64 as f64),
                ATTRIBUTES => {
                    value.bytes()?;
                    attributes.note(left, fields.left());
                }
                8 => times.flags = value.varint()?,
                _ => {}
            }
            left = fields.left();
        }
        *self.newest = Some(self.newest.map_or(times.end_ns, |t| t.max(times.end_ns)));
        self.exemplars(exemplars);
        let mut buffer = std::mem::take(self.scattered);
        let taken = (|| {
            let (key, raw) = Self::point_key(&mut buffer, self.keying, metric_key, attributes)?;
            let labels = self.labels(head, raw, ATTRIBUTES, Role::Value);
            let interval = self.manner(&times, temporality).and_then(|interval| {
                let sound = match (number, interval) {
                    (None, _) => times.is_gap(),
                    // what only rises cannot rise by less than nothing, and no sum ever recovers from NaN
                    (Some(v), Some(_)) => v.is_finite() && (v >= 0.0 || !head.counter),
                    (Some(_), None) => true,
                };
                if sound { Ok(interval) } else { Err(Refusal::BadPoint) }
            });
            match interval {
                Err(reason) => self.refuse(&labels, &times, reason),
                Ok(interval) => {
                    let mut current = self.intake.series(key, &labels);
                    let value = number.unwrap_or_default();
                    self.take(&mut current, &times, Manner::of(interval, true), value)?;
                }
            }
            Ok(())
        })();
        *self.scattered = buffer;
        taken
    }
}
