//! Names, numbers and kinds of the fields of OTLP's messages, as their JSON form has them.

/// A field of a message: its name, its number, what it holds.
pub(super) type Field = (&'static str, u32, Kind);

/// What a field holds. Lists of it look the same in the schema.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Message(fn() -> &'static [Field]),
    Text,
    Base64,
    Bool,
    /// A varint.
    Whole,
    /// A zigzag varint.
    Signed,
    Fixed,
    Double,
    Temporality,
}

use Kind::{Base64, Bool, Double, Fixed, Message, Signed, Temporality, Text, Whole};

/// An `ExportMetricsServiceRequest`.
pub(super) const fn request() -> &'static [Field] {
    &[("resourceMetrics", 1, Message(resource_metrics))]
}

const fn resource_metrics() -> &'static [Field] {
    &[("resource", 1, Message(resource)), ("scopeMetrics", 2, Message(scope_metrics)), ("schemaUrl", 3, Text)]
}

const fn resource() -> &'static [Field] {
    &[("attributes", 1, Message(key_value))]
}

const fn scope_metrics() -> &'static [Field] {
    &[("scope", 1, Message(scope)), ("metrics", 2, Message(metric)), ("schemaUrl", 3, Text)]
}

const fn scope() -> &'static [Field] {
    &[("name", 1, Text), ("version", 2, Text), ("attributes", 3, Message(key_value))]
}

const fn key_value() -> &'static [Field] {
    &[("key", 1, Text), ("value", 2, Message(any_value))]
}

const fn any_value() -> &'static [Field] {
    &[
        ("stringValue", 1, Text),
        ("boolValue", 2, Bool),
        ("intValue", 3, Whole),
        ("doubleValue", 4, Double),
        ("arrayValue", 5, Message(array_value)),
        ("kvlistValue", 6, Message(key_value_list)),
        ("bytesValue", 7, Base64),
    ]
}

const fn array_value() -> &'static [Field] {
    &[("values", 1, Message(any_value))]
}

const fn key_value_list() -> &'static [Field] {
    &[("values", 1, Message(key_value))]
}

const fn metric() -> &'static [Field] {
    &[
        ("name", 1, Text),
        ("description", 2, Text),
        ("unit", 3, Text),
        ("gauge", 5, Message(gauge)),
        ("sum", 7, Message(sum)),
        ("histogram", 9, Message(histogram)),
        ("exponentialHistogram", 10, Message(exponential_histogram)),
        ("summary", 11, Message(summary)),
    ]
}

const fn gauge() -> &'static [Field] {
    &[("dataPoints", 1, Message(number_point))]
}

const fn sum() -> &'static [Field] {
    &[
        ("dataPoints", 1, Message(number_point)),
        ("aggregationTemporality", 2, Temporality),
        ("isMonotonic", 3, Bool),
    ]
}

const fn histogram() -> &'static [Field] {
    &[("dataPoints", 1, Message(histogram_point)), ("aggregationTemporality", 2, Temporality)]
}

const fn exponential_histogram() -> &'static [Field] {
    &[("dataPoints", 1, Message(exponential_point)), ("aggregationTemporality", 2, Temporality)]
}

const fn summary() -> &'static [Field] {
    &[("dataPoints", 1, Message(summary_point))]
}

const fn number_point() -> &'static [Field] {
    &[
        ("attributes", 7, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed),
        ("timeUnixNano", 3, Fixed),
        ("asDouble", 4, Double),
        ("asInt", 6, Fixed),
        ("exemplars", 5, Message(exemplar)),
        ("flags", 8, Whole),
    ]
}

const fn histogram_point() -> &'static [Field] {
    &[
        ("attributes", 9, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed),
        ("timeUnixNano", 3, Fixed),
        ("count", 4, Fixed),
        ("sum", 5, Double),
        ("bucketCounts", 6, Fixed),
        ("explicitBounds", 7, Double),
        ("exemplars", 8, Message(exemplar)),
        ("flags", 10, Whole),
        ("min", 11, Double),
        ("max", 12, Double),
    ]
}

const fn exponential_point() -> &'static [Field] {
    &[
        ("attributes", 1, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed),
        ("timeUnixNano", 3, Fixed),
        ("count", 4, Fixed),
        ("sum", 5, Double),
        ("scale", 6, Signed),
        ("zeroCount", 7, Fixed),
        ("positive", 8, Message(side)),
        ("negative", 9, Message(side)),
        ("flags", 10, Whole),
        ("exemplars", 11, Message(exemplar)),
        ("min", 12, Double),
        ("max", 13, Double),
        ("zeroThreshold", 14, Double),
    ]
}

const fn side() -> &'static [Field] {
    &[("offset", 1, Signed), ("bucketCounts", 2, Whole)]
}

const fn summary_point() -> &'static [Field] {
    &[
        ("attributes", 7, Message(key_value)),
        ("startTimeUnixNano", 2, Fixed),
        ("timeUnixNano", 3, Fixed),
        ("count", 4, Fixed),
        ("sum", 5, Double),
        ("quantileValues", 6, Message(quantile)),
        ("flags", 8, Whole),
    ]
}

const fn quantile() -> &'static [Field] {
    &[("quantile", 1, Double), ("value", 2, Double)]
}

/// Exemplars are counted alone.
const fn exemplar() -> &'static [Field] {
    &[]
}
