//! Relabelling, case by case, from what the actions are documented to do.

use plimsoll_scrape::{LabelSet, parse, relabel};

/// Labels as `a=1 b=2`.
fn set(text: &str) -> LabelSet {
    text.split_whitespace().filter_map(|pair| pair.split_once('=')).collect()
}

fn text(set: &LabelSet) -> String {
    set.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

/// What `rules` (YAML) make of `labels`: the labels, or `dropped`.
fn outcome(rules: &str, labels: &str) -> String {
    let yaml = format!("scrape_configs:\n- job_name: j\n  relabel_configs: [{rules}]\n");
    let config = parse(&yaml).unwrap_or_else(|p| panic!("{rules}: {p:?}"));
    let mut set = set(labels);
    if relabel(&config.jobs[0].relabel, &mut set) { text(&set) } else { "dropped".to_owned() }
}

const CASES: &[(&str, &str, &str)] = &[
    // replace
    (
        "{source_labels: [a], target_label: d, regex: f(.*), replacement: 'ch${1}-ch${1}'}",
        "a=foo b=bar",
        "a=foo b=bar d=choo-choo",
    ),
    (
        "{source_labels: [a, b], target_label: a, regex: 'f(.*);(.*)r', replacement: 'b${1}${2}m'}",
        "a=foo b=bar",
        "a=boobam b=bar",
    ),
    ("{source_labels: [a], target_label: d, regex: nothing}", "a=foo", "a=foo"),
    ("{source_labels: [a], target_label: d}", "a=foo", "a=foo d=foo"),
    ("{target_label: d, replacement: const}", "a=foo", "a=foo d=const"),
    ("{source_labels: [a], target_label: a, regex: foo, replacement: ''}", "a=foo b=x", "b=x"),
    ("{source_labels: [gone], target_label: a}", "a=foo b=x", "b=x"),
    (
        "{source_labels: [a], separator: '', target_label: d, regex: 'f(?P<rest>.+)', replacement: '$rest'}",
        "a=foo",
        "a=foo d=oo",
    ),
    ("{source_labels: [a, b], separator: '_', target_label: d}", "a=1 b=2", "a=1 b=2 d=1_2"),
    (
        "{source_labels: [a], regex: '(.+)', target_label: '${1}_total', replacement: x}",
        "a=foo",
        "a=foo foo_total=x",
    ),
    ("{source_labels: [a], target_label: d, replacement: '$1x'}", "a=foo", "a=foo"),
    ("{source_labels: [a], target_label: d, replacement: '$$1'}", "a=foo", "a=foo d=$1"),
    // the whole value has to match
    ("{source_labels: [a], target_label: d, regex: oo, replacement: x}", "a=foo", "a=foo"),
    ("{source_labels: [a], target_label: d, regex: 'a|foo', replacement: x}", "a=foo", "a=foo d=x"),
    // keep, drop
    ("{source_labels: [a], regex: foo, action: drop}", "a=foo", "dropped"),
    ("{source_labels: [a], regex: fo, action: drop}", "a=foo", "a=foo"),
    ("{source_labels: [a], regex: '.*o.*', action: drop}", "a=foo", "dropped"),
    ("{source_labels: [a], regex: foo, action: keep}", "a=foo", "a=foo"),
    ("{source_labels: [a], regex: foo, action: KEEP}", "a=bar", "dropped"),
    ("{source_labels: [gone], regex: '', action: keep}", "a=bar", "a=bar"),
    ("{source_labels: [gone], regex: '.+', action: keep}", "a=bar", "dropped"),
    // keepequal, dropequal
    ("{source_labels: [a], target_label: b, action: keepequal}", "a=x b=x", "a=x b=x"),
    ("{source_labels: [a], target_label: b, action: keepequal}", "a=x b=y", "dropped"),
    ("{source_labels: [a], target_label: b, action: dropequal}", "a=x b=x", "dropped"),
    ("{source_labels: [a], target_label: b, action: dropequal}", "a=x b=y", "a=x b=y"),
    ("{source_labels: [a], target_label: gone, action: dropequal}", "a=x", "a=x"),
    // hashmod: md5("foo;bar") and md5("") by md5sum, last eight bytes, big endian
    (
        "{source_labels: [c], target_label: d, action: hashmod, modulus: 1000}",
        "a=foo c=baz",
        "a=foo c=baz d=976",
    ),
    ("{source_labels: [a], target_label: d, action: hashmod, modulus: 1}", "a=foo", "a=foo d=0"),
    // labelmap
    (
        "{regex: '(b.*)', replacement: 'bar_${1}', action: labelmap}",
        "a=foo b1=x b2=y",
        "a=foo b1=x b2=y bar_b1=x bar_b2=y",
    ),
    (
        "{regex: '__meta_(my_.+)', action: labelmap}",
        "__meta_my_x=1 __meta_y=2 a=foo",
        "__meta_my_x=1 __meta_y=2 a=foo my_x=1",
    ),
    ("{regex: 'a', replacement: 'b', action: labelmap}", "a=1 b=2", "a=1 b=1"),
    // labeldrop, labelkeep
    ("{regex: '(b.*)', action: labeldrop}", "a=foo b1=x b2=y", "a=foo"),
    ("{regex: '(b.*)', action: labelkeep}", "a=foo b1=x b2=y", "b1=x b2=y"),
    // lowercase, uppercase
    (
        "{source_labels: [a, b], separator: '', target_label: d, action: lowercase}",
        "a=Fo b=ÄX",
        "a=Fo b=ÄX d=foäx",
    ),
    ("{source_labels: [a], target_label: a, action: uppercase}", "a=bär", "a=BÄR"),
    // one after another
    (
        "{source_labels: [a], target_label: b, replacement: '${1}1'}, {source_labels: [b], target_label: c, replacement: '${1}2'}",
        "a=x",
        "a=x b=x1 c=x12",
    ),
    ("{source_labels: [a], regex: x, action: drop}, {target_label: z, replacement: never}", "a=x", "dropped"),
];

#[test]
fn rules_do_what_prometheus_documents() {
    for (rules, before, wanted) in CASES {
        assert_eq!(outcome(rules, before), *wanted, "{rules} on {before}");
    }
}
