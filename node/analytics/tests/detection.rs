//! Anomalies that are known are found, and few others are; bands narrow as the past grows. Seeded, no times.

mod synthetic;

use plimsoll_analytics::anomaly::{COARSE_MS, Grid, Model, Season, Settings};
use plimsoll_analytics::forecast::{COVERAGE, forecast};
use plimsoll_analytics::watch::Watch;
use synthetic::{AGES, DAY, HOUR, MINUTE, SHAPES, Score, Shape, make, measure};

fn all(age: i64) -> Score {
    let mut sum = Score::default();
    SHAPES.iter().for_each(|shape| sum.add(measure(*shape, age, 0..2)));
    sum
}

#[test]
fn an_hour_of_data_finds_the_most_and_weeks_find_nearly_all() {
    let wanted = [(0.85, 0.7), (0.85, 0.75), (0.9, 0.85), (0.9, 0.93), (0.95, 0.95)];
    let mut widths = Vec::new();
    for ((name, age), (precision, recall)) in AGES.iter().zip(wanted) {
        let score = all(*age);
        assert!(score.events > 40, "{name}: {} events", score.events);
        assert!(score.precision() >= precision, "{name}: precision {}", score.precision());
        assert!(score.recall() >= recall, "{name}: recall {}", score.recall());
        widths.push(score.width());
    }
    assert!(widths.windows(2).all(|w| w[1] < w[0]), "bands narrow as the past grows: {widths:?}");
}

#[test]
fn the_pattern_that_repeats_is_found() {
    for (shape, season) in
        [(Shape::Daily, Season::Daily), (Shape::Weekly, Season::Weekly), (Shape::Steady, Season::None)]
    {
        let made = make(shape, 28 * DAY, 6 * HOUR, 3);
        let mut model = Model::new(settings(0.0));
        let verdicts: Vec<_> = made.samples.iter().filter_map(|(at, v)| model.observe(*at, *v)).collect();
        assert_eq!(verdicts.last().map(|v| v.season), Some(season), "{shape:?}");
    }
}

fn settings(floor: f64) -> Settings {
    Settings { interval_ms: MINUTE, season: Season::Auto, threshold: 3.5, floor }
}

#[test]
fn a_node_that_takes_over_comes_to_the_same_scores() {
    let made = make(Shape::Daily, 9 * DAY, DAY, 5);
    let (mut first, mut second) = (Model::new(settings(0.0)), Model::new(settings(0.0)));
    let cut = made.samples.len() - 200;
    for (at, value) in &made.samples[..cut] {
        first.observe(*at, *value);
    }
    second.remember(made.samples[..cut].iter().copied());
    for (at, value) in &made.samples[cut..] {
        let (a, b) = (first.observe(*at, *value), second.observe(*at, *value));
        let (a, b) = (a.expect("a verdict"), b.expect("a verdict"));
        // the moment of learning differs, up to an hour
        let close = |x: f64, y: f64| (x - y).abs() <= 0.15 * x.abs().max(y.abs()).max(1.0);
        assert!(close(a.expected, b.expected), "{a:?} {b:?}");
    }
}

#[test]
fn little_data_says_nothing_and_bad_values_do_no_harm() {
    let mut model = Model::new(settings(0.0));
    for minute in 0..19 {
        assert_eq!(model.observe(minute * MINUTE, 5.0), None, "minute {minute}");
    }
    for (at, value) in
        (19..200).zip([f64::NAN, f64::INFINITY, -1.0, 0.0, 1e300, f64::MIN_POSITIVE].into_iter().cycle())
    {
        if let Some(verdict) = model.observe(at * MINUTE, value) {
            let figures = [verdict.score, verdict.expected, verdict.lower, verdict.upper];
            assert!(figures.iter().all(|f| !f.is_nan()), "{verdict:?}");
            assert!(verdict.lower <= verdict.expected && verdict.expected <= verdict.upper, "{verdict:?}");
        }
    }
    // a clock that goes back, and a gap of years
    model.observe(5 * MINUTE, 1.0);
    model.observe(2_000_000 * MINUTE, 1.0);
}

#[test]
fn a_difference_below_the_floor_is_no_anomaly() {
    let judged = |floor: f64, value: f64| {
        let mut model = Model::new(settings(floor));
        (0..120).for_each(|minute| {
            model.observe(minute * MINUTE, 0.0);
        });
        model.observe(120 * MINUTE, value).expect("a verdict")
    };
    assert!(judged(0.0, 0.04).score > 0.0);
    let below = judged(0.05, 0.04);
    assert!(below.score < 3.5 && below.upper >= 0.05, "{below:?}");
    assert!(judged(0.05, 0.9).score >= 3.5);
}

#[test]
fn forecasts_follow_the_pattern_and_their_bands_hold_what_they_say() {
    for (shape, horizon) in
        [(Shape::Daily, DAY), (Shape::Weekly, 3 * DAY), (Shape::Growing, 3 * DAY), (Shape::Steady, DAY)]
    {
        let (mut inside, mut points, mut ratio) = (0, 0, 0.0);
        for seed in 0..6 {
            let made = make(shape, 31 * DAY, 0, seed);
            let mut grid = Grid::new(COARSE_MS, 28 * 96);
            let cut = made.samples.last().expect("samples").0 - horizon;
            let (past, future): (Vec<_>, Vec<_>) = made
                .samples
                .iter()
                .copied()
                .filter(|(at, _)| at % COARSE_MS == 0)
                .partition(|(at, _)| *at <= cut);
            past.into_iter().for_each(|(at, v)| grid.put(at, v));
            let told = forecast(&grid, horizon / COARSE_MS, Season::Auto).expect("a forecast");
            for (at, value) in future {
                if let Some(point) = told.points.iter().find(|p| p.at_ms == at) {
                    inside += u32::from(point.lower <= value && value <= point.upper);
                    ratio += (value / point.expected.max(1.0)).ln().abs();
                    points += 1;
                }
            }
        }
        let held = f64::from(inside) / f64::from(points);
        assert!(points > 300 && held >= COVERAGE - 0.15, "{shape:?}: {held} of {points} lie in the band");
        assert!(ratio / f64::from(points) < 0.25, "{shape:?}: off by {}", ratio / f64::from(points));
    }
}

#[test]
fn bands_of_forecasts_widen_and_too_little_is_an_error() {
    let mut grid = Grid::new(COARSE_MS, 100);
    assert!(forecast(&grid, 10, Season::Auto).is_err());
    (0..60).for_each(|i| grid.put(i * COARSE_MS, 10.0 + (i % 5) as f64));
    let told = forecast(&grid, 200, Season::Auto).expect("a forecast");
    assert_eq!(told.points.len(), 200);
    assert_eq!(told.points[0].at_ms, 60 * COARSE_MS);
    let width = |p: &plimsoll_analytics::forecast::Point| p.upper - p.lower;
    assert!(width(&told.points[199]) >= width(&told.points[0]));
}

#[test]
fn the_watches_that_are_there_are_good_ones() {
    for watch in Watch::defaults() {
        assert_eq!(watch.check(), Ok(()), "{}", watch.name);
    }
    let watch = Watch::defaults().remove(0);
    for (bad, reason) in [
        (Watch { name: "a b".to_owned(), ..watch.clone() }, "name"),
        (Watch { expr: "sum(".to_owned(), ..watch.clone() }, "expr"),
        (Watch { interval_s: 7, ..watch.clone() }, "interval"),
        (Watch { floor: f64::NAN, ..watch.clone() }, "floor"),
    ] {
        assert!(bad.check().expect_err(reason).contains(reason));
    }
    assert_eq!(watch.revision(), watch.revision());
}
