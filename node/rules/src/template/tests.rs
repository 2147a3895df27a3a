use super::*;

fn data() -> Data {
    let labels = [("instance", "db-1.eu.example.com:9100"), ("job", "node"), ("empty", "")];
    let labels = labels.map(|(n, v)| (n.to_owned(), v.to_owned())).into();
    let external = [("region".to_owned(), "eu".to_owned())].into();
    Data::of_alert(&labels, 1234.5678, &external, "http://plimsoll:7777/ui", 1_700_000_000_123)
}

fn answers() -> Answers {
    let found = |host: &str, value: f64| Found {
        labels: [("__name__", "up"), ("host", host)].map(|(n, v)| (n.to_owned(), v.to_owned())).into(),
        value,
    };
    [("up".to_owned(), Ok(vec![found("b", 2.0), found("a", 1.0)])), ("none".to_owned(), Ok(vec![]))].into()
}

#[test]
fn templates_give_what_go_gives() {
    let cases = [
        ("plain text", "plain text"),
        ("{{ $labels.instance }} of {{ $labels.job }}", "db-1.eu.example.com:9100 of node"),
        ("{{ .Labels.job }}{{ .Value }}", "node1234.5678"),
        ("{{ 1234567.0 }} {{ 123456.0 }} {{ 0.00001 }} {{ 0.0001 }}", "1.234567e+06 123456 1e-05 0.0001"),
        ("[{{ $labels.missing }}]", "[]"),
        ("{{ $externalLabels.region }} {{ $externalURL }}", "eu http://plimsoll:7777/ui"),
        ("{{ $value | humanize }}", "1.235k"),
        ("{{ $value | humanize1024 }}B", "1.206kiB"),
        ("{{ humanizeDuration $value }}", "20m 34s"),
        ("{{ humanizePercentage 0.1234567 }}", "12.35%"),
        ("{{ 1435065584.128 | humanizeTimestamp }}", "2015-06-23 13:19:44.128 +0000 UTC"),
        (
            "{{ printf \"%.2f\" $value }} {{ printf \"%5d|%-5s|%q\" 42 \"ab\" \"x\" }}",
            "1234.57    42|ab   |\"x\"",
        ),
        ("{{ printf \"%d %s\" $value 3 }}", "%!d(float64=1234.5678) %!s(int=3)"),
        ("{{ printf \"%v\" }} {{ printf \"x\" 1 }}", "%!v(MISSING) x%!(EXTRA int=1)"),
        ("{{ if gt $value 1000.0 }}high{{ else }}low{{ end }}", "high"),
        ("{{ if eq $labels.job \"x\" \"node\" }}yes{{ end }}", "yes"),
        ("{{ if and $labels.job (not $labels.empty) }}a{{ else if true }}b{{ end }}", "a"),
        ("{{ with $labels.empty }}x{{ else }}nothing{{ end }}", "nothing"),
        ("{{ with $labels }}{{ .job }}{{ end }}", "node"),
        ("{{ range query \"up\" }}{{ .Labels.host }}={{ .Value }};{{ end }}", "b=2;a=1;"),
        ("{{ range query \"none\" }}x{{ else }}no series{{ end }}", "no series"),
        ("{{ query \"up\" | first | value }}", "2"),
        ("{{ query \"up\" | sortByLabel \"host\" | first | label \"host\" }}", "a"),
        ("{{ range $i, $s := query \"up\" }}{{ $i }}{{ $s.Value }} {{ end }}", "02 11 "),
        ("{{ (query \"up\" | first).Labels.host }}", "b"),
        (
            "{{ range query \"up\" }}{{ if eq .Value 1.0 }}{{ continue }}{{ end }}{{ .Value }}{{ break }}{{ end }}",
            "2",
        ),
        ("a {{- /* gone */ -}} b", "ab"),
        ("a\n  {{- $x := 3 }}\n{{- $x = 4 }} {{ $x -}}   \nb", "a 4b"),
        ("{{ \"wOrLd\" | toUpper }} {{ toLower \"ABC\" }} {{ title \"a new day\" }}", "WORLD abc A New Day"),
        ("{{ reReplaceAll \"([a-z]+)-(\\\\d)\" \"$2:$1\" \"db-1 web-2\" }}", "1:db 2:web"),
        ("{{ match \"^db\" $labels.instance }} {{ match \"xyz\" $labels.instance }}", "true false"),
        (
            "{{ stripPort $labels.instance }} {{ stripDomain $labels.instance }} {{ stripPort \"[::1]:80\" }}",
            "db-1.eu.example.com db-1:9100 ::1",
        ),
        ("{{ parseDuration \"1h30m\" }} {{ toDuration 90.5 }} {{ len \"abc\" }}", "5400 1m30.5s 3"),
        ("{{ graphLink \"up == 0\" }}", "/graph?g0.expr=up+%3D%3D+0&g0.tab=0"),
        ("{{ define \"t\" }}<{{ .arg0 }}{{ .arg1 }}>{{ end }}{{ template \"t\" (args 1 \"b\") }}", "<1b>"),
        ("{{ print 1 2 \"a\" 3 }} {{ html \"<a>\" }} {{ urlquery \"a b\" }}", "1 2a3 &lt;a&gt; a+b"),
        (
            "{{ index $labels \"job\" }} {{ slice \"abcdef\" 1 3 }} {{ $labels }}",
            "node bc map[empty: instance:db-1.eu.example.com:9100 job:node]",
        ),
        (
            "{{ now }} {{ pathPrefix }} {{ 1e6 }} {{ 0x10 }} {{ 'a' }} {{ `raw\\n` }}",
            "1.700000000123e+09 /ui 1e+06 16 97 raw\\n",
        ),
    ];
    for (source, wanted) in cases {
        let template = Template::new(source).unwrap_or_else(|e| panic!("{source}: {e}"));
        assert_eq!(template.expand(&data(), &answers()).as_deref(), Ok(wanted), "{source}");
    }
}

#[test]
fn what_is_no_template_is_refused_when_it_is_read() {
    let bad = [
        "{{ $unknown }}",
        "{{ nofunction 1 }}",
        "{{ if true }}",
        "{{ end }}",
        "{{ else }}",
        "{{ $x := }}",
        "{{",
        "{{ \"a }}",
        "{{ 1 | 2 }}",
        "{{ (1 }}",
        "{{ break }}",
        "{{ template \"none\" }}",
        "{{ range }}{{ end }}",
        "{{ 1x }}",
        "{{ ! }}",
    ];
    for source in bad {
        assert!(Template::new(source).is_err(), "{source}");
    }
    let deep = format!("{}x{}", "{{ if true }}".repeat(200), "{{ end }}".repeat(200));
    assert!(Template::new(&deep).is_err());
}

#[test]
fn what_fails_while_it_runs_says_why() {
    let cases = [
        ("{{ .Nothing }}", "can't evaluate field Nothing"),
        ("{{ gt $value 5 }}", "incompatible types for comparison"),
        ("{{ query \"none\" | first }}", "first() called on vector with no elements"),
        ("{{ humanize \"x\" }}", "invalid syntax"),
        ("{{ index $labels 3 }}", "can't index"),
        ("{{ match \"(\" \"a\" }}", "error parsing regexp"),
        ("{{ range 100000 }}{{ range 100000 }}x{{ end }}{{ end }}", "more than 65536 bytes"),
        ("{{ range 100000 }}{{ range 100000 }}{{ end }}{{ end }}", "takes too long"),
        ("{{ define \"a\" }}{{ template \"a\" }}{{ end }}{{ template \"a\" }}", "maximum template depth"),
    ];
    for (source, wanted) in cases {
        let said =
            Template::new(source).expect(source).expand(&data(), &answers()).expect_err(source).to_string();
        assert!(said.contains(wanted), "{source}: {said}");
    }
}

#[test]
fn a_query_without_an_answer_is_named_to_be_asked() {
    let template =
        Template::new("{{ query (printf \"up{job=%q}\" $labels.job) | first | value }}").expect("a template");
    let mut answers = Answers::new();
    let Err(Error::Needs(query)) = template.expand(&data(), &answers) else { panic!("it asks") };
    assert_eq!(query, "up{job=\"node\"}");
    answers.insert(query, Ok(vec![Found { labels: BTreeMap::new(), value: 7.0 }]));
    assert_eq!(template.expand(&data(), &answers).as_deref(), Ok("7"));
}

#[test]
fn numbers_are_shortened_as_prometheus_does() {
    let shown = |name: &str, v: f64| {
        let mut data = data();
        data.variables.insert("v".to_owned(), Value::Float(v));
        let source = format!("{{{{ {name} $v }}}}");
        Template::with_variables(&source, &["v"])
            .and_then(|t| t.expand(&data, &Answers::new()))
            .expect("a text")
    };
    let cases = [
        ("humanize", 0.0, "0"),
        ("humanize", -1.5e9, "-1.5G"),
        ("humanize", 0.00123, "1.23m"),
        ("humanize", 1e25, "10Y"),
        ("humanize", 123456.0, "123.5k"),
        ("humanize", f64::NAN, "NaN"),
        ("humanize", f64::INFINITY, "+Inf"),
        ("humanize1024", 1048576.0, "1Mi"),
        ("humanize1024", 0.5, "0.5"),
        ("humanizeDuration", 0.0, "0s"),
        ("humanizeDuration", 0.0125, "12.5ms"),
        ("humanizeDuration", 1.5, "1.5s"),
        ("humanizeDuration", -90061.0, "-1d 1h 1m 1s"),
        ("humanizeDuration", 899.99, "14m 59s"),
        ("humanizePercentage", 1.0, "100%"),
        ("humanizeTimestamp", 0.0, "1970-01-01 00:00:00 +0000 UTC"),
        ("printf \"%.3g\"", 0.00001234, "1.23e-05"),
        ("printf \"%08.3f\"", -2.71801, "-002.718"),
        ("printf \"%e\"", 12345.678, "1.234568e+04"),
        ("printf \"%+d%%\"", 1.0, "%!d(float64=1)%"),
    ];
    for (name, v, wanted) in cases {
        assert_eq!(shown(name, v), wanted, "{name} {v}");
    }
}
