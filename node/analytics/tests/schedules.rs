//! When reports are due, in UTC.

use plimsoll_analytics::render::Format;
use plimsoll_analytics::report::Kind;
use plimsoll_analytics::schedule::{Schedule, Target, When};
use plimsoll_analytics::time::show;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const DAY: i64 = 1440 * MINUTE;
/// 2026-11-25 13:37:20, a Wednesday.
const NOW: i64 = 1_795_613_840_000;

fn next(text: &str, after: i64) -> String {
    let when = When::parse(text).unwrap_or_else(|e| panic!("{e}"));
    when.next(after).map_or("never".to_owned(), show)
}

#[test]
fn due_times_are_as_in_the_table() {
    let cases = [
        ("hourly", "2026-11-25 14:00:00"),
        ("daily", "2026-11-26 00:00:00"),
        ("daily at 07:30", "2026-11-26 07:30:00"),
        ("every day at 13:38", "2026-11-25 13:38:00"),
        ("every day at 13:37", "2026-11-26 13:37:00"),
        ("mon at 07:00", "2026-11-30 07:00:00"),
        ("every Sunday at 9:05 UTC", "2026-11-29 09:05:00"),
        ("weekly", "2026-11-30 00:00:00"),
        ("monthly at 06:00", "2026-12-01 06:00:00"),
        ("0 7 * * 1-5", "2026-11-26 07:00:00"),
        ("*/15 9-17 * * *", "2026-11-25 13:45:00"),
        ("0 0 29 feb *", "2028-02-29 00:00:00"),
        ("0 0 13 * fri", "2026-11-27 00:00:00"),
        ("5,10 22 * jan,dec 7", "2026-12-06 22:05:00"),
        ("0 0 30 2 *", "never"),
        ("30 1/6 * * *", "2026-11-25 19:30:00"),
    ];
    for (text, wanted) in cases {
        assert_eq!(next(text, NOW), wanted, "{text}");
    }
}

#[test]
fn what_is_no_time_is_refused() {
    for text in [
        "",
        "sometimes",
        "daily at 24:00",
        "daily at 7",
        "hourly at 07:00",
        "60 * * * *",
        "* * * *",
        "* * 0 * *",
        "5-1 * * * *",
        "*/0 * * * *",
        "1 2 3 4 8",
        "* * * * * *",
    ] {
        assert!(When::parse(text).is_err(), "{text}");
    }
}

fn schedule(when: &str) -> Schedule {
    Schedule {
        name: "weekly-cost".to_owned(),
        report: Kind::Tokens,
        when: when.to_owned(),
        to: Target::File,
        format: Format::Html,
        period_ms: None,
        compare: Some("previous".to_owned()),
        by: Vec::new(),
        selector: None,
        created_ms: NOW,
    }
}

#[test]
fn of_several_that_were_missed_the_last_is_due_once() {
    let daily = schedule("daily at 07:00");
    assert_eq!(daily.due(NOW, None), None, "nothing is due before it was made");
    let later = NOW + 3 * DAY;
    let due = daily.due(later, None).expect("it is due");
    assert_eq!(show(due), "2026-11-28 07:00:00");
    assert_eq!(daily.due(later, Some(due)), None, "it was seen to");
    assert_eq!(daily.due(due + DAY, Some(due)).map(show), Some("2026-11-29 07:00:00".to_owned()));
    let period = daily.period(due);
    assert_eq!((show(period.from).as_str(), period.to), ("2026-11-27 07:00:00", due));
    assert_eq!(daily.file(due), "weekly-cost-20261128T070000Z.html");
    let week = Schedule { period_ms: Some(7 * DAY), ..daily };
    assert_eq!(week.period(due).length_ms(), 7 * DAY);
}

#[test]
fn schedules_that_cannot_be_are_refused_with_a_reason() {
    assert_eq!(schedule("daily").check(NOW), Ok(()));
    let webhook = |url: &str| Schedule { to: Target::Webhook(url.to_owned()), ..schedule("daily") };
    assert_eq!(webhook("https://host:8443/a?b=c").check(NOW), Ok(()));
    let cases = [
        (Schedule { name: "../x".to_owned(), ..schedule("daily") }, "name"),
        (schedule("now and then"), "not a time"),
        (schedule("* * * * *"), "five minutes"),
        (schedule("0 0 30 2 *"), "never due"),
        (webhook("ftp://host"), "webhook"),
        (webhook("http:///path"), "webhook"),
        (webhook("http://host/\r\nX: y"), "webhook"),
        (Schedule { compare: Some("now".to_owned()), ..schedule("daily") }, "compare"),
        (Schedule { report: Kind::Health, ..schedule("daily") }, "not compared"),
        (Schedule { period_ms: Some(-1), ..schedule("daily") }, "period"),
        (Schedule { selector: Some("{".to_owned()), ..schedule("daily") }, "match"),
    ];
    for (schedule, reason) in cases {
        let error = schedule.check(NOW).expect_err(reason).to_string();
        assert!(error.contains(reason), "{reason}: {error}");
    }
}

proptest! {
    #[test]
    fn the_last_due_time_is_the_one_that_the_next_is_after(at in 0i64..4_000_000_000_000, which in 0usize..6) {
        let all = ["hourly", "daily at 23:59", "mon at 07:00", "monthly", "*/7 */5 * * 2", "0 12 31 * *"];
        let when = When::parse(all[which]).expect("a time");
        let next = when.next(at).expect("there is one");
        prop_assert!(next > at);
        prop_assert_eq!(when.latest(next), Some(next));
        prop_assert!(when.latest(next - 1).is_none_or(|latest| latest <= at));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[-*/,0-9a-z: @]{0,24}", any in ".*") {
        let _ = (When::parse(&text), When::parse(&any));
    }
}
