//! One metric: its head, then its points by their kind.

use super::point::{Attributes, Times};
use super::series::{Head, Keying, Origin, PointLabels, Role, Spent};
use crate::ingest::intake::{Current, Intake};
use crate::ingest::wire::Fields;
use crate::ingest::{DecodeError, Metadata, MetricType, Refusal, Sink};
use plimsoll_model::{Increase, Interval, stale_nan};

/// What a sender adds up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Temporality {
    /// All since its start.
    Cumulative,
    /// What came since the report before.
    Delta,
    /// It does not say.
    Unknown,
}

/// Kinds of points by the field of `Metric` in which they stand.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gauge = 5,
    Sum = 7,
    Histogram = 9,
    Exponential = 10,
    Summary = 11,
}

impl Kind {
    fn of(field: u32) -> Option<Self> {
        [Self::Gauge, Self::Sum, Self::Histogram, Self::Exponential, Self::Summary]
            .into_iter()
            .find(|k| *k as u32 == field)
    }

    fn metric_type(self, counter: bool) -> MetricType {
        match self {
            Self::Sum if counter => MetricType::Counter,
            Self::Gauge | Self::Sum => MetricType::Gauge,
            Self::Histogram | Self::Exponential => MetricType::Histogram,
            Self::Summary => MetricType::Summary,
        }
    }
}

/// Reads the metrics of one scope.
pub(super) struct Reader<'a, 's, S: ?Sized> {
    pub(super) origin: &'a Origin<'a>,
    pub(super) origin_key: u128,
    pub(super) keying: &'a Keying,
    pub(super) spent: &'a Spent,
    pub(super) scattered: &'a mut Vec<u8>,
    pub(super) intake: &'a mut Intake<'s, S>,
    pub(super) newest: &'a mut Option<u64>,
}

impl<S: Sink + ?Sized> Reader<'_, '_, S> {
    pub(super) fn metric(&mut self, message: &[u8]) -> Result<(), DecodeError> {
        let (mut head, mut data) = (Head::default(), None);
        let mut fields = Fields::new(message);
        while let Some((number, value)) = fields.next()? {
            match number {
                1 => head.name = value.bytes()?,
                2 => head.description = value.bytes()?,
                3 => head.unit = value.bytes()?,
                number => {
                    if let Some(kind) = Kind::of(number) {
                        data = Some((kind, value.bytes()?));
                    }
                }
            }
        }
        let Some((kind, data)) = data else { return Ok(()) };
        let (temporality, monotonic) = manner(kind, data)?;
        head.counter = kind == Kind::Sum && monotonic;
        head.gauge = kind == Kind::Gauge;
        let metric_key = self.keying.metric(self.origin_key, &head);
        self.spent.read.set(false);
        let mut points = Fields::new(data);
        while let Some((number, value)) = points.next()? {
            if number != 1 {
                continue;
            }
            let point = value.bytes()?;
            let before = self.intake.refusals;
            match kind {
                Kind::Gauge | Kind::Sum => self.number(point, &head, metric_key, temporality)?,
                Kind::Histogram => self.histogram(point, &head, metric_key, temporality)?,
                Kind::Exponential => self.exponential(point, &head, metric_key, temporality)?,
                Kind::Summary => self.summary(point, &head, metric_key)?,
            }
            self.spent.check(self.origin.limits)?;
            self.intake.decoded.points += 1;
            self.intake.decoded.refused_points += u64::from(self.intake.refusals > before);
        }
        self.describe(&head, kind);
        Ok(())
    }

    /// Hands on what the metric says of itself, when one of its series was new. Texts that are not UTF-8 are left out.
    fn describe(&mut self, head: &Head<'_>, kind: Kind) {
        if !self.spent.read.get() {
            return;
        }
        let naming = self.origin.options.naming;
        if let (Ok(name), Ok(help), Ok(unit)) =
            (head.family(naming), std::str::from_utf8(head.description), std::str::from_utf8(head.unit))
            && !name.is_empty()
        {
            let metric_type = kind.metric_type(head.counter);
            self.intake.sink.metadata(Metadata { name: &name, metric_type, help, unit: &naming.unit(unit) });
        }
    }

    /// The part of the key that the series of a point share. Its attributes are put one after the other where they are
    /// strewn over the point.
    pub(super) fn point_key<'p>(
        scattered: &'p mut Vec<u8>,
        keying: &Keying,
        metric_key: u128,
        attributes: Attributes<'p>,
    ) -> Result<(u128, &'p [u8]), DecodeError> {
        let raw = attributes.bytes(scattered)?;
        Ok((keying.point(metric_key, raw), raw))
    }

    /// Counts exemplars that nobody keeps.
    pub(super) fn exemplars(&mut self, exemplars: u64) {
        // the store keeps none yet: they are counted, so that nobody looks for them in vain
        self.intake.decoded.exemplars_ignored += exemplars;
    }

    /// Refuses a whole point.
    pub(super) fn refuse(&mut self, labels: &PointLabels<'_>, times: &Times, reason: Refusal) {
        self.intake.refuse(labels, times.end(), reason);
    }

    /// A value of a sum or gauge, of a count or a sum of observations.
    pub(super) fn take(
        &mut self,
        current: &mut Current<'_>,
        times: &Times,
        manner: Manner,
        value: f64,
    ) -> Result<bool, DecodeError> {
        match manner {
            Manner::Value if times.is_gap() => self.intake.float(current, times.end(), stale_nan())?,
            Manner::Value => self.intake.float(current, times.end(), value)?,
            Manner::Increase(interval, leads) => {
                return self.intake.increase(current, interval, Increase::Float(value), leads);
            }
        }
        Ok(true)
    }

    /// How the point's values are to be taken; the reason when they cannot be.
    pub(super) fn manner(
        &self,
        times: &Times,
        temporality: Temporality,
    ) -> Result<Option<Interval>, Refusal> {
        match temporality {
            Temporality::Unknown => Err(Refusal::BadPoint),
            Temporality::Cumulative => Ok(None),
            Temporality::Delta if !self.origin.options.delta => Err(Refusal::DeltaOff),
            // a gap says nothing about what was counted
            Temporality::Delta if times.is_gap() => Ok(None),
            Temporality::Delta => times.interval().map(Some),
        }
    }

    /// The key of a series and its labels.
    pub(super) fn labels<'l>(
        &self,
        head: &'l Head<'l>,
        attributes: &'l [u8],
        field: u32,
        role: Role,
    ) -> PointLabels<'l>
    where
        Self: 'l,
    {
        PointLabels { origin: self.origin, head, attributes, field, role, spent: self.spent }
    }
}

/// How a value is to be taken.
#[derive(Clone, Copy)]
pub(super) enum Manner {
    Value,
    /// Over an interval; the flag says that a data point begins.
    Increase(Interval, bool),
}

impl Manner {
    pub(super) fn of(interval: Option<Interval>, leads: bool) -> Self {
        interval.map_or(Self::Value, |i| Self::Increase(i, leads))
    }
}

/// Temporality and monotony of the points in `data`.
fn manner(kind: Kind, data: &[u8]) -> Result<(Temporality, bool), DecodeError> {
    if matches!(kind, Kind::Gauge | Kind::Summary) {
        return Ok((Temporality::Cumulative, false));
    }
    let (mut temporality, mut monotonic) = (Temporality::Unknown, false);
    let mut fields = Fields::new(data);
    while let Some((number, value)) = fields.next()? {
        match number {
            2 => {
                temporality = match value.varint()? {
                    1 => Temporality::Delta,
                    2 => Temporality::Cumulative,
                    _ => Temporality::Unknown,
                }
            }
            3 => monotonic = value.varint()? != 0,
            _ => {}
        }
    }
    Ok((temporality, monotonic))
}
