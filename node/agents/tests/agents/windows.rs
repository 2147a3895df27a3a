//! Windows, restarts, late samples, sessions: sums stay what was sent.

use crate::world::World;
use plimsoll_agents::{Book, Mapping};
use proptest::prelude::*;
use std::collections::BTreeMap;

const T: i64 = 1_764_000_000_000;

fn claude(kind: &'static str, session: &str) -> Vec<(&'static str, String)> {
    vec![
        ("session_id", session.to_owned()),
        ("model", "claude-sonnet-4-5".to_owned()),
        ("type", kind.to_owned()),
    ]
}

fn send(world: &mut World, kind: &'static str, session: &str, at: i64, value: f64) {
    let labels = claude(kind, session);
    let labels: Vec<(&str, &str)> = labels.iter().map(|(n, v)| (*n, v.as_str())).collect();
    world.send("claude_code_token_usage_tokens_total", &labels, at, value);
}

#[test]
fn the_first_sample_counts_as_a_whole_and_the_series_begins_with_zero() {
    let mut world = World::new();
    send(&mut world, "input", "s", T + 5_000, 1_000.0);
    world.back_to(T);
    world.pass(T + 20_000);
    let series = world.canonical.iter().find(|(l, _)| l.metric_name() == Some("llm_tokens_total"));
    let points: Vec<_> = series.expect("it is there").1.iter().map(|(at, v)| (*at - T, *v)).collect();
    assert_eq!(points, [(0, 0.0), (10_000, 1_000.0)]);
}

#[test]
fn a_series_that_was_silent_gets_its_old_value_before_it_rises() {
    let mut world = World::new();
    send(&mut world, "input", "s", T + 10_000, 1_000.0);
    send(&mut world, "input", "s", T + 7_200_000, 1_500.0);
    world.back_to(T);
    world.pass(T + 20_000);
    world.take_over();
    world.pass(T + 7_100_000);
    world.pass(T + 7_210_000);
    let series = world.canonical.iter().find(|(l, _)| l.metric_name() == Some("llm_tokens_total"));
    let points: Vec<_> = series.expect("it is there").1.iter().map(|(at, v)| (*at - T, *v)).collect();
    assert_eq!(points, [(0, 0.0), (10_000, 1_000.0), (7_190_000, 1_000.0), (7_200_000, 1_500.0)]);
}

#[test]
fn a_counter_that_begins_anew_goes_on() {
    let mut world = World::new();
    for (at, value) in [(10_000, 100.0), (20_000, 250.0), (30_000, 40.0), (40_000, 60.0)] {
        send(&mut world, "output", "s", T + at, value);
    }
    world.back_to(T);
    world.pass(T + 60_000);
    assert_eq!(world.tokens("output"), 310.0);
}

#[test]
fn a_sample_that_comes_late_is_counted_by_the_next_pass_and_a_very_late_one_after_going_back() {
    let mut world = World::new();
    send(&mut world, "output", "s", T + 10_000, 100.0);
    send(&mut world, "output", "s", T + 100_000, 300.0);
    world.back_to(T);
    world.pass(T + 120_000);
    // the counter had begun anew between the two, which only this sample tells
    send(&mut world, "output", "s", T + 50_000, 20.0);
    world.pass(T + 130_000);
    assert_eq!(world.tokens("output"), 400.0);
    world.pass(T + 3_600_000);
    send(&mut world, "output", "s", T + 20_000, 170.0);
    world.back_to(T + 20_000);
    world.pass(T + 3_610_000);
    assert_eq!(world.tokens("output"), 470.0);
}

#[test]
fn a_changed_mapping_takes_back_what_it_worked_on_before() {
    let mut world = World::new();
    send(&mut world, "output", "s", T + 10_000, 100.0);
    world.back_to(T);
    world.pass(T + 120_000);
    let text = Mapping::builtin_text().replace("agent = \"claude-code\"", "agent = \"cc\"");
    world.config.mapping = Mapping::parse(&text).expect("it is sound");
    world.take_over();
    world.back_to(T);
    world.pass(T + 130_000);
    assert_eq!(world.rise("llm_tokens_total", &[("agent", "cc")]), 100.0);
    assert_eq!(world.rise("llm_tokens_total", &[("agent", "claude-code")]), 0.0);
}

#[test]
fn a_price_change_splits_the_cost_at_midnight_and_a_new_book_costs_the_past_anew() {
    let midnight = 1_764_028_800_000;
    let book = |revision: &str, before: &str, after: &str| {
        let row = |from: &str, price: &str| {
            format!(
                "[[price]]\nprovider = \"*\"\nmodel = \"claude-*\"\nfrom = \"{from}\"\noutput = \"{price}\"\n"
            )
        };
        let rows = row("2025-01-01", before) + &row("2025-11-25", after);
        Book::parse(&format!("revision = \"{revision}\"\n{rows}")).expect("it is sound")
    };
    let mut world = World::with(Mapping::builtin(), book("one", "10", "20"), Vec::new());
    for (at, value) in [(-20_000, 1e6), (-1, 2e6), (0, 3e6), (1, 4e6), (60_000, 5e6)] {
        send(&mut world, "output", "s", midnight + at, value);
    }
    world.back_to(midnight - 60_000);
    world.pass(midnight + 70_000);
    // what is seen at midnight was used before it
    assert_eq!(world.rise("llm_cost_usd_total", &[("price_rev", "one")]), 3.0 * 10.0 + 2.0 * 20.0);
    world.config.book = book("two", "1", "2");
    world.back_to(midnight - 60_000);
    world.pass(midnight + 80_000);
    assert_eq!(world.rise("llm_cost_usd_total", &[("price_rev", "one")]), 0.0);
    assert_eq!(world.rise("llm_cost_usd_total", &[("price_rev", "two")]), 7.0);
}

#[test]
fn the_newest_sessions_keep_their_series_and_older_ones_are_summed_up() {
    let text = Mapping::builtin_text().replace("sessions = 50", "sessions = 3");
    let mut world = World::with(Mapping::parse(&text).expect("it is sound"), Book::builtin(), Vec::new());
    let mut sent = 0.0;
    for session in 0..10i64 {
        // every session goes on until the end
        for step in session..12 {
            let value = ((step - session + 1) * (session + 1)) as f64;
            send(&mut world, "output", &format!("s{session}"), T + step * 60_000, value);
        }
        sent += ((12 - session) * (session + 1)) as f64;
    }
    world.back_to(T - 60_000);
    for minute in 0..30 {
        if minute % 7 == 3 {
            world.take_over();
        }
        world.pass(T + minute * 60_000 + 15_000);
    }
    assert_eq!(world.tokens("output"), sent);
    let last = T + 11 * 60_000;
    let live = world.canonical.iter().filter(|(l, points)| {
        l.metric_name() == Some("llm_tokens_total") && points.keys().next_back().is_some_and(|at| *at >= last)
    });
    let live: Vec<&str> = live.filter_map(|(l, _)| l.get("session")).collect();
    assert_eq!(live, ["rolled_off", "s7", "s8", "s9"]);
    assert_eq!(world.rise("llm_tokens_total", &[("session", "s9")]), 30.0);
}

#[derive(Clone, Debug)]
enum Event {
    /// Session, kind, tokens more.
    Use(u8, u8, u16),
    Restart(u8),
    Wait(u8),
    Pass,
    TakeOver,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        6 => (0u8..6, 0u8..4, 1u16..2000).prop_map(|(s, k, n)| Event::Use(s, k, n)),
        1 => (0u8..6).prop_map(Event::Restart),
        2 => (1u8..200).prop_map(Event::Wait),
        3 => Just(Event::Pass),
        1 => Just(Event::TakeOver),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    /// Codex-like sources, restarts of senders, samples that come in any order within the settling time, take-overs at
    /// any moment: each kind's total and the cost are the ledger's.
    #[test]
    fn totals_are_what_was_sent_whatever_happens(events in prop::collection::vec(event(), 1..120)) {
        const KINDS: [&str; 4] = ["input", "cached_input", "output", "reasoning_output"];
        let text = Mapping::builtin_text().replace("sessions = 50", "sessions = 2");
        let mut world = World::with(Mapping::parse(&text).expect("sound"), Book::builtin(), Vec::new());
        let mut counters: BTreeMap<(u8, u8), f64> = BTreeMap::new();
        let mut ledger = [0.0; 4];
        let mut held: Vec<(u8, u8, i64, f64)> = Vec::new();
        let mut now = T;
        world.back_to(T);
        let put = |world: &mut World, (s, k, at, v): (u8, u8, i64, f64)| {
            let session = format!("s{s}");
            let labels = [("model", "gpt-5"), ("session_id", session.as_str()), ("token_type", KINDS[k as usize])];
            world.send("codex_turn_token_usage_sum", &labels, at, v);
        };
        for event in events {
            match event {
                Event::Use(session, kind, tokens) => {
                    let tokens = f64::from(tokens);
                    // a part comes with at least as much of the whole, now or with the next sample
                    let pairs: &[u8] = match kind { 1 => &[0, 1], 3 => &[2, 3], 0 => &[0], _ => &[2] };
                    for kind in pairs {
                        now += 1;
                        let counter = counters.entry((session, *kind)).or_default();
                        *counter += tokens;
                        ledger[usize::from(*kind)] += tokens;
                        let sample = (session, *kind, now, *counter);
                        // every third sample is under way for a while
                        if now % 3 == 0 { held.push(sample) } else { put(&mut world, sample) }
                    }
                }
                Event::Restart(session) => {
                    // a counter that begins anew above its last value is nowhere to be told from one that goes on
                    held.drain(..).for_each(|sample| put(&mut world, sample));
                    for ((_, kind), counter) in counters.iter_mut().filter(|((s, _), _)| *s == session) {
                        now += 1;
                        *counter = 0.0;
                        put(&mut world, (session, *kind, now, 0.0));
                    }
                }
                Event::Wait(seconds) => now += i64::from(seconds) * 1000,
                Event::Pass => {
                    held.drain(..).for_each(|sample| put(&mut world, sample));
                    now += 10_000;
                    world.pass(now);
                }
                Event::TakeOver => world.take_over(),
            }
        }
        held.drain(..).for_each(|sample| put(&mut world, sample));
        // passes are never further apart than the settling time allows
        world.pass(now + 20_000);
        world.take_over();
        world.pass(now + 4_000_000);
        let exclusive = [ledger[0] - ledger[1], ledger[1], ledger[2] - ledger[3], ledger[3]];
        let found = ["input", "cache_read", "output", "reasoning"].map(|kind| world.tokens(kind));
        prop_assert_eq!(found, exclusive);
        let cost = exclusive[0] * 1.25e-6 + exclusive[1] * 0.125e-6 + (exclusive[2] + exclusive[3]) * 1e-5;
        prop_assert!((world.rise("llm_cost_usd_total", &[]) - cost).abs() < 1e-9);
    }
}
