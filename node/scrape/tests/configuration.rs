//! Documents that are taken and documents that are refused, with what is said.

use plimsoll_scrape::{Authorization, Config, Protocol, Secret, Source, parse};

fn good(yaml: &str) -> Config {
    parse(yaml).unwrap_or_else(|problems| panic!("{yaml}\n{problems:?}"))
}

#[test]
fn a_whole_document_of_prometheus_is_read_and_what_it_has_beside_scraping_is_told_of() {
    let config = good(
        "global:
  scrape_interval: 30s
  evaluation_interval: 1m
  external_labels: {region: x}
  sample_limit: 5000
rule_files: [rules/*.yml]
alerting: {alertmanagers: [{static_configs: [{targets: [a:1]}]}]}
remote_write: [{url: 'http://x'}]
scrape_configs:
  - job_name: prometheus
    static_configs:
      - targets: ['localhost:9090']
  - job_name: api
    scrape_interval: 5s
    scrape_timeout: 4s
    metrics_path: /m
    scheme: HTTPS
    params: {module: [http_2xx, b]}
    honor_labels: true
    honor_timestamps: false
    sample_limit: 10
    body_size_limit: 10MB
    scrape_classic_histograms: true
    scrape_protocols: [PrometheusProto, PrometheusText0.0.4]
    fallback_scrape_protocol: PrometheusText0.0.4
    basic_auth: {username: me, password_file: pw}
    tls_config: {ca_file: ca.pem, insecure_skip_verify: true, server_name: x}
    relabel_configs:
      - source_labels: [__address__]
        target_label: __param_target
        regex: 1
    static_configs: [{targets: ['a:1', 'b:2'], labels: {env: prod, n: 007}}]
    file_sd_configs: [{files: ['sd/*.json']}]
    http_sd_configs: [{url: 'http://sd/', refresh_interval: 10s, authorization: {credentials: c}}]
",
    );
    let said: Vec<&str> = config.warnings.iter().filter_map(|w| w.0.split('`').nth(1)).collect();
    assert_eq!(said, ["rule_files", "alerting", "remote_write", "global.external_labels"]);
    let [plain, api] = &config.jobs[..] else { panic!("two jobs") };
    assert_eq!((plain.interval.ms(), plain.timeout.ms(), plain.limits.samples), (30_000, 10_000, Some(5000)));
    assert_eq!((plain.scheme.as_str(), plain.path.as_str(), plain.protocols.len()), ("http", "/metrics", 4));
    assert!(
        plain.honor_timestamps && !plain.honor_labels && plain.compression && plain.http.follow_redirects
    );
    assert_eq!((api.interval.ms(), api.timeout.ms(), api.limits.samples), (5000, 4000, Some(10)));
    assert_eq!((api.scheme.as_str(), api.limits.body_bytes), ("https", Some(10 << 20)));
    assert_eq!(api.protocols, [Protocol::Proto, Protocol::Text0]);
    assert_eq!(api.relabel[0].pattern, "1", "a number is a text where a text is meant");
    assert_eq!(api.groups[0].labels["n"], "007");
    let Some(Authorization::Basic(basic)) = &api.http.authorization else { panic!("basic auth") };
    assert_eq!(basic.username, Source::Inline(Secret("me".into())));
    assert_eq!(api.http_sd[0].refresh.ms(), 10_000);
    assert!(
        matches!(&api.http_sd[0].http.authorization, Some(Authorization::Other { kind, .. }) if kind == "Bearer")
    );
}

#[test]
fn secrets_are_not_printed_and_relative_paths_start_where_the_file_lies() {
    let yaml = "scrape_configs: [{job_name: j, authorization: {credentials: hidden}, tls_config: {ca_file: ca.pem}, file_sd_configs: [{files: [/abs.yml, rel.yml]}]}]";
    let mut config = good(yaml);
    assert!(!format!("{config:?}").contains("hidden"));
    assert_eq!(config.relative_paths().len(), 2);
    config.rebase("/etc/x".as_ref());
    assert!(config.relative_paths().is_empty());
    assert_eq!(config.jobs[0].http.files(), ["/etc/x/ca.pem".as_ref() as &std::path::Path]);
}

#[test]
fn an_empty_document_asks_for_nothing() {
    for yaml in ["", "# nothing\n", "scrape_configs:\n", "global: {}\n"] {
        assert!(good(yaml).jobs.is_empty(), "{yaml:?}");
    }
}

/// An entry of `scrape_configs` and a part of what is said of it.
const REFUSED: &[(&str, &str)] = &[
    ("job_name: a, scrape_intervall: 1s", "did you mean `scrape_interval`?"),
    ("job_name: a, colour: red", "`colour` is no known key here"),
    (
        "job_name: a, kubernetes_sd_configs: [{role: pod}]",
        "a key of Prometheus that Plimsoll does not support",
    ),
    ("job_name: a, dns_sd_configs: []", "file_sd_configs or"),
    ("job_name: a, proxy_url: 'http://x'", "a key of Prometheus that Plimsoll does not support"),
    ("job_name: a, oauth2: {client_id: x}", "credentials_file"),
    ("scrape_interval: 1s", "job_name"),
    ("job_name: ''", "job_name: is empty"),
    ("job_name: a, scrape_interval: 1x", "`1x` is no duration"),
    ("job_name: a, scrape_interval: 5s, scrape_timeout: 6s", "6s is longer than scrape_interval, 5s"),
    ("job_name: a, scheme: ftp", "should be http or https"),
    ("job_name: a, honor_labels: maybe", "boolean"),
    ("job_name: a, body_size_limit: much", "`much` is no size"),
    ("job_name: a, scrape_protocols: [Text]", "`Text` is no protocol; known are PrometheusProto"),
    ("job_name: a, scrape_protocols: [PrometheusProto, PrometheusProto]", "is there twice"),
    ("job_name: a, static_configs: [{targets: ['http://a:1/metrics']}]", "without scheme and path"),
    ("job_name: a, file_sd_configs: [{files: [a.txt]}]", "should end with .json"),
    ("job_name: a, file_sd_configs: [{files: ['*/a.yml']}]", "one * in its last part"),
    ("job_name: a, http_sd_configs: [{url: 'file:///x'}]", "should begin with http://"),
    ("job_name: a, basic_auth: {username: x, password: a, password_file: b}", "at most one of password"),
    ("job_name: a, basic_auth: {username: x}, bearer_token: y", "at most one of basic_auth"),
    ("job_name: a, authorization: {type: Basic, credentials: x}", "is written as basic_auth"),
    ("job_name: a, authorization: {}", "needs credentials"),
    ("job_name: a, tls_config: {cert_file: x}", "a certificate needs its key"),
    ("job_name: a, metric_name_validation_scheme: legacy", "any UTF-8 is a name"),
    ("job_name: a, relabel_configs: [{action: rename}]", "`rename` is no action; known are replace"),
    ("job_name: a, relabel_configs: [{source_labels: [x]}]", "the action replace needs one"),
    ("job_name: a, relabel_configs: [{regex: '(', target_label: x}]", "relabel_configs[0].regex"),
    ("job_name: a, relabel_configs: [{regex: 'a)|(b', target_label: x}]", "relabel_configs[0].regex"),
    ("job_name: a, relabel_configs: [{action: hashmod, target_label: x}]", "needs one that is not nought"),
    (
        "job_name: a, relabel_configs: [{action: labeldrop, source_labels: [x]}]",
        "has no effect in the action labeldrop",
    ),
    ("job_name: a, relabel_configs: [{action: keepequal, target_label: x, regex: y}]", "has no effect"),
    ("job_name: a, metric_relabel_configs: [{action: lowercase}]", "metric_relabel_configs[0].target_label"),
];

#[test]
fn faults_are_told_with_their_place_and_what_to_do() {
    for (entry, wanted) in REFUSED {
        let problems = parse(&format!("scrape_configs:\n- {{{entry}}}\n")).expect_err(entry);
        let said: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert!(said.iter().any(|text| text.contains(wanted)), "{entry}: {said:?}");
        assert!(problems.iter().all(|p| !p.place.is_empty()), "{entry}: {said:?}");
    }
}

#[test]
fn all_faults_of_meaning_are_told_at_once_and_names_of_jobs_are_unique() {
    let problems =
        parse("scrape_configs: [{job_name: a, scheme: x}, {job_name: a, static_configs: [{targets: ['']}]}]");
    let places: Vec<String> = problems.expect_err("faults").into_iter().map(|p| p.place).collect();
    let wanted = [
        "scrape_configs[0].scheme",
        "scrape_configs[1].static_configs[0].targets",
        "scrape_configs[1].job_name",
    ];
    assert_eq!(places, wanted);
}

#[test]
fn a_document_of_a_hostile_form_is_refused() {
    let laughs = "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b]\n";
    for yaml in [laughs, "[[[[", "scrape_configs: {", "\u{0}", &"[".repeat(100_000), &"- ".repeat(5 << 20)] {
        assert!(parse(yaml).is_err());
    }
}
