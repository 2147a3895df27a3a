//! Prometheus' text exposition format 0.0.4, written: for federation and export.
//!
//! Names that the format does not know bare stand in quotes inside the braces, as Prometheus 3 writes them.

use crate::escape::{is_bare_label_name, is_bare_metric_name, push_help, push_quoted};
use crate::ingest::MetricType;
use plimsoll_model::{Labels, METRIC_NAME, Timestamp};
use std::fmt::Write;

/// The content type of what this module writes.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8; escaping=allow-utf-8";

/// Appends a `# HELP` line.
pub fn write_help(out: &mut String, metric: &str, help: &str) {
    out.push_str("# HELP ");
    write_name(out, metric);
    out.push(' ');
    push_help(out, help);
    out.push('\n');
}

/// Appends a `# TYPE` line. Types that the format does not have are `untyped`.
pub fn write_type(out: &mut String, metric: &str, metric_type: MetricType) {
    let word = match metric_type {
        MetricType::Counter => "counter",
        MetricType::Gauge | MetricType::Info | MetricType::StateSet => "gauge",
        MetricType::Histogram => "histogram",
        MetricType::Summary => "summary",
        MetricType::Unknown | MetricType::GaugeHistogram => "untyped",
    };
    out.push_str("# TYPE ");
    write_name(out, metric);
    out.push(' ');
    out.push_str(word);
    out.push('\n');
}

/// Appends the line of one sample.
pub fn write_sample(out: &mut String, labels: &Labels, value: f64, timestamp: Option<Timestamp>) {
    write_series(out, labels);
    out.push(' ');
    write_value(out, value);
    if let Some(t) = timestamp {
        // Writing to a string cannot fail.
        let _ = write!(out, " {t}");
    }
    out.push('\n');
}

/// Appends a series: `name{label="value"}`, or `{"odd.name",label="value"}`.
pub fn write_series(out: &mut String, labels: &Labels) {
    let name = labels.metric_name().unwrap_or("");
    let bare = name.is_empty() || is_bare_metric_name(name);
    if bare {
        out.push_str(name);
    }
    let mut rest = labels.iter().filter(|(n, _)| *n != METRIC_NAME).peekable();
    if bare && rest.peek().is_none() && !name.is_empty() {
        return;
    }
    out.push('{');
    if !bare {
        push_quoted(out, name);
    }
    for (i, (name, value)) in rest.enumerate() {
        if i > 0 || !bare {
            out.push(',');
        }
        if is_bare_label_name(name) {
            out.push_str(name);
        } else {
            push_quoted(out, name);
        }
        out.push('=');
        push_quoted(out, value);
    }
    out.push('}');
}

/// Appends a value so that it reads back as the same number: as short as can be, with an exponent where Prometheus
/// has one. NaNs of any kind, stale markers too, are `NaN`.
pub fn write_value(out: &mut String, value: f64) {
    let size = value.abs();
    // Writing to a string cannot fail.
    let _ = if value.is_nan() {
        write!(out, "NaN")
    } else if value.is_infinite() {
        write!(out, "{}Inf", if value > 0.0 { '+' } else { '-' })
    } else if size == 0.0 || (1e-4..1e21).contains(&size) {
        write!(out, "{value}")
    } else {
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, exponent) = exponent.strip_prefix('-').map_or(('+', exponent), |e| ('-', e));
        write!(out, "{digits}e{sign}{exponent:0>2}")
    };
}

fn write_name(out: &mut String, name: &str) {
    if is_bare_metric_name(name) { out.push_str(name) } else { push_quoted(out, name) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn line(pairs: &[(&str, &str)]) -> String {
        let labels = Labels::from_pairs(pairs.iter().copied()).expect("valid labels");
        let mut out = String::new();
        write_sample(&mut out, &labels, 1.5, Some(-7));
        out
    }

    #[test]
    fn samples_are_written_as_prometheus_writes_them() {
        assert_eq!(line(&[("__name__", "up")]), "up 1.5 -7\n");
        assert_eq!(
            line(&[("__name__", "up"), ("b", "x\"\\\n"), ("a", "é")]),
            "up{a=\"é\",b=\"x\\\"\\\\\\n\"} 1.5 -7\n"
        );
        assert_eq!(line(&[("__name__", "a.b"), ("c.d", "e")]), "{\"a.b\",\"c.d\"=\"e\"} 1.5 -7\n");
        assert_eq!(line(&[("__name__", "a.b")]), "{\"a.b\"} 1.5 -7\n");
    }

    #[test]
    fn values_have_gos_shortest_form() {
        for (value, want) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e-5, "1.5e-05"),
            (0.0001, "0.0001"),
            (1e-300, "1e-300"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            let mut out = String::new();
            write_value(&mut out, value);
            assert_eq!(out, want);
        }
    }

    #[test]
    fn comments_name_help_and_type() {
        let mut out = String::new();
        write_help(&mut out, "up", "a \"line\"\nand \\ another");
        write_type(&mut out, "odd.name", MetricType::StateSet);
        assert_eq!(out, "# HELP up a \"line\"\\nand \\\\ another\n# TYPE \"odd.name\" gauge\n");
    }

    proptest! {
        #[test]
        fn every_number_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let mut out = String::new();
            write_value(&mut out, value);
            let back: f64 = out.parse().expect("a number");
            prop_assert!(back.to_bits() == bits || (back.is_nan() && value.is_nan()));
        }
    }
}
