use std::time::{Duration, SystemTime};

/// How long to wait before a repeat, and when to stop repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The wait before the first repeat.
    pub first: Duration,
    /// The longest wait of the client's own; a node may ask for more with `Retry-After`.
    pub longest: Duration,
    /// Repeats end when this much time has gone by since the first try.
    pub give_up_after: Duration,
}

/// Longest wait that a node may ask for: beyond it the header is more likely wrong than meant.
const LONGEST_ASKED: Duration = Duration::from_secs(300);

impl Default for Backoff {
    fn default() -> Self {
        // First: under one group commit of a slow disk a repeat only adds load. Longest: a restarted node
        // is found again within seconds. Give up: rides out a node that is replaced, not one that is gone.
        Self {
            first: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            give_up_after: Duration::from_secs(600),
        }
    }
}

impl Backoff {
    /// The wait before repeat number `repeat` (0 is the first); `random` in 0.0..1.0 spreads the callers.
    ///
    /// Doubles from `first` to `longest`; half of it is jitter, so that clients that failed together do
    /// not come back together. A `retry_after` of the node is a lower bound, with up to a tenth added; more
    /// than five minutes are not believed.
    pub fn wait(&self, repeat: u32, retry_after: Option<Duration>, random: f64) -> Duration {
        let doubled = self.first.saturating_mul(1u32.checked_shl(repeat.min(31)).unwrap_or(u32::MAX));
        // A day stands for "for ever", and keeps the arithmetic below from overflowing.
        let ceiling = doubled.min(self.longest).min(Duration::from_secs(86_400));
        let own = ceiling.mul_f64(0.5 + 0.5 * random);
        let asked = retry_after.unwrap_or_default().min(LONGEST_ASKED);
        own.max(asked.mul_f64(1.0 + 0.1 * random))
    }
}

/// Reads the value of a `Retry-After` header: seconds, or an HTTP date (RFC 9110, section 10.2.3).
pub fn parse_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    let at = httpdate::parse_http_date(value).ok()?;
    Some(at.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_half_is_jitter() {
        let b = Backoff::default();
        let ms = |repeat, random| b.wait(repeat, None, random).as_millis();
        assert_eq!((ms(0, 0.0), ms(0, 1.0)), (50, 100));
        assert_eq!((ms(3, 0.0), ms(3, 1.0)), (400, 800));
        assert_eq!((ms(40, 1.0), ms(u32::MAX, 1.0)), (10_000, 10_000));
    }

    #[test]
    fn retry_after_is_a_lower_bound_and_believed_up_to_five_minutes() {
        let b = Backoff::default();
        assert_eq!(b.wait(0, Some(Duration::from_secs(3)), 0.0), Duration::from_secs(3));
        assert_eq!(b.wait(0, Some(Duration::from_secs(3)), 1.0), Duration::from_millis(3300));
        assert_eq!(b.wait(0, Some(Duration::from_secs(86_400)), 0.0), LONGEST_ASKED);
        assert_eq!(b.wait(0, Some(Duration::from_secs(60)), 0.0), Duration::from_secs(60));
        assert_eq!(b.wait(9, Some(Duration::from_secs(1)), 0.0), Duration::from_secs(5));
    }

    #[test]
    fn waits_without_end_do_not_overflow() {
        let b = Backoff { first: Duration::MAX, longest: Duration::MAX, give_up_after: Duration::MAX };
        assert_eq!(b.wait(9, Some(Duration::MAX), 1.0), Duration::from_secs(86_400));
    }

    #[test]
    fn both_forms_of_retry_after_are_read() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        let cases = [
            ("7", Some(7)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:00 GMT", Some(0)),
            ("soon", None),
            ("-1", None),
        ];
        for (text, seconds) in cases {
            assert_eq!(parse_retry_after(text, now), seconds.map(Duration::from_secs), "{text}");
        }
    }
}
