use std::fmt;

/// Why a series or a sample was not taken while the rest of its request was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Refusal {
    /// Older than the retention keeps.
    TooOld,
    /// Further ahead of the node's clock than allowed.
    TooFarInFuture,
    /// More labels than allowed.
    TooManyLabels,
    /// A label name is longer than allowed.
    LabelNameTooLong,
    /// A label value is longer than allowed.
    LabelValueTooLong,
    /// A label name is empty or holds a NUL byte.
    InvalidName,
    /// A label name stands there twice.
    DuplicateLabel,
    /// A label name or value is not UTF-8.
    NotUtf8,
    /// There is no `__name__`.
    NoMetricName,
    /// The bytes of the labels cannot be read.
    MalformedLabels,
    /// A series points at symbols that its request does not have.
    BadReference,
    /// There may be no more series.
    SeriesLimit,
    /// A native histogram contradicts itself or has too many buckets.
    BadHistogram,
    /// A line of text or JSON cannot be read.
    BadLine,
    /// A series has more timestamps than values, or fewer.
    UnevenColumns,
    /// OTLP: a data point that contradicts itself.
    BadPoint,
    /// OTLP: increases are not taken here.
    DeltaOff,
    /// OTLP: the interval overlaps one that was counted, or is one that was counted with another value.
    DeltaOverlap,
    /// OTLP: the interval ended before those that are remembered, so nobody knows whether it was counted.
    DeltaLate,
}

impl Refusal {
    /// Every reason, in a stable order.
    pub const ALL: [Self; 19] = [
        Self::TooOld,
        Self::TooFarInFuture,
        Self::TooManyLabels,
        Self::LabelNameTooLong,
        Self::LabelValueTooLong,
        Self::InvalidName,
        Self::DuplicateLabel,
        Self::NotUtf8,
        Self::NoMetricName,
        Self::MalformedLabels,
        Self::BadReference,
        Self::SeriesLimit,
        Self::BadHistogram,
        Self::BadLine,
        Self::UnevenColumns,
        Self::BadPoint,
        Self::DeltaOff,
        Self::DeltaOverlap,
        Self::DeltaLate,
    ];

    /// Stable name for counters and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::TooOld => "too_old",
            Self::TooFarInFuture => "too_far_in_future",
            Self::TooManyLabels => "too_many_labels",
            Self::LabelNameTooLong => "label_name_too_long",
            Self::LabelValueTooLong => "label_value_too_long",
            Self::InvalidName => "invalid_name",
            Self::DuplicateLabel => "duplicate_label",
            Self::NotUtf8 => "not_utf8",
            Self::NoMetricName => "no_metric_name",
            Self::MalformedLabels => "malformed_labels",
            Self::BadReference => "bad_reference",
            Self::SeriesLimit => "series_limit",
            Self::BadHistogram => "bad_histogram",
            Self::BadLine => "bad_line",
            Self::UnevenColumns => "uneven_columns",
            Self::BadPoint => "bad_point",
            Self::DeltaOff => "delta_off",
            Self::DeltaOverlap => "delta_overlap",
            Self::DeltaLate => "delta_late",
        }
    }
}

/// What is wrong and what the sender can do.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooOld => "the sample is older than the retention; send it sooner or raise the retention",
            Self::TooFarInFuture => "the sample lies too far in the future; check the sender's clock",
            Self::TooManyLabels => {
                "the series has too many labels; drop some with relabelling or raise the limit"
            }
            Self::LabelNameTooLong => "a label name is too long; shorten it or raise the limit",
            Self::LabelValueTooLong => {
                "a label value is too long; shorten it, keep texts in a log, or raise the limit"
            }
            Self::InvalidName => "a label name is empty or holds a NUL byte; rename the label",
            Self::DuplicateLabel => "a label name is given twice; rename or drop one of the two",
            Self::NotUtf8 => "a label name or value is not valid UTF-8; encode it as UTF-8",
            Self::NoMetricName => "the series has no name; set the label __name__",
            Self::MalformedLabels => "the labels cannot be read; update or repair the sender",
            Self::BadReference => {
                "the series points at symbols that the request does not have; update or repair the sender"
            }
            Self::SeriesLimit => {
                "there are as many series as allowed; drop labels with many values or raise the limit"
            }
            Self::BadHistogram => "the native histogram contradicts itself; update or repair the sender",
            Self::UnevenColumns => "the series does not have as many values as timestamps; repair the sender",
            Self::BadPoint => {
                "the data point has no value or temporality that can be read; update or repair the sender"
            }
            Self::DeltaOff => {
                "delta temporality is switched off here (otlp.delta); set the sender to cumulative, for SDKs \
                 OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative"
            }
            Self::DeltaOverlap => {
                "the interval overlaps one of the same series that was counted; give every process a \
                 service.instance.id of its own"
            }
            Self::DeltaLate => {
                "the interval is older than the last 8 of its series, so it may have been counted before; \
                 send sooner and in order"
            }
            Self::BadLine => "the line cannot be read; see docs/formats for what is",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_place() {
        for (i, r) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(r as usize, i);
            assert!(r.name().bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(r.to_string().contains(';'), "{r} says what to do");
        }
    }
}
