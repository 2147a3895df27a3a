//! Durations and sizes as Prometheus writes them.

use serde::de::{Deserialize, Deserializer, Error};
use std::fmt;

/// A duration: `1h30m`, `15s`, `500ms`; never negative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Duration {
    ms: i64,
}

/// Units from the longest to the shortest: each may stand once, in this order.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

impl Duration {
    /// So many milliseconds.
    pub const fn from_ms(ms: i64) -> Self {
        Self { ms }
    }

    /// Milliseconds.
    pub fn ms(self) -> i64 {
        self.ms
    }

    /// Reads a duration.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self { ms: 0 });
        }
        let (mut rest, mut units, mut ms) = (text, UNITS.iter(), 0i64);
        if rest.is_empty() {
            return None;
        }
        while !rest.is_empty() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            let number: i64 = rest[..digits].parse().ok()?;
            rest = &rest[digits..];
            let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
            let (_, each) = units.find(|(unit, _)| *unit == &rest[..letters])?;
            ms = ms.checked_add(number.checked_mul(*each)?)?;
            rest = &rest[letters..];
        }
        Some(Self { ms })
    }
}

/// As it is written, without units that are nought.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.ms == 0 {
            return f.write_str("0s");
        }
        let mut rest = self.ms;
        for (unit, each) in UNITS {
            // Prometheus writes years, weeks and days only where nothing is left over
            let whole = !matches!(unit, "y" | "w" | "d") || rest % each == 0;
            if whole && rest / each > 0 {
                write!(f, "{}{unit}", rest / each)?;
                rest %= each;
            }
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Duration {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no duration: write 15s, 1m30s or 500ms")))
    }
}

/// A size: `10MB`, `512KiB`, `100B`. As in Prometheus all units are powers of 1024.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Reads a size.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let number: f64 = text[..digits].parse().ok()?;
        let unit = text[digits..].trim_start();
        let power = match unit.strip_suffix("iB").or(unit.strip_suffix('B')).unwrap_or(unit) {
            "" if unit == "B" || text == "0" => 0,
            "K" => 1,
            "M" => 2,
            "G" => 3,
            "T" => 4,
            "P" => 5,
            _ => return None,
        };
        if power > 0 && !unit.ends_with('B') {
            return None;
        }
        Some(Self((number * 1024f64.powi(power)) as u64))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        Self::parse(&text)
            .ok_or_else(|| D::Error::custom(format!("`{text}` is no size: write 10MB or 512KB")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_and_written_as_prometheus_does() {
        for (text, ms, shown) in [
            ("15s", 15_000, "15s"),
            ("1m30s", 90_000, "1m30s"),
            ("500ms", 500, "500ms"),
            ("1h", 3_600_000, "1h"),
            ("1d", 86_400_000, "1d"),
            ("36h", 129_600_000, "36h"),
            ("0", 0, "0s"),
            ("1y2w", 365 * 86_400_000 + 14 * 86_400_000, "379d"),
        ] {
            let read = Duration::parse(text).expect(text);
            assert_eq!((read.ms(), read.to_string().as_str()), (ms, shown), "{text}");
        }
        for text in ["", "15", "s", "-1s", "1s1m", "1.5s", "1m1m", "15 s", "99999999999999y"] {
            assert_eq!(Duration::parse(text), None, "{text}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, bytes) in [("0", 0), ("100B", 100), ("10MB", 10 << 20), ("1.5KiB", 1536), ("2GB", 2 << 30)]
        {
            assert_eq!(Bytes::parse(text), Some(Bytes(bytes)), "{text}");
        }
        for text in ["", "10", "MB", "10M", "10XB", "-1B"] {
            assert_eq!(Bytes::parse(text), None, "{text}");
        }
    }
}
