//! Points of summaries: `_count`, `_sum` and a series for each quantile.

use super::metric::{Manner, Reader};
use super::point::{Attributes, Times};
use super::series::{Head, Role};
use crate::ingest::wire::Fields;
use crate::ingest::{DecodeError, Sink};

const ATTRIBUTES: u32 = 7;

impl<S: Sink + ?Sized> Reader<'_, '_, S> {
    /// A `SummaryDataPoint`. It is always cumulative.
    pub(super) fn summary(
        &mut self,
        point: &[u8],
        head: &Head<'_>,
        metric_key: u128,
    ) -> Result<(), DecodeError> {
        let (mut times, mut count, mut sum) = (Times::default(), 0u64, 0.0);
        let mut attributes = Attributes::new(point, ATTRIBUTES);
        let mut fields = Fields::new(point);
        let mut left = fields.left();
        while let Some((field, value)) = fields.next()? {
            match field {
                2 => times.start_ns = value.fixed64()?,
                3 => times.end_ns = value.fixed64()?,
                4 => count = value.fixed64()?,
                5 => sum = value.double()?,
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
        let mut buffer = std::mem::take(self.scattered);
        let taken = self.quantiles(
            point,
            head,
            (&mut buffer, metric_key),
            attributes,
            &times,
            [(Role::Count, count as f64), (Role::Sum, sum)],
        );
        *self.scattered = buffer;
        taken
    }

    fn quantiles<'p>(
        &mut self,
        point: &'p [u8],
        head: &Head<'_>,
        (buffer, metric_key): (&'p mut Vec<u8>, u128),
        attributes: Attributes<'p>,
        times: &Times,
        totals: [(Role, f64); 2],
    ) -> Result<(), DecodeError> {
        let (key, raw) = Self::point_key(buffer, self.keying, metric_key, attributes)?;
        let mut put = |role: Role, value: f64| {
            let labels = self.labels(head, raw, ATTRIBUTES, role);
            let mut current = self.intake.series(self.keying.series(key, role), &labels);
            self.take(&mut current, times, Manner::Value, value)
        };
        for (role, value) in totals {
            put(role, value)?;
        }
        let mut fields = Fields::new(point);
        while let Some((field, value)) = fields.next()? {
            if field == 6 {
                let (mut quantile, mut at) = (0.0, 0.0);
                let mut parts = Fields::new(value.bytes()?);
                while let Some((part, value)) = parts.next()? {
                    match part {
                        1 => quantile = value.double()?,
                        2 => at = value.double()?,
                        _ => {}
                    }
                }
                put(Role::Quantile(quantile), at)?;
            }
        }
        Ok(())
    }
}
