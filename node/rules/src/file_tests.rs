use super::*;

const GOOD: &str = r#"
groups:
  - name: loops
    interval: 15s
    limit: 10
    query_offset: 1m
    labels: {team: agents}
    rules:
      - record: loop:errors:rate5m
        expr: sum by (loop_type) (rate(loop_errors_total[5m]))
        labels:
          source: 7
      - alert: LoopErrors
        expr: |
          loop:errors:rate5m
            > 0.1
        for: 10m
        keep_firing_for: 5m
        cooldown: 1h
        labels:
          severity: page
          team: "{{ $labels.team }}"
        annotations:
          summary: '{{ $labels.loop_type }} fails: {{ $value | humanizePercentage }}'
  - name: empty
"#;

#[test]
fn a_file_is_read_with_all_that_it_says() {
    let groups = parse(GOOD).expect("a good file");
    assert_eq!(groups.len(), 2);
    let group = &groups[0];
    assert_eq!((group.interval_ms, group.query_offset_ms, group.limit), (Some(15_000), Some(60_000), 10));
    let [recording, alert] = group.rules.as_slice() else { panic!("two rules") };
    assert_eq!(
        (recording.name(), recording.kind_name(), recording.line),
        ("loop:errors:rate5m", "recording", 9)
    );
    assert_eq!(recording.labels["source"], "7");
    assert_eq!(recording.labels["team"], "agents");
    let said = alert.alerting().expect("an alert");
    assert_eq!((said.for_ms, said.keep_firing_for_ms, said.cooldown_ms), (600_000, 300_000, 3_600_000));
    assert_eq!(alert.labels["team"], "{{ $labels.team }}");
    assert_eq!(alert.expr, "loop:errors:rate5m\n  > 0.1\n");
    assert!(groups[1].rules.is_empty());
}

#[test]
fn every_mistake_of_a_file_is_told_with_its_line() {
    let bad = r#"
groups:
  - name: a
    rules:
      - record: x
        alert: y
        expr: up
      - expr: up
      - record: "bad name"
        expr: up
        for: 1m
      - alert: A
        expr: sum(
        for: 5 minutes
        labels: {__name__: x}
        annotations: {summary: "{{ $lables.x }}"}
      - alert: B
  - name: a
"#;
    let problems = parse(bad).expect_err("a bad file").0;
    let shown: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let wanted = [
        "line 6: group \"a\", rule 1, \"y\": only one of",
        "line 8: group \"a\", rule 2, \"\": one of 'record' or 'alert'",
        "line 9: group \"a\", rule 3, \"bad name\": invalid recording rule name",
        "line 9: group \"a\", rule 3, \"bad name\": invalid field 'for'",
        "for: not a valid duration string: \"5 minutes\"",
        "could not parse expression: 1:5",
        "invalid label name: __name__",
        "annotation \"summary\": error parsing template: line 1: undefined variable \"$lables\"",
        "rule 5, \"B\": field 'expr' must be set",
        "line 18: groupname: \"a\" is repeated",
    ];
    for text in wanted {
        assert!(shown.iter().any(|s| s.contains(text)), "{text} is not in {shown:#?}");
    }
    assert_eq!(shown.len(), wanted.len(), "{shown:#?}");
}

#[test]
fn what_is_no_rule_file_is_refused_and_nothing_is_guessed() {
    for bad in [
        "groups: 3",
        "group: []",
        "groups:\n- name: a\n  rulez: []",
        "groups:\n- name: a\n  rules:\n  - alert: x\n    expr: up\n    fore: 1m",
        "{",
        "- a",
        "groups: [{name: a, interval: soon}]",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
    assert_eq!(parse(""), Ok(Vec::new()));
    assert_eq!(parse("groups:"), Ok(Vec::new()));
    let bomb = format!("a: &a [x,x,x,x,x,x,x,x,x]\n{}groups: []", (b'b'..=b'k').map(|c| {
        let (c, before) = (c as char, (c - 1) as char);
        format!("{c}: &{c} [*{before},*{before},*{before},*{before},*{before},*{before},*{before},*{before}]\n")
    }).collect::<String>());
    assert!(parse(&bomb).is_err());
}

#[test]
fn one_group_is_taken_by_itself_or_as_a_file() {
    let alone = "name: g\nrules:\n- record: a\n  expr: up\n";
    let file = "groups:\n- name: g\n  rules:\n  - record: a\n    expr: up\n";
    let names = |text: &str| parse_group(text).map(|g| (g.name, g.rules.len()));
    assert_eq!(names(alone), Ok(("g".to_owned(), 1)));
    assert_eq!(names(file), Ok(("g".to_owned(), 1)));
    assert!(parse_group("groups: [{name: a}, {name: b}]").is_err());
    assert!(parse_group("groups: []").is_err());
}

#[test]
fn a_group_can_be_cut_out_of_its_file() {
    let part = part(GOOD, "loops").expect("it is there");
    assert_eq!(
        parse_group(&part),
        parse(GOOD).map(|mut groups| groups.remove(0)).map(|mut g| {
            g.rules.iter_mut().for_each(|r| r.line -= 1);
            g
        })
    );
    assert_eq!(super::part(GOOD, "empty").as_deref(), Some("groups:\n  - name: empty\n"));
    assert_eq!(super::part(GOOD, "none"), None);
}
