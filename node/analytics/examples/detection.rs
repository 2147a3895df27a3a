//! How well anomalies are found, as a table for the documentation: `cargo run --release -p plimsoll-analytics --example
//! detection`.

#[path = "../tests/synthetic/mod.rs"]
mod synthetic;

use std::time::Instant;
use synthetic::{AGES, SHAPES, Score, measure};

fn main() {
    println!("| past | series | events | precision | recall | quiet points beyond | width of the band |");
    println!("|---|---|---:|---:|---:|---:|---:|");
    for (name, age) in AGES {
        let (mut all, began) = (Score::default(), Instant::now());
        for shape in SHAPES {
            let score = measure(shape, age, 0..4);
            line(name, &format!("{shape:?}").to_lowercase(), &score);
            all.add(score);
        }
        line(name, "all", &all);
        eprintln!("{name}: {:.1} s for 24 series of two days", began.elapsed().as_secs_f64());
    }
}

fn line(past: &str, shape: &str, score: &Score) {
    println!(
        "| {past} | {shape} | {} | {:.2} | {:.2} | {:.2} % | {:.2} |",
        score.events,
        score.precision(),
        score.recall(),
        score.quiet_beyond() * 100.0,
        score.width()
    );
}
