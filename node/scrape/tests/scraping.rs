//! From a job to targets, and from bodies to samples and stale markers.

use plimsoll_model::{Labels, is_stale};
use plimsoll_proto::ingest::Limits;
use plimsoll_scrape::{
    Failure, Figures, Form, Group, Job, Rules, Sample, Scraped, Series, Value, parse, report, targets,
};
use std::sync::Arc;

fn job(entry: &str) -> Arc<Job> {
    let yaml = format!("scrape_configs:\n- {{job_name: j, {entry}}}\n");
    let mut config = parse(&yaml).unwrap_or_else(|problems| panic!("{yaml}: {problems:?}"));
    Arc::new(config.jobs.remove(0))
}

fn group(targets: &[&str], labels: &[(&str, &str)]) -> Group {
    Group {
        source: "test".into(),
        targets: targets.iter().map(|t| (*t).to_owned()).collect(),
        labels: labels.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
    }
}

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).expect("labels")
}

#[test]
fn a_target_gets_job_and_instance_and_keeps_no_label_of_the_machinery() {
    let job = job("metrics_path: m, params: {a: [x y, z], b: ['1']}, scheme: https");
    let found = targets(&job, &[group(&["h:1"], &[("env", "e"), ("__meta_x", "y"), ("__tmp", "t")])]);
    let target = &found.targets[0];
    assert_eq!(target.labels, labels(&[("job", "j"), ("instance", "h:1"), ("env", "e")]));
    assert_eq!(target.url, "https://h:1/m?a=x+y&a=z&b=1");
    assert_eq!(target.discovered.get("__scrape_interval__"), Some("1m"));
    assert_eq!(target.discovered.get("__param_a"), Some("x y"));
}

#[test]
fn relabelling_changes_address_path_interval_and_instance_or_drops() {
    let job = job("relabel_configs: [\
        {source_labels: [__address__], regex: 'drop.*', action: drop},\
        {source_labels: [__address__], target_label: __param_target},\
        {source_labels: [__param_target], target_label: instance},\
        {target_label: __address__, replacement: 'probe:9'},\
        {target_label: __scrape_interval__, replacement: 20s},\
        {target_label: __scrape_timeout__, replacement: 1s},\
        {target_label: __metrics_path__, replacement: /probe}]");
    let found = targets(&job, &[group(&["x.example:80", "drop.me:1"], &[])]);
    let target = &found.targets[0];
    assert_eq!(target.url, "http://probe:9/probe?target=x.example%3A80");
    assert_eq!(target.labels.get("instance"), Some("x.example:80"));
    assert_eq!((target.interval.ms(), target.timeout.ms()), (20_000, 1000));
    assert_eq!((found.targets.len(), found.dropped_count), (1, 1));
    assert_eq!(found.dropped[0].discovered.get("__address__"), Some("drop.me:1"));
}

#[test]
fn a_target_that_stands_there_twice_is_scraped_once_and_odd_ones_are_told_of() {
    let found = targets(
        &job("honor_labels: true"),
        &[group(&["a:1", "a:1", "a:1/x", ""], &[]), group(&["a:1"], &[])],
    );
    assert_eq!((found.targets.len(), found.errors.len()), (1, 2), "{:?}", found.errors);
    let limited = targets(&job("target_limit: 1"), &[group(&["a:1", "b:1"], &[])]);
    assert!(limited.over_limit.is_some_and(|text| text.contains("target_limit exceeded")));
}

#[test]
fn the_key_of_a_target_depends_on_job_url_and_labels_alone() {
    let key = |entry: &str, labels: &[(&str, &str)]| {
        let found = targets(&job(entry), &[group(&["a:1"], labels)]);
        (found.targets[0].key.clone(), found.targets[0].schedule)
    };
    let first = key("honor_labels: false", &[]);
    assert_eq!(first, key("sample_limit: 10, honor_labels: true", &[("__meta_a", "b")]));
    assert_eq!(first.0, key("scrape_interval: 10s", &[]).0, "a new interval is the same target");
    assert_ne!(first.0, key("metrics_path: /x", &[]).0);
    assert_ne!(first.0, key("honor_labels: false", &[("a", "b")]).0);
}

/// One target and its series.
struct Bench {
    job: Arc<Job>,
    target: Labels,
    series: Series,
    at: i64,
}

impl Bench {
    fn new(entry: &str) -> Self {
        let target = labels(&[("job", "j"), ("instance", "i")]);
        Self { job: job(entry), target, series: Series::default(), at: 0 }
    }

    fn take(&mut self, body: &str) -> Result<Scraped, Failure> {
        self.take_as(body, Form::Text)
    }

    fn take_as(&mut self, body: &str, form: Form) -> Result<Scraped, Failure> {
        self.at += 1000;
        let limits = Limits::default();
        let rules =
            Rules { target: &self.target, job: &self.job, limits: &limits, seed: 1, intern: &Arc::new };
        self.series.take(body.as_bytes(), form, self.at, &rules).map_err(|(why, _)| why)
    }

    /// Samples as text, in order, without the labels of the target.
    fn told(&mut self, body: &str) -> Vec<String> {
        self.take(body).map(|s| s.samples.iter().map(show).collect()).unwrap_or_else(|e| vec![e.to_string()])
    }
}

fn show(sample: &Sample) -> String {
    let value = match &sample.value {
        Value::Float(v) if is_stale(*v) => "stale".to_owned(),
        Value::Float(v) => v.to_string(),
        Value::Histogram(_) => "native".to_owned(),
    };
    let labels = sample.labels.filter(|name| name != "job" && name != "instance");
    format!("{labels} {value} @{}", sample.timestamp)
}

#[test]
fn samples_have_the_moment_of_the_scrape_and_a_series_that_is_gone_ends_once() {
    let mut b = Bench::new("honor_labels: false");
    assert_eq!(b.told("a 1\nb{x=\"y\"} 2\n"), ["a 1 @1000", "b{x=\"y\"} 2 @1000"]);
    assert_eq!(b.told("a 2\n"), ["a 2 @2000", "b{x=\"y\"} stale @2000"]);
    assert_eq!(b.told("a 3\n"), ["a 3 @3000"]);
    assert_eq!(b.told("b{x=\"y\"} 4\na 4\n"), ["b{x=\"y\"} 4 @4000", "a 4 @4000"]);
    let ended: Vec<String> = b.series.end(9000).iter().map(show).collect();
    assert_eq!(ended, ["a stale @9000", "b{x=\"y\"} stale @9000"]);
    assert!(b.series.end(9001).is_empty(), "what has ended does not end again");
}

#[test]
fn a_body_that_fails_gives_no_sample_and_its_series_end() {
    let mut b = Bench::new(
        "sample_limit: 2, metric_relabel_configs: [{source_labels: [__name__], regex: free.*, action: drop}]",
    );
    assert_eq!(b.take("a 1\nb 1\nfree 1\nfree2 1").expect("within the limit").kept, 2);
    assert_eq!(b.take("a 1\nb 1\nc 1\n").expect_err("over the limit"), Failure::Samples(2));
    assert_eq!(b.series.end(b.at).len(), 2);
    assert!(b.series.end(b.at).is_empty());
    assert_eq!(b.told("a 5\n"), ["a 5 @3000"], "and nothing of the failed body is left");
    for bad in ["a\n", "a x\n", "a{ 1\n", "a{b=\"c\" 1\n", "a{b=\"1\",b=\"2\"} 1\n", "<html>\n"] {
        assert!(matches!(b.take(bad), Err(Failure::Malformed(_))), "{bad}");
    }
}

#[test]
fn figures_count_what_was_sent_kept_and_new() {
    let mut b =
        Bench::new("metric_relabel_configs: [{source_labels: [__name__], regex: go_.*, action: drop}]");
    let figures = |s: Scraped| (s.scraped, s.kept, s.added);
    assert_eq!(figures(b.take("a 1\ngo_x 1\nb 1\n").expect("a body")), (3, 2, 2));
    assert_eq!(figures(b.take("a 1\ngo_x 1\nc 1\n").expect("a body")), (3, 2, 1));
    assert_eq!(figures(b.take("a 1\ngo_x 1\nc 1\n").expect("a body")), (3, 2, 0));
}

#[test]
fn labels_of_the_job_win_and_the_targets_own_are_exported_unless_they_are_honoured() {
    let body = "a{job=\"own\",exported_job=\"x\"} 1\n";
    let first = |entry: &str, body: &str| {
        let labels = Bench::new(entry).take(body).expect("a body").samples.remove(0).labels;
        labels.filter(|name| name != "__name__").to_string()
    };
    assert_eq!(
        first("honor_labels: false", body),
        "{exported_exported_job=\"own\", exported_job=\"x\", instance=\"i\", job=\"j\"}"
    );
    assert_eq!(first("honor_labels: true", body), "{exported_job=\"x\", instance=\"i\", job=\"own\"}");
    assert_eq!(first("honor_labels: true", "a{instance=\"\"} 1\n"), "{job=\"j\"}");
}

#[test]
fn limits_of_labels_fail_the_scrape_with_the_series_in_the_message() {
    for (entry, body, wanted) in [
        ("label_limit: 3", "a{b=\"1\"} 1\n", "label_limit exceeded"),
        ("label_name_length_limit: 8", "a{a_long_name=\"1\"} 1\n", "label_name_length_limit exceeded"),
        ("label_value_length_limit: 4", "a{b=\"12345\"} 1\n", "label_value_length_limit exceeded"),
        ("metric_relabel_configs: [{regex: __name__, action: labeldrop}]", "a 1\n", "no name"),
    ] {
        let failure = Bench::new(entry).take(body).expect_err(entry);
        assert!(failure.to_string().contains(wanted), "{failure}");
    }
    assert_eq!(Bench::new("label_limit: 3").take("a 1\n").expect("three labels").kept, 1);
}

#[test]
fn timestamps_of_the_target_are_honoured_and_not_ended_unless_that_is_wanted() {
    let mut b = Bench::new("honor_timestamps: true");
    assert_eq!(b.told("a 1 5\nb 1\n"), ["a 1 @5", "b 1 @1000"]);
    assert_eq!(b.told("b 1\n"), ["b 1 @2000"]);
    let mut tracked = Bench::new("track_timestamps_staleness: true");
    tracked.told("a 1 5\n");
    assert_eq!(tracked.told("b 1\n"), ["b 1 @2000", "a stale @2000"]);
    let mut ignored = Bench::new("honor_timestamps: false");
    assert_eq!(ignored.told("a 1 5\n"), ["a 1 @1000"]);
    assert_eq!(ignored.told(""), ["a stale @2000"]);
}

#[test]
fn the_same_series_in_another_form_goes_on() {
    let mut b = Bench::new("honor_labels: false");
    b.told("a{x=\"1\",y=\"2\"} 1\n");
    assert_eq!(b.told("a{y=\"2\",x=\"1\"} 2\n"), ["a{x=\"1\", y=\"2\"} 2 @2000"]);
}

#[test]
fn what_a_predecessor_scraped_ends_unless_it_comes_again() {
    let mut b = Bench::new("honor_labels: false");
    let of = |name: &str| labels(&[("__name__", name), ("job", "j"), ("instance", "i")]);
    assert_eq!(b.told("a 1\n"), ["a 1 @1000"]);
    let ended = b.series.succeed(vec![of("a"), of("gone")], b.at);
    assert_eq!(ended.iter().map(show).collect::<Vec<_>>(), ["gone stale @1000"]);
    let down = Bench::new("honor_labels: false").series.succeed(vec![of("a")], 7);
    assert_eq!(down.iter().map(show).collect::<Vec<_>>(), ["a stale @7"]);
}

#[test]
fn changed_rules_end_what_they_no_longer_make() {
    let mut b = Bench::new("honor_labels: false");
    b.told("a 1\nb 1\n");
    b.series.forget_meaning();
    b.job = job("metric_relabel_configs: [{source_labels: [__name__], regex: b, action: drop}]");
    assert_eq!(b.told("a 2\nb 2\n"), ["a 2 @2000", "b stale @2000"]);
}

#[test]
fn an_openmetrics_body_has_seconds_exemplars_and_an_end() {
    let mut b = Bench::new("honor_labels: false");
    let body = "# TYPE a counter\n# HELP a text\n# UNIT a s\na_total 1 # {id=\"x\"} 0.5\nb 2 1.5\n# EOF\n";
    let taken = b.take_as(body, Form::OpenMetrics).expect("a body");
    assert_eq!(taken.samples.iter().map(show).collect::<Vec<_>>(), ["a_total 1 @1000", "b 2 @1500"]);
    assert_eq!((b.series.meta()[0].name.as_str(), b.series.meta()[0].help.as_str()), ("a", "text"));
    let cut = b.take_as("a_total 1\n", Form::OpenMetrics).expect_err("no end");
    assert!(cut.to_string().contains("# EOF"));
}

#[test]
fn series_that_come_and_go_for_ever_are_forgotten() {
    let mut b = Bench::new("honor_labels: false");
    for round in 0..1000 {
        b.told(&format!("a{{n=\"{round}\"}} 1\n"));
    }
    assert!(b.series.len() <= 6, "{} lines are known", b.series.len());
}

#[test]
fn a_report_has_the_figures_of_the_scrape_and_ends_with_the_target() {
    let found = targets(&job("extra_scrape_metrics: true, sample_limit: 9"), &[group(&["h:1"], &[])]);
    let figures = Figures { up: true, seconds: 0.5, scraped: 3, kept: 2, added: 1, body_bytes: 99 };
    let told: Vec<String> = report(&found.targets[0], 7, Some(&figures)).iter().map(show).collect();
    assert_eq!(
        told,
        [
            "up 1 @7",
            "scrape_duration_seconds 0.5 @7",
            "scrape_samples_scraped 3 @7",
            "scrape_samples_post_metric_relabeling 2 @7",
            "scrape_series_added 1 @7",
            "scrape_body_size_bytes 99 @7",
            "scrape_timeout_seconds 10 @7",
            "scrape_sample_limit 9 @7",
        ]
    );
    assert!(report(&found.targets[0], 8, None).iter().all(|s| show(s).contains("stale")));
}
