use crate::world::World;
use plimsoll_agents::{Book, Budget, Figures, Mapping, Period, Pico, Standing, instant};

fn at(text: &str) -> i64 {
    instant(text).expect("a time")
}

fn budget(text: &str) -> Budget {
    Budget::parse(text).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn periods_are_days_weeks_from_monday_and_months() {
    for (period, time, first, next) in [
        (Period::Day, "2026-11-25T23:59:59Z", "2026-11-25", "2026-11-26"),
        (Period::Week, "2026-11-25T10:00:00Z", "2026-11-23", "2026-11-30"),
        (Period::Week, "2026-11-29T23:59:59Z", "2026-11-23", "2026-11-30"),
        (Period::Month, "2026-11-25T10:00:00Z", "2026-11-01", "2026-12-01"),
        (Period::Month, "2026-12-31T23:59:59Z", "2026-12-01", "2027-01-01"),
        (Period::Month, "2028-02-29", "2028-02-01", "2028-03-01"),
    ] {
        assert_eq!(period.around(at(time)), (at(first), at(next)), "{period:?} {time}");
    }
}

#[test]
fn pace_burn_and_days_left_follow_from_what_was_spent() {
    let budget = budget("name = \"b\"\nlimit_usd = \"300\"\nperiod = \"month\"");
    let dollars = |d: i128| Pico(d * 1_000_000_000_000);
    let now = at("2026-11-11");
    let figures = Figures {
        period: dollars(100),
        hour: dollars(5),
        six_hours: dollars(10),
        day: dollars(20),
        since: at("2026-11-01"),
    };
    let standing = Standing::of(&budget, figures, now);
    // even spending of 300 dollars over 720 hours is 5/12 of a dollar an hour
    assert!((standing.burn_1h - 12.0).abs() < 1e-9, "{standing:?}");
    assert!((standing.burn_6h - 4.0).abs() < 1e-9, "{standing:?}");
    assert!((standing.forecast_usd - 500.0).abs() < 1e-9, "{standing:?}");
    assert!((standing.days_left - 10.0).abs() < 1e-9, "{standing:?}");

    let young =
        Figures { period: dollars(2), day: dollars(2), since: now - 6 * 3_600_000, ..Figures::default() };
    let standing = Standing::of(&budget, young, now);
    assert!(
        (standing.forecast_usd - (2.0 + 8.0 * 20.0)).abs() < 1e-9,
        "8 a day, as the last six hours tell: {standing:?}"
    );
    let idle = Standing::of(&budget, Figures::default(), now);
    assert_eq!((idle.days_left, idle.forecast_usd), (f64::INFINITY, 0.0));
    let over = Standing::of(&budget, Figures { period: dollars(301), ..figures }, now);
    assert_eq!(over.days_left, 0.0);
}

#[test]
fn spending_goes_to_every_budget_that_takes_it_and_to_its_group() {
    let t = at("2026-11-25T10:00:00Z");
    let budgets = vec![
        budget("name = \"all\"\nlimit_usd = \"10\"\nperiod = \"day\""),
        budget(
            "name = \"teams\"\nlimit_usd = \"10\"\nperiod = \"day\"\ngroup = [\"team\"]\nmatch = { model = \"gpt-*\" }",
        ),
    ];
    let mut world = World::with(Mapping::builtin(), Book::builtin(), budgets);
    for (team, model, tokens) in
        [("red", "gpt-5", 1e6), ("blue", "gpt-5", 2e6), ("red", "claude-sonnet-4-5", 1e6)]
    {
        let labels = [("team", team), ("model", model), ("token_type", "output")];
        world.send("llm_tokens_total", &labels, t, tokens);
    }
    world.back_to(t - 60_000);
    world.pass(t + 20_000);
    let spent = |pairs: &[(&str, &str)]| world.rise("budget_spent_usd_total", pairs);
    assert_eq!(spent(&[("budget", "all")]), 45.0);
    assert_eq!(spent(&[("budget", "teams"), ("team", "red")]), 10.0);
    assert_eq!(spent(&[("budget", "teams"), ("team", "blue")]), 20.0);
    assert_eq!(spent(&[("budget", "teams")]), 30.0);
}

#[test]
fn a_budget_is_written_as_it_is_read_and_faults_are_named() {
    let text = "name = \"a\"\nlimit_usd = \"12.50\"\nperiod = \"week\"\ngroup = [\"team\"]\n\n[match]\nmodel = \"gpt-*\"\n";
    assert_eq!(budget(&budget(text).text()), budget(text));
    for (text, part) in [
        ("name = \"a b\"\nlimit_usd = \"1\"\nperiod = \"day\"", "name:"),
        ("name = \"a\"\nlimit_usd = \"0\"\nperiod = \"day\"", "limit_usd: must be more than 0"),
        ("name = \"a\"\nlimit_usd = \"x\"\nperiod = \"day\"", "limit_usd: \"x\" is not an amount"),
        ("name = \"a\"\nlimit_usd = \"1\"\nperiod = \"year\"", "unknown variant `year`"),
        ("name = \"a\"\nlimit_usd = \"1\"\nperiod = \"day\"\ngroup = [\"session\"]", "cannot be a group"),
    ] {
        let fault = Budget::parse(text).expect_err("it has a fault").to_string();
        assert!(fault.contains(part), "{fault:?} should tell {part:?}");
    }
}
