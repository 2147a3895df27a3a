//! Moments as text, in UTC.

use plimsoll_model::Timestamp;
use time::OffsetDateTime;

/// The moment in the calendar; the ends of time stand for what lies beyond them.
pub fn utc(at: Timestamp) -> OffsetDateTime {
    let at = at.clamp(-62_135_596_800_000, 253_402_300_799_999);
    let nanos = i128::from(at) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// `2026-01-31 12:00:00`, with milliseconds where there are some.
pub fn show(at: Timestamp) -> String {
    let t = utc(at);
    let ms = match t.millisecond() {
        0 => String::new(),
        ms => format!(".{ms:03}"),
    };
    let (month, day) = (u8::from(t.month()), t.day());
    format!("{:04}-{month:02}-{day:02} {:02}:{:02}:{:02}{ms}", t.year(), t.hour(), t.minute(), t.second())
}

/// `20260131T120000Z`, for the names of files.
pub fn compact(at: Timestamp) -> String {
    let t = utc(at);
    let (month, day) = (u8::from(t.month()), t.day());
    format!("{:04}{month:02}{day:02}T{:02}{:02}{:02}Z", t.year(), t.hour(), t.minute(), t.second())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_are_shown() {
        assert_eq!(show(0), "1970-01-01 00:00:00");
        assert_eq!(show(1_700_000_000_123), "2023-11-14 22:13:20.123");
        assert_eq!(compact(1_700_000_000_123), "20231114T221320Z");
        assert!(show(i64::MAX).starts_with("9999") && show(i64::MIN).starts_with("0001"));
    }
}
