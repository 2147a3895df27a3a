use super::*;
use crate::SampleValue;

fn samples(registry: &Registry, at: Timestamp) -> Vec<(String, Timestamp, f64)> {
    let common = [("job".to_owned(), "j".to_owned())];
    let mut out = Expander { common: &common, out: Vec::new() };
    for reading in registry.read(at) {
        out.tell(&reading, at, false);
    }
    let value = |v| match v {
        SampleValue::Float(v) => v,
        SampleValue::Histogram(h) => h.count,
    };
    out.out.into_iter().map(|s| (s.labels.to_string(), s.timestamp, value(s.value))).collect()
}

#[test]
fn the_same_labels_in_any_order_are_one_counter() {
    let registry = Registry::default();
    registry.counter("x_total", &[("a", "1"), ("b", "2")]).expect("a counter").inc();
    registry.counter("x_total", &[("b", "2"), ("a", "1"), ("c", "")]).expect("a counter").inc();
    assert_eq!(samples(&registry, 5), [("x_total{a=\"1\", b=\"2\", job=\"j\"}".into(), 5, 2.0)]);
}

#[test]
fn a_classic_histogram_is_told_in_buckets_that_add_up() {
    let registry = Registry::default();
    let h = registry.histogram("d", &[], &Buckets::Classic(vec![1.0, 2.5])).expect("a histogram");
    [0.5, 2.0, 9.0].into_iter().for_each(|v| h.observe(v));
    let told = samples(&registry, 5);
    let values: Vec<_> = told.iter().map(|(series, _, v)| (series.as_str(), *v)).collect();
    let expected = [
        ("d_bucket{job=\"j\", le=\"1\"}", 1.0),
        ("d_bucket{job=\"j\", le=\"2.5\"}", 2.0),
        ("d_bucket{job=\"j\", le=\"+Inf\"}", 3.0),
        ("d_sum{job=\"j\"}", 11.5),
        ("d_count{job=\"j\"}", 3.0),
    ];
    assert_eq!(values, expected);
}

#[test]
fn a_label_of_the_metric_goes_before_one_of_the_process() {
    let registry = Registry::default();
    registry.gauge("g", &[("job", "own")]).expect("a gauge").set(1.0);
    assert_eq!(samples(&registry, 5)[0].0, "g{job=\"own\"}");
}

#[test]
fn a_series_is_of_one_kind() {
    let registry = Registry::default();
    registry.counter("x", &[]).expect("a counter");
    let error = registry.gauge("x", &[]).expect_err("it is a counter").to_string();
    assert!(error.contains("counter") && error.contains("gauge"), "{error}");
}

#[test]
fn what_is_no_series_is_refused_with_the_reason() {
    let registry = Registry::default();
    let no_name = registry.counter("", &[]).expect_err("no name");
    assert!(matches!(no_name, RegistryError::Labels { .. }));
    let twice = registry.counter("x", &[("a", "1"), ("a", "2")]).expect_err("a label twice");
    assert!(twice.to_string().contains("twice"), "{twice}");
    let le = registry.histogram("x", &[("le", "1")], &Buckets::default()).expect_err("le is the registry's");
    assert!(matches!(le, RegistryError::Reserved { .. }));
    assert!(matches!(registry.counter("x", &[("__name__", "y")]), Err(RegistryError::Reserved { .. })));
    assert!(registry.is_empty());
}

#[test]
fn series_beyond_the_limit_are_counted_together() {
    let registry = Registry::new(2, None);
    for user in ["a", "b", "c", "d"] {
        registry.counter("x_total", &[("user", user)]).expect("a counter").inc();
    }
    let told = samples(&registry, 5);
    assert_eq!(told.iter().map(|t| t.2).sum::<f64>(), 4.0);
    assert_eq!(told.last().expect("the overflow").0, "x_total{job=\"j\", overflow=\"true\"}");
    assert_eq!((registry.len(), registry.overflowed()), (3, 2));
    for n in 0..2 * OVERFLOW_SERIES {
        registry.counter(&format!("n{n}"), &[]).expect("a counter").inc();
    }
    assert_eq!(registry.len(), 2 + OVERFLOW_SERIES);
}

#[test]
fn what_nobody_holds_and_nobody_changes_is_forgotten() {
    let registry = Registry::new(10, Some(Duration::from_secs(60)));
    let held = registry.counter("held", &[]).expect("a counter");
    registry.counter("left", &[]).expect("a counter").inc();
    let now = now_ms();
    assert_eq!(registry.read(now).len(), 2);
    assert_eq!(registry.read(now + 61_000).len(), 2, "it is told once more");
    let left: Vec<_> = registry.read(now + 62_000).iter().map(|r| r.labels.to_string()).collect();
    assert_eq!(left, ["held"]);
    held.inc();
}
