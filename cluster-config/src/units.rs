//! Durations and sizes as people write them: `30d`, `1h30m`, `64MiB`.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time, written with units from `ms` to `y` (a year is 365 days), largest first: `1h30m`.
/// The same notation as in PromQL and in Prometheus' configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Period(Duration);

/// A number of bytes, written with a unit: `512KiB`, `64MiB`, `2GB`. Units with an `i` are powers of 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// Milliseconds of each unit, largest first.
const PERIOD_UNITS: [(&str, u64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

const SIZE_UNITS: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("TB", 1_000_000_000_000),
    ("GB", 1_000_000_000),
    ("MB", 1_000_000),
    ("kB", 1000),
    ("B", 1),
];

impl Period {
    /// A period of whole milliseconds.
    pub const fn millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    /// A period of whole seconds.
    pub const fn seconds(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }

    /// A period of whole minutes.
    pub const fn minutes(minutes: u64) -> Self {
        Self::seconds(minutes * 60)
    }

    /// A period of days of 24 hours.
    pub const fn days(days: u64) -> Self {
        Self::seconds(days * 86_400)
    }

    /// As the standard library's type.
    pub const fn duration(self) -> Duration {
        self.0
    }

    /// In milliseconds, the unit of timestamps.
    pub const fn as_millis(self) -> i64 {
        // `from_str` and the constructors stay below 2^63 milliseconds for any period that a person means.
        let millis = self.0.as_millis();
        if millis > i64::MAX as u128 { i64::MAX } else { millis as i64 }
    }
}

impl FromStr for Period {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        if text == "0" {
            return Ok(Self::millis(0));
        }
        let (mut rest, mut millis, mut next_unit) = (text, 0u64, 0);
        while !rest.is_empty() {
            let (number, after) = leading_number(rest).ok_or(())?;
            let unit_len = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
            let (unit, after) = after.split_at(unit_len);
            let at = PERIOD_UNITS.iter().position(|(name, _)| *name == unit).ok_or(())?;
            if at < next_unit {
                return Err(());
            }
            next_unit = at + 1;
            millis = number.checked_mul(PERIOD_UNITS[at].1).and_then(|ms| ms.checked_add(millis)).ok_or(())?;
            rest = after;
        }
        if text.is_empty() || millis > i64::MAX as u64 { Err(()) } else { Ok(Self::millis(millis)) }
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut millis = self.as_millis() as u64;
        if millis == 0 {
            return f.write_str("0");
        }
        for (name, unit) in PERIOD_UNITS {
            // Weeks are read but not written: `30d` says more than `4w2d`.
            if name != "w" && millis >= unit {
                write!(f, "{}{name}", millis / unit)?;
                millis %= unit;
            }
        }
        Ok(())
    }
}

impl Size {
    /// A size of so many bytes.
    pub const fn of(bytes: u64) -> Self {
        Self(bytes)
    }

    /// A size in units of 1024 bytes.
    pub const fn kib(kib: u64) -> Self {
        Self(kib << 10)
    }

    /// A size in units of 1024 * 1024 bytes.
    pub const fn mib(mib: u64) -> Self {
        Self(mib << 20)
    }

    /// A size in units of 1024 * 1024 * 1024 bytes.
    pub const fn gib(gib: u64) -> Self {
        Self(gib << 30)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        self.0
    }
}

impl FromStr for Size {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (number, unit) = leading_number(text).ok_or(())?;
        let unit = unit.trim_start();
        if unit.is_empty() {
            return Ok(Self(number));
        }
        let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).ok_or(())?;
        number.checked_mul(*factor).map(Self).ok_or(())
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The largest binary unit that leaves no rest, so that what is written reads back the same.
        for (name, unit) in &SIZE_UNITS[..4] {
            if self.0 >= *unit && self.0.is_multiple_of(*unit) {
                return write!(f, "{}{name}", self.0 / unit);
            }
        }
        write!(f, "{}B", self.0)
    }
}

/// Splits a run of digits off the front.
fn leading_number(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn periods_read_as_people_write_them() {
        for (text, millis) in [
            ("0", 0),
            ("15s", 15_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1m500ms", 60_500),
            ("2w", 14 * 86_400_000),
            ("30d", 30 * 86_400_000),
            ("1y", 365 * 86_400_000),
        ] {
            assert_eq!(text.parse(), Ok(Period::millis(millis)), "{text}");
        }
        for text in [
            "",
            "5",
            "-5m",
            "5 m",
            "5x",
            "m",
            "30m1h",
            "1h1h",
            "1.5h",
            "99999999999999999999d",
            "300000000000y",
        ] {
            assert_eq!(text.parse::<Period>(), Err(()), "{text}");
        }
    }

    #[test]
    fn sizes_read_as_people_write_them() {
        for (text, bytes) in [
            ("0", 0),
            ("1048576", 1 << 20),
            ("64MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("2 GiB", 2 << 30),
            ("10kB", 10_000),
            ("7B", 7),
        ] {
            assert_eq!(text.parse(), Ok(Size::of(bytes)), "{text}");
        }
        for text in ["", "MiB", "-1", "1.5GiB", "64 M", "64MiBs", "99999999999TiB"] {
            assert_eq!(text.parse::<Size>(), Err(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_the_same(millis in 0u64..=i64::MAX as u64, bytes: u64) {
            prop_assert_eq!(Period::millis(millis).to_string().parse(), Ok(Period::millis(millis)));
            prop_assert_eq!(Size::of(bytes).to_string().parse(), Ok(Size::of(bytes)));
        }
    }
}
