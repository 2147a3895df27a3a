//! Series with known anomalies, and how well the model finds them.

use plimsoll_analytics::anomaly::{COARSE_MS, Model, Season, Settings};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use std::f64::consts::TAU;
use std::ops::Range;

pub const MINUTE: i64 = 60_000;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;
/// A Monday.
const EPOCH: i64 = 4 * DAY;
/// A band that is left again shortly after an event is not held against the model: the recovery is a change too.
const AFTER: i64 = 15 * MINUTE;

/// How a series behaves while nothing is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shape {
    /// A level with noise.
    Steady,
    /// Busy days, quiet nights, noise by ratio.
    Daily,
    /// The same, with quiet weekends.
    Weekly,
    /// A level that wanders.
    Wandering,
    /// Few events, counted: Poisson.
    Sparse,
    /// Daily, and doubling within a month.
    Growing,
}

pub const SHAPES: [Shape; 6] =
    [Shape::Steady, Shape::Daily, Shape::Weekly, Shape::Wandering, Shape::Sparse, Shape::Growing];

/// What goes wrong, and when.
#[derive(Clone, Debug)]
pub struct Event {
    pub when: Range<i64>,
    pub kind: &'static str,
}

pub struct Made {
    pub samples: Vec<(i64, f64)>,
    pub events: Vec<Event>,
}

fn normal(random: &mut SmallRng) -> f64 {
    let (u, v): (f64, f64) = (random.random_range(1e-12..1.0), random.random());
    (-2.0 * u.ln()).sqrt() * (TAU * v).cos()
}

fn poisson(random: &mut SmallRng, mean: f64) -> f64 {
    let (limit, mut product, mut n) = ((-mean).exp(), 1.0, 0.0);
    loop {
        product *= random.random::<f64>();
        if product <= limit {
            return n;
        }
        n += 1.0;
    }
}

fn plain(shape: Shape, at: i64, level: f64) -> f64 {
    let day = (at.rem_euclid(DAY)) as f64 / DAY as f64;
    let busy = 1.0 + 0.8 * (TAU * (day - 0.375)).sin() + 0.15 * (2.0 * TAU * day).sin();
    let weekend = at.div_euclid(DAY).rem_euclid(7) >= 5;
    match shape {
        Shape::Steady => 100.0,
        Shape::Daily => 100.0 * busy.max(0.1),
        Shape::Weekly => 100.0 * busy.max(0.1) * if weekend { 0.3 } else { 1.0 },
        Shape::Wandering => 100.0 * level.exp(),
        Shape::Sparse => 3.0 * busy.max(0.2),
        Shape::Growing => 100.0 * busy.max(0.1) * 2f64.powf((at - EPOCH) as f64 / (30 * DAY) as f64),
    }
}

/// `age` of a quiet past, then `watched` with an event about every six hours. Samples a minute apart while watched and
/// for an hour before, a quarter of an hour apart earlier.
pub fn make(shape: Shape, age: i64, watched: i64, seed: u64) -> Made {
    let mut random = SmallRng::seed_from_u64(seed ^ ((shape as u64) << 32));
    let start = EPOCH + 35 * DAY - age;
    let (begin, end) = (start + age, start + age + watched);
    let mut events = Vec::new();
    let mut at = begin + random.random_range(2 * HOUR..6 * HOUR);
    while at + 3 * HOUR < end {
        let (kind, length) = match random.random_range(0..3) {
            0 => ("spike", random.random_range(5 * MINUTE..15 * MINUTE)),
            1 => ("drop", random.random_range(15 * MINUTE..60 * MINUTE)),
            _ => ("shift", random.random_range(60 * MINUTE..120 * MINUTE)),
        };
        let when = at / MINUTE * MINUTE..(at + length) / MINUTE * MINUTE;
        // a drop of what is next to nothing is none
        if !(shape == Shape::Sparse && kind == "drop") {
            events.push(Event { when, kind });
        }
        at += random.random_range(4 * HOUR..8 * HOUR);
    }
    let (mut samples, mut level, mut now) = (Vec::new(), 0.0, start);
    while now < end {
        level += 0.004 * normal(&mut random);
        let factor = match events.iter().find(|e| e.when.contains(&now)).map(|e| e.kind) {
            Some("spike") => 4.0,
            Some("drop") => 0.05,
            Some(_) => 2.5,
            None => 1.0,
        };
        let mean = plain(shape, now, level) * factor;
        let value = match shape {
            Shape::Sparse => poisson(&mut random, mean),
            _ => mean * (1.0 + 0.08 * normal(&mut random)).max(0.0),
        };
        if now >= begin - HOUR || now % COARSE_MS == 0 {
            samples.push((now, value));
        }
        now += MINUTE;
    }
    Made { samples, events }
}

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Score {
    pub events: u32,
    pub found: u32,
    pub alarms: u32,
    pub false_alarms: u32,
    /// Points outside of events, and those of them beyond the band.
    pub quiet: u32,
    pub beyond: u32,
    /// Sum of the widths of the bands, as parts of what was expected.
    width: f64,
    judged: u32,
}

impl Score {
    pub fn precision(&self) -> f64 {
        if self.alarms == 0 { 1.0 } else { 1.0 - f64::from(self.false_alarms) / f64::from(self.alarms) }
    }

    pub fn recall(&self) -> f64 {
        if self.events == 0 { 1.0 } else { f64::from(self.found) / f64::from(self.events) }
    }

    #[allow(dead_code, reason = "the example shows it")]
    pub fn quiet_beyond(&self) -> f64 {
        f64::from(self.beyond) / f64::from(self.quiet.max(1))
    }

    pub fn width(&self) -> f64 {
        self.width / f64::from(self.judged.max(1))
    }

    pub fn add(&mut self, other: Self) {
        self.events += other.events;
        self.found += other.found;
        self.alarms += other.alarms;
        self.false_alarms += other.false_alarms;
        self.quiet += other.quiet;
        self.beyond += other.beyond;
        self.width += other.width;
        self.judged += other.judged;
    }
}

/// An alarm: beyond the band for two minutes of three, until it has been within for ten.
fn alarms(beyond: &[(i64, bool)]) -> Vec<Range<i64>> {
    let mut all: Vec<Range<i64>> = Vec::new();
    for window in beyond.windows(3) {
        if window.iter().filter(|(_, b)| *b).count() < 2 {
            continue;
        }
        let (first, last) = (window[0].0, window[2].0);
        match all.last_mut() {
            Some(alarm) if first - alarm.end <= 10 * MINUTE => alarm.end = last,
            _ => all.push(first..last),
        }
    }
    all
}

pub fn detect(made: &Made, begin: i64, season: Season) -> Score {
    let settings = Settings { interval_ms: MINUTE, season, threshold: 3.5, floor: 0.0 };
    let mut model = Model::new(settings);
    let mut score = Score::default();
    let mut beyond = Vec::new();
    model.remember(made.samples.iter().copied().filter(|(at, _)| *at < begin));
    for (at, value) in made.samples.iter().copied().filter(|(at, _)| *at >= begin) {
        let Some(verdict) = model.observe(at, value) else { continue };
        let out = verdict.score >= settings.threshold;
        let event = made.events.iter().any(|e| e.when.start <= at && at < e.when.end + AFTER);
        if !event {
            score.quiet += 1;
            score.beyond += u32::from(out);
        }
        score.width += (verdict.upper - verdict.lower) / verdict.expected.abs().max(1.0);
        score.judged += 1;
        beyond.push((at, out));
    }
    let alarms = alarms(&beyond);
    let meets = |a: &Range<i64>, e: &Event| a.start < e.when.end + AFTER && e.when.start <= a.end;
    score.events = made.events.len() as u32;
    score.found = made.events.iter().filter(|e| alarms.iter().any(|a| meets(a, e))).count() as u32;
    score.alarms = alarms.len() as u32;
    score.false_alarms = alarms.iter().filter(|a| !made.events.iter().any(|e| meets(a, e))).count() as u32;
    score
}

/// The past that a model begins with.
pub const AGES: [(&str, i64); 5] =
    [("1 h", HOUR), ("6 h", 6 * HOUR), ("1 day", DAY), ("8 days", 8 * DAY), ("28 days", 28 * DAY)];

/// Found over `seeds` series of a shape that are watched for a while. A young model is watched for a day.
pub fn measure(shape: Shape, age: i64, seeds: Range<u64>) -> Score {
    let mut sum = Score::default();
    for seed in seeds {
        let made = make(shape, age, 2 * DAY, seed);
        sum.add(detect(&made, EPOCH + 35 * DAY, Season::Auto));
    }
    sum
}
