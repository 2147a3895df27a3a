use super::{DecodeError, Decoded, Limits, RawLabels, Refusal, Sink};
use plimsoll_model::{Histogram, Increase, Interval, Timestamp};

/// Hands samples to the sink and keeps the account, for every format alike.
pub(super) struct Intake<'s, S: ?Sized> {
    pub(super) sink: &'s mut S,
    pub(super) decoded: Decoded,
    /// Samples and points refused here.
    pub(super) refusals: u64,
    seen: usize,
    limit: usize,
}

/// The series whose samples are being read.
pub(super) struct Current<'a> {
    labels: &'a dyn RawLabels,
    refused: Option<Refusal>,
    counted: bool,
}

impl<'s, S: Sink + ?Sized> Intake<'s, S> {
    pub(super) fn new(sink: &'s mut S, limits: &Limits) -> Self {
        Self { sink, decoded: Decoded::default(), refusals: 0, seen: 0, limit: limits.samples_per_request }
    }

    #[inline]
    pub(super) fn series<'a>(&mut self, key: u128, labels: &'a dyn RawLabels) -> Current<'a> {
        let refused = self.sink.series(key, labels).err();
        Current { labels, refused, counted: false }
    }

    /// A series that is refused before the sink hears of it.
    pub(super) fn refused_series<'a>(&self, labels: &'a dyn RawLabels, reason: Refusal) -> Current<'a> {
        Current { labels, refused: Some(reason), counted: false }
    }

    #[inline]
    pub(super) fn float(
        &mut self,
        current: &mut Current<'_>,
        timestamp: Timestamp,
        value: f64,
    ) -> Result<(), DecodeError> {
        self.count_sample()?;
        let taken = match current.refused {
            None => self.sink.float(timestamp, value),
            Some(reason) => Err(reason),
        };
        match taken {
            Ok(()) => {
                self.decoded.floats += 1;
                self.count_series(current);
            }
            Err(reason) => self.refuse(current.labels, timestamp, reason),
        }
        Ok(())
    }

    /// A histogram, or what is wrong with it.
    pub(super) fn histogram(
        &mut self,
        current: &mut Current<'_>,
        timestamp: Timestamp,
        histogram: Result<Histogram, String>,
    ) -> Result<(), DecodeError> {
        self.count_sample()?;
        if let Some(reason) = current.refused {
            self.refuse(current.labels, timestamp, reason);
            return Ok(());
        }
        match histogram.and_then(|h| h.validate().map(|()| h)) {
            Err(detail) => {
                self.refusals += 1;
                let labels = current.labels;
                self.decoded.refused.add(Refusal::BadHistogram, 1, || {
                    format!("{} at {timestamp}: {detail}", labels.describe())
                });
            }
            Ok(h) => match self.sink.histogram(timestamp, h) {
                Ok(()) => {
                    self.decoded.histograms += 1;
                    self.count_series(current);
                }
                Err(reason) => self.refuse(current.labels, timestamp, reason),
            },
        }
        Ok(())
    }

    /// What a series counted over an interval. Answers whether the sink took it.
    pub(super) fn increase(
        &mut self,
        current: &mut Current<'_>,
        interval: Interval,
        increase: Increase,
        leads: bool,
    ) -> Result<bool, DecodeError> {
        self.count_sample()?;
        let histogram = matches!(increase, Increase::Histogram(_));
        let taken = match current.refused {
            None => self.sink.increase(interval, increase, leads),
            Some(reason) => Err(reason),
        };
        match taken {
            Ok(()) => {
                self.decoded.floats += u64::from(!histogram);
                self.decoded.histograms += u64::from(histogram);
                self.count_series(current);
            }
            Err(reason) => self.refuse(current.labels, interval.end(), reason),
        }
        Ok(taken.is_ok())
    }

    /// An exemplar; one of a refused series goes with its series.
    pub(super) fn exemplar(
        &mut self,
        current: &Current<'_>,
        timestamp: Timestamp,
        value: f64,
        labels: &dyn RawLabels,
    ) -> Result<(), DecodeError> {
        self.count_sample()?;
        let taken = match current.refused {
            None => self.sink.exemplar(timestamp, value, labels),
            Some(reason) => Err(reason),
        };
        match taken {
            Ok(()) => self.decoded.exemplars += 1,
            Err(reason) => self.refuse(current.labels, timestamp, reason),
        }
        Ok(())
    }

    #[inline]
    fn count_sample(&mut self) -> Result<(), DecodeError> {
        self.seen += 1;
        if self.seen > self.limit {
            return Err(DecodeError::TooManySamples { limit: self.limit });
        }
        Ok(())
    }

    #[inline]
    fn count_series(&mut self, current: &mut Current<'_>) {
        self.decoded.series += u64::from(!current.counted);
        current.counted = true;
    }

    #[cold]
    pub(super) fn refuse(&mut self, labels: &dyn RawLabels, timestamp: Timestamp, reason: Refusal) {
        self.refusals += 1;
        self.decoded.refused.add(reason, 1, || format!("{} at {timestamp}", labels.describe()));
    }
}
