//! Durations, times, counts and bytes as people write and read them.

use super::time::{self, UtcTime};
use plimsoll_model::Timestamp;
use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("y", 31_536_000_000),
    ("w", 604_800_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads `5m`, `1h30m`, `250ms`, `1.5h`, or plain seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("{text:?} is not a duration: write it as 30s, 5m, 1h30m or 7d");
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).map_err(|_| bad());
    }
    let mut rest = text;
    let mut ms = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let unit_len = rest.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(rest.len());
        let unit = UNITS.iter().find(|(u, _)| *u == &rest[..unit_len]).ok_or_else(bad)?;
        rest = &rest[unit_len..];
        ms += number * unit.1 as f64;
    }
    if text.is_empty() {
        return Err(bad());
    }
    Duration::try_from_secs_f64(ms / 1000.0).map_err(|_| bad())
}

/// Reads a moment: `now`, `now-1h30m`, `now+5m`, RFC 3339, a date, or Unix seconds.
pub(super) fn moment(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    let text = text.trim();
    if let Some(rest) = text.strip_prefix("now") {
        let rest = rest.trim_start();
        let Some(sign) = rest.chars().next() else { return Ok(now) };
        let offset = || duration(rest[1..].trim()).map(|d| d.as_millis().min(i64::MAX as u128) as i64);
        return match sign {
            '-' => Ok(now.saturating_sub(offset()?)),
            '+' => Ok(now.saturating_add(offset()?)),
            _ => Err(format!("{text:?} is not a time: write it as now-1h or now+5m")),
        };
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let ms = (seconds * 1000.0).round();
        return if ms.is_finite() && ms.abs() < 9.0e15 {
            Ok(ms as Timestamp)
        } else {
            Err(format!("{text:?} is too far away to be a time"))
        };
    }
    time::parse(text).ok_or_else(|| {
        format!(
            "{text:?} is not a time: write it as now-1h, 2026-01-31T12:00:00Z, 2026-01-31 or Unix seconds"
        )
    })
}

/// Milliseconds since the Unix epoch, by this machine's clock.
pub(super) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| d.as_millis() as Timestamp)
}

/// `2026-01-31T12:00:00Z`, with milliseconds where there are some.
pub(super) fn show_time(t: Timestamp) -> String {
    UtcTime::from_ms(t).to_string()
}

/// The two largest units: `3d 4h`, `5m 10s`, `250ms`.
pub(super) fn show_duration(d: Duration) -> String {
    let mut ms = d.as_millis() as u64;
    if ms < 1_000 {
        return format!("{ms}ms");
    }
    let mut out = Vec::new();
    for (unit, size) in UNITS.iter().filter(|(u, _)| !["y", "w", "ms"].contains(u)) {
        if ms >= *size {
            out.push(format!("{}{unit}", ms / size));
            ms %= size;
        } else if !out.is_empty() {
            break;
        }
        if out.len() == 2 {
            break;
        }
    }
    out.join(" ")
}

/// `1.50 GiB`.
pub(super) fn show_bytes(bytes: u64) -> String {
    const NAMES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let step = (bytes.ilog2() / 10) as usize;
    let value = bytes as f64 / 1024f64.powi(step as i32);
    let digits = if value < 10.0 {
        2
    } else if value < 100.0 {
        1
    } else {
        0
    };
    format!("{value:.digits$} {}", NAMES[step])
}

/// `1,234,567`.
pub(super) fn show_count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `12.3k/s`: a rate in at most four characters and a unit.
pub(super) fn show_rate(per_second: f64) -> String {
    let (value, unit) = match per_second.abs() {
        v if v >= 1e9 => (per_second / 1e9, "G"),
        v if v >= 1e6 => (per_second / 1e6, "M"),
        v if v >= 1e3 => (per_second / 1e3, "k"),
        _ => (per_second, ""),
    };
    let digits = if unit.is_empty() && value.fract() == 0.0 {
        0
    } else if value.abs() < 10.0 {
        2
    } else {
        1
    };
    format!("{value:.digits$}{unit}/s")
}

/// A sample's value as Prometheus prints it: shortest form that reads back, `+Inf`, `NaN`.
pub(super) fn show_value(v: f64) -> String {
    if v.is_nan() {
        return "NaN".into();
    }
    if v.is_infinite() {
        return if v > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    match v.abs() {
        a if a != 0.0 && !(1e-6..1e21).contains(&a) => format!("{v:e}"),
        _ => format!("{v}"),
    }
}

/// A value for a human: about six digits.
pub(super) fn show_short(v: f64) -> String {
    if !v.is_finite() || v == 0.0 || v.fract() == 0.0 && v.abs() < 1e9 {
        return show_value(v);
    }
    match v.abs() {
        a if (1e-4..1e9).contains(&a) => {
            let digits = (5 - a.log10().floor() as i32).clamp(0, 9) as usize;
            let text = format!("{v:.digits$}");
            // Only zeros behind the point say nothing.
            match text.contains('.') {
                true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
                false => text,
            }
        }
        _ => format!("{v:.4e}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_read_in_every_form() {
        let ok = [
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("250ms", 250),
            ("1.5h", 5_400_000),
            ("7d", 604_800_000),
            ("15", 15_000),
            ("0.5", 500),
        ];
        for (text, ms) in ok {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "m", "5x", "5 m", "-5m", "5m3", "1..5h", "nan", "inf", "1e400"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn moments_are_read_in_every_form() {
        let now = 1_700_000_000_000;
        let ok = [
            ("now", now),
            ("now-1h", now - 3_600_000),
            ("now - 1h30m", now - 5_400_000),
            ("now+5m", now + 300_000),
            ("1700000000", now),
            ("1700000000.25", now + 250),
            ("2023-11-14T22:13:20Z", now),
            ("2023-11-14T23:13:20.5+01:00", now + 500),
            ("2023-11-14", 1_699_920_000_000),
            ("2023-11-14 22:13", now - 20_000),
        ];
        for (text, ms) in ok {
            assert_eq!(moment(text, now), Ok(ms), "{text}");
        }
        for text in [
            "",
            "yesterday",
            "now-",
            "now*2",
            "2023-13-01",
            "2023-02-30",
            "1e300",
            "nan",
            "2023-11-14T25:00:00Z",
        ] {
            assert!(moment(text, now).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_and_no_number_makes_them_panic(text in "[-+.:0-9a-zA-Z ]{0,24}", any in ".*", n: u64, v: f64) {
            for text in [&text, &any] {
                let _ = (duration(text), moment(text, n as i64));
            }
            let _ = (show_time(n as i64), show_duration(Duration::from_millis(n)), show_bytes(n));
            let _ = (show_count(n), show_rate(v), show_short(v), show_value(v));
        }

        #[test]
        fn a_rounded_value_is_near_the_exact_one(mantissa in 1.0f64..10.0, exponent in -20i32..25) {
            for v in [mantissa * 10f64.powi(exponent), -mantissa * 10f64.powi(exponent)] {
                let shown: f64 = show_short(v).parse().expect("a number");
                prop_assert!(((shown - v) / v).abs() < 1e-4, "{v} is shown as {shown}");
            }
        }

        #[test]
        fn a_time_that_is_shown_is_read_back(ms in -62_135_596_800_000i64..253_402_300_800_000) {
            prop_assert_eq!(moment(&show_time(ms), 0), Ok(ms));
        }
    }

    #[test]
    fn figures_are_shown_for_people() {
        assert_eq!(show_duration(Duration::from_millis(90_061_000)), "1d 1h");
        assert_eq!(show_duration(Duration::from_secs(310)), "5m 10s");
        assert_eq!(show_duration(Duration::from_secs(3605)), "1h");
        assert_eq!(show_duration(Duration::from_millis(20)), "20ms");
        assert_eq!((show_bytes(0), show_bytes(1536)), ("0 B".into(), "1.50 KiB".into()));
        assert_eq!(show_bytes(u64::MAX), "16.0 EiB");
        assert_eq!((show_count(999), show_count(1_234_567)), ("999".into(), "1,234,567".into()));
        assert_eq!(
            (show_rate(12_345.0), show_rate(3.0), show_rate(0.25)),
            ("12.3k/s".into(), "3/s".into(), "0.25/s".into())
        );
        assert_eq!(show_short(436_672_600.4), "436672600");
        assert_eq!((show_short(0.123_456_789), show_short(1234.5)), ("0.123457".into(), "1234.5".into()));
    }

    #[test]
    fn values_read_back_to_the_bit() {
        for v in
            [0.0, -0.0, 1.5, 1e-300, 1e300, f64::MIN_POSITIVE, 0.1 + 0.2, f64::INFINITY, f64::NEG_INFINITY]
        {
            assert_eq!(show_value(v).parse::<f64>().map(f64::to_bits), Ok(v.to_bits()));
        }
    }
}
