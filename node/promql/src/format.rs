//! Numbers and durations as text, digit for digit as Prometheus writes them.

use std::fmt::Write;

/// Shortest decimal digits of a finite `v` and its exponent: `0.d1d2d3... * 10^exponent`.
fn digits(v: f64) -> (String, i32) {
    let mut buffer = ryu::Buffer::new();
    let text = buffer.format_finite(v.abs());
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all = format!("{whole}{fraction}");
    let leading = all.bytes().take_while(|b| *b == b'0').count();
    let trimmed = all[leading..].trim_end_matches('0').to_owned();
    if trimmed.is_empty() {
        return ("0".to_owned(), 1);
    }
    (trimmed, whole.len() as i32 - leading as i32 + exponent)
}

fn special(v: f64) -> Option<&'static str> {
    if v.is_nan() {
        Some("NaN")
    } else if v == f64::INFINITY {
        Some("+Inf")
    } else if v == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

/// All digits, no exponent: Go's format `f`.
pub fn format_plain(v: f64) -> String {
    if let Some(text) = special(v) {
        return text.to_owned();
    }
    let mut out = String::new();
    if v.is_sign_negative() {
        out.push('-');
    }
    let (digits, point) = digits(v);
    if point <= 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', point.unsigned_abs() as usize));
        out.push_str(&digits);
    } else if digits.len() as i32 <= point {
        out.push_str(&digits);
        out.extend(std::iter::repeat_n('0', point as usize - digits.len()));
    } else {
        out.push_str(&digits[..point as usize]);
        out.push('.');
        out.push_str(&digits[point as usize..]);
    }
    if out == "0.0" || out == "-0.0" {
        out.truncate(out.len() - 2);
    }
    out
}

fn with_exponent(v: f64) -> String {
    let (digits, point) = digits(v);
    let exponent = point - 1;
    let mut out = String::new();
    if v.is_sign_negative() {
        out.push('-');
    }
    out.push_str(&digits[..1]);
    if digits.len() > 1 {
        out.push('.');
        out.push_str(&digits[1..]);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    // Writing to a String does not fail.
    let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    out
}

/// A sample's value as in Prometheus' JSON: shortest digits, with an exponent below 1e-6 and from 1e21.
pub fn format_float(v: f64) -> String {
    if let Some(text) = special(v) {
        return text.to_owned();
    }
    let magnitude = v.abs();
    if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        // JSON writers drop the padding zero of a negative exponent.
        let text = with_exponent(v);
        if let Some(at) = text.find("e-0") {
            return format!("{}e-{}", &text[..at], &text[at + 3..]);
        }
        return text;
    }
    format_plain(v)
}

/// Go's `%g` and `%v`: an exponent below 1e-4 and from 1e21, as its `fmt` decides for shortest digits.
pub(crate) fn format_general(v: f64) -> String {
    if let Some(text) = special(v) {
        return text.to_owned();
    }
    let magnitude = v.abs();
    if magnitude != 0.0 && !(1e-4..1e21).contains(&magnitude) { with_exponent(v) } else { format_plain(v) }
}

/// Go's `%.2g`: two significant digits.
pub(crate) fn format_two_digits(v: f64) -> String {
    if let Some(text) = special(v) {
        return text.to_owned();
    }
    if v == 0.0 {
        return "0".to_owned();
    }
    let rounded: f64 = format!("{v:.1e}").parse().unwrap_or(v);
    let magnitude = rounded.abs();
    if (1e-4..1e2).contains(&magnitude) { format_plain(rounded) } else { with_exponent(rounded) }
}

/// A value as a label of OpenMetrics: integers keep a `.0`.
pub(crate) fn format_open_metrics(v: f64) -> String {
    let text = format_general(v);
    if text.contains(['e', '.', 'N', 'I']) { text } else { format!("{text}.0") }
}

/// Milliseconds as Prometheus prints a duration: `1h30m`.
pub fn format_duration(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = String::new();
    if ms < 0 {
        out.push('-');
    }
    let mut rest = ms.unsigned_abs();
    // Years, weeks and days are used only when nothing remains below them.
    let units = [
        ("y", 365 * 86_400_000, true),
        ("w", 7 * 86_400_000, true),
        ("d", 86_400_000, false),
        ("h", 3_600_000, false),
        ("m", 60_000, false),
        ("s", 1000, false),
        ("ms", 1, false),
    ];
    for (unit, size, exact) in units {
        if exact && !rest.is_multiple_of(size) {
            continue;
        }
        let count = rest / size;
        if count > 0 {
            // Writing to a String does not fail.
            let _ = write!(out, "{count}{unit}");
            rest -= count * size;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats_are_written_as_prometheus_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1, "0.1"),
            (1e-6, "0.000001"),
            (1e-7, "1e-7"),
            (1.5e-10, "1.5e-10"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (123456789.125, "123456789.125"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::MAX, "1.7976931348623157e+308"),
            (5e-324, "5e-324"),
        ];
        for (v, text) in cases {
            assert_eq!(format_float(v), text);
        }
        assert_eq!(format_plain(1e21), "1000000000000000000000");
        assert_eq!(format_general(0.00001), "1e-05");
        assert_eq!(format_two_digits(123.0), "1.2e+02");
        assert_eq!(format_two_digits(0.05), "0.05");
    }

    #[test]
    fn durations_are_written_as_prometheus_writes_them() {
        let cases = [
            (0, "0s"),
            (300_000, "5m"),
            (5_400_000, "1h30m"),
            (86_400_000, "1d"),
            (1, "1ms"),
            (-1000, "-1s"),
        ];
        for (ms, text) in cases {
            assert_eq!(format_duration(ms), text);
        }
    }
}
