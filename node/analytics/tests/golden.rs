//! Reports in every form, against files. With `PLIMSOLL_GOLDEN=write` the files are written anew.

use plimsoll_analytics::increase::{Ask, increase};
use plimsoll_analytics::render::{Format, render};
use plimsoll_analytics::report::{self, Facts, Kind, Report, Unpriced, Usage};
use plimsoll_analytics::{Compare, Period};
use plimsoll_model::{Labels, METRIC_NAME};
use plimsoll_promql::Budget;
use plimsoll_promql::memory::{MemorySource, Sample};
use std::path::Path;

const DAY: i64 = 86_400_000;
const FROM: i64 = 20_000 * DAY;
const HOSTILE: &str = "</td><script>alert(1)</script>|`*_[x](http://e.vil) \u{202e}\x1b[2J\n@here";

/// Two days of agents: the second is the report's, the first is what it is held against.
fn agents() -> MemorySource {
    let mut source = MemorySource::default();
    let mut put = |name: &str, pairs: &[(&str, &str)], days: [f64; 2]| {
        let labels = Labels::from_pairs([(METRIC_NAME, name)].iter().chain(pairs).copied()).expect("labels");
        let mut value = 0.0;
        for (day, step) in (0i64..).zip(days) {
            value += step;
            source.put(&labels, FROM + day * DAY + DAY / 2, Sample::Float(value), 0);
        }
    };
    for (loop_type, scale) in [("coding", 3.0), ("research", 1.0), (HOSTILE, 0.5)] {
        for (status, part) in [("success", 9.0), ("error", 1.0)] {
            let own = [("loop_type", loop_type), ("status", status)];
            let n = 10.0 * scale * part;
            for (le, share) in [("0.5", 0.2), ("1", 0.5), ("5", 0.9), ("+Inf", 1.0)] {
                let with_le = [own[0], own[1], ("le", le)];
                put("loop_execution_duration_seconds_bucket", &with_le, [n * share, 2.0 * n * share]);
            }
            put("loop_execution_duration_seconds_count", &own, [n, 2.0 * n]);
            put("loop_execution_duration_seconds_sum", &own, [2.0 * n, 5.0 * n]);
        }
        let errors = [("loop_type", loop_type), ("error_type", "timeout")];
        put("loop_errors_total", &errors, [4.0 * scale, 6.0 * scale]);
        for (kind, tokens) in [("input", 1000.0), ("output", 250.0), ("cache_read", 4000.0), ("thought", 7.0)]
        {
            let own = [("loop_type", loop_type), ("model", "large"), ("token_type", kind)];
            put("llm_tokens_total", &own, [tokens * scale, 1.5 * tokens * scale]);
        }
        for (tool, outcome, calls) in
            [("bash", "success", 40.0), ("bash", "error", 2.0), ("search", "success", 10.0)]
        {
            let own = [("loop_type", loop_type), ("tool", tool), ("outcome", outcome)];
            put("tool_invocations_total", &own, [calls * scale, calls * scale]);
        }
    }
    put("llm_cost_usd_total", &[("loop_type", "coding"), ("model", "large")], [1.25, 1.875]);
    put(
        "llm_tokens_total",
        &[("loop_type", "coding"), ("model", "local"), ("token_type", "input")],
        [0.0, 12.0],
    );
    source
}

struct Book;

impl report::Pricing for Book {
    fn price(&self, usage: &Usage<'_>) -> Option<f64> {
        (usage.model == "large" && usage.kind != "thought").then_some(usage.tokens * 1e-6)
    }
}

fn one(source: &MemorySource, kind: Kind, period: Period, pricing: &dyn report::Pricing) -> Report {
    let keys: Vec<String> = kind.keys().iter().map(|k| (*k).to_owned()).collect();
    let (matchers, labels) = kind.counters();
    let by = Facts::by(&keys, labels);
    let ask = Ask { matchers, by, from: period.from, to: period.to, oldest: 0 };
    let groups = increase(source, &ask, &Budget::default()).expect("an answer");
    let facts = Facts::new(keys, labels, groups);
    match kind {
        Kind::Loops => report::loops(&facts, period),
        Kind::Tokens => report::tokens(&facts, period, pricing),
        Kind::Tools => report::tools(&facts, period),
        Kind::Errors => report::errors(&facts, period),
        Kind::Health => {
            let stats = report::loop_stats(&facts, &mut Vec::new());
            let loops = stats.iter().map(|(k, s)| (k.as_slice(), s));
            let checks = report::agent_checks(loops, report::Thresholds::default());
            report::health(checks, period, Vec::new())
        }
    }
}

fn check(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var("PLIMSOLL_GOLDEN").is_ok_and(|v| v == "write") {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(&path, text).expect("a file");
    }
    let wanted = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(wanted == text, "{} is another text now:\n{text}", path.display());
}

#[test]
fn reports_are_as_in_the_files() {
    let source = agents();
    let period = Period::new(FROM + DAY, FROM + 2 * DAY).expect("a day");
    for kind in [Kind::Loops, Kind::Tokens, Kind::Tools, Kind::Errors] {
        let now = one(&source, kind, period, &Unpriced);
        let before = one(&source, kind, period.earlier(Compare::Previous), &Unpriced);
        let compared = report::compare(now.clone(), before, Compare::Previous.name());
        for format in Format::ALL {
            check(&format!("{}.{}", kind.as_str(), format.as_str()), &render(&now, format));
            check(&format!("{}-compared.{}", kind.as_str(), format.as_str()), &render(&compared, format));
        }
    }
}

#[test]
fn hostile_label_text_is_shown_and_never_obeyed() {
    let source = agents();
    let period = Period::new(FROM + DAY, FROM + 2 * DAY).expect("a day");
    let report = one(&source, Kind::Loops, period, &Unpriced);
    for format in [Format::Table, Format::Wide, Format::Csv, Format::Md, Format::Html] {
        let text = render(&report, format);
        let bad = ['\u{202e}', '\x1b'];
        assert!(!text.contains(bad), "{format:?}: {text}");
        if matches!(format, Format::Md | Format::Html) {
            assert!(!text.contains("<script") && !text.contains("</td><s"), "{format:?}: {text}");
        }
    }
    let document = plimsoll_analytics::render::document(&report);
    let kept =
        document["tables"][0]["rows"].as_array().expect("rows").iter().any(|r| r["loop_type"] == HOSTILE);
    assert!(kept, "JSON keeps the text as it is");
}

#[test]
fn totals_are_those_of_the_samples_and_cost_is_never_silently_zero() {
    let source = agents();
    let period = Period::new(FROM + DAY, FROM + 2 * DAY).expect("a day");
    let row = |report: &Report, model: &str, loop_type: &str| {
        let document = plimsoll_analytics::render::document(report);
        let rows = document["tables"][0]["rows"].as_array().expect("rows").clone();
        let fits = |r: &&serde_json::Value| r["model"] == model && r["loop_type"] == loop_type;
        rows.iter().find(fits).cloned().expect("a row")
    };
    let report = one(&source, Kind::Tokens, period, &Unpriced);
    let coding = row(&report, "large", "coding");
    assert_eq!(coding["tokens"]["input"], 4500);
    assert_eq!(coding["tokens"]["thought"], 31.5);
    assert_eq!((coding["cost_usd"].as_f64(), coding["cost_basis"].as_str()), (Some(1.875), Some("counted")));
    let research = row(&report, "large", "research");
    assert_eq!((research["cost_usd"].as_f64(), research["cost_basis"].as_str()), (None, Some("unpriced")));
    assert!(report.notes.iter().any(|n| n.contains("lower bound")), "{:?}", report.notes);

    let mut parts = agents();
    let input = [("loop_type", "research"), ("model", "large"), ("token_type", "input")];
    let input = Labels::from_pairs([(METRIC_NAME, "llm_cost_usd_total")].into_iter().chain(input));
    parts.put(&input.expect("labels"), FROM + DAY + 5, Sample::Float(0.5), 0);
    let partly = row(&one(&parts, Kind::Tokens, period, &Unpriced), "large", "research");
    assert_eq!(
        (partly["cost_usd"].as_f64(), partly["cost_basis"].as_str()),
        (Some(0.5), Some("partly unpriced"))
    );

    let priced = one(&source, Kind::Tokens, period, &Book);
    let research = row(&priced, "large", "research");
    assert_eq!(research["cost_usd"].as_f64(), Some(0.007875));
    assert_eq!(research["cost_basis"], "partly unpriced");
    assert_eq!(row(&priced, "local", "coding")["cost_basis"], "unpriced");
}

#[test]
fn the_canonical_name_counts_where_two_names_tell_the_same() {
    let mut source = agents();
    let old = [(METRIC_NAME, "llm_tokens_used"), ("loop_type", "coding"), ("token_type", "input")];
    let labels = Labels::from_pairs(old).expect("labels");
    source.put(&labels, FROM + DAY + 5, Sample::Float(1e9), 0);
    let period = Period::new(FROM + DAY, FROM + 2 * DAY).expect("a day");
    let report = one(&source, Kind::Tokens, period, &Unpriced);
    assert!(report.notes.iter().any(|n| n.contains("llm_tokens_used") && n.contains("not counted")));
    assert!(!render(&report, Format::Csv).contains("1000000000"));
}

#[test]
fn health_puts_the_worst_in_front() {
    let check = |name: &str, state| report::Check {
        name: name.to_owned(),
        of: String::new(),
        state,
        seen: "seen".to_owned(),
        next: String::new(),
    };
    let period = Period::new(0, 1).expect("a period");
    let checks = vec![
        check("a", report::State::Ok),
        check("b", report::State::Bad),
        check("c", report::State::Unknown),
    ];
    let report = report::health(checks, period, Vec::new());
    let order: Vec<&str> = report.tables[0].rows.iter().map(|r| r.keys[0].as_str()).collect();
    assert_eq!(order, ["b", "c", "a"]);
    assert!(report.notes[0].contains("must be done"));
}
