//! The rules that come with Plimsoll hold their unit tests, and lint has nothing to say of their alerts.

use plimsoll_rules::{file, lint, unit};

const RULES: &str = plimsoll_rules::BUILTIN;
const TESTS: &str = include_str!("../builtin/agents_test.yml");

#[test]
fn built_in_rules_hold_their_tests() {
    let groups = file::parse(RULES).unwrap_or_else(|e| panic!("{e}"));
    let tests = unit::parse(TESTS).unwrap_or_else(|e| panic!("{e}"));
    let failures = unit::run(&tests, &groups);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_built_in_alert_is_tested() {
    let groups = file::parse(RULES).unwrap_or_else(|e| panic!("{e}"));
    for rule in groups.iter().flat_map(|g| &g.rules).filter(|r| r.alerting().is_some()) {
        assert!(TESTS.contains(rule.name()), "{} is in no test", rule.name());
    }
}

#[test]
fn built_in_rules_are_what_lint_wants() {
    let groups = file::parse(RULES).unwrap_or_else(|e| panic!("{e}"));
    let remarks = lint::lint(&[("agents.yml".to_owned(), groups)]);
    assert!(remarks.is_empty(), "{remarks:#?}");
}
