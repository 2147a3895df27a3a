//! The order of the sources: a flag wins over the environment, that over the file, that over the default.

use plimsoll_cluster_config::{LoadArgs, Origin, Period, Settings};
use std::path::{Path, PathBuf};

fn example(name: &str) -> Option<PathBuf> {
    Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples").join(name))
}

fn variables(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
}

fn refusal(args: LoadArgs) -> String {
    Settings::load(args).expect_err("the settings are wrong").to_string()
}

#[test]
fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let load = |variable: &[(&str, &str)], flag: Option<&str>| {
        let args = LoadArgs::new().file(example("laptop.toml")).environment(variables(variable)).flag(
            "--retention",
            "storage.retention",
            flag,
        );
        let settings = Settings::load(args).unwrap_or_else(|e| panic!("{e}"));
        (settings.storage.retention, settings.origin("storage.retention").to_string())
    };
    let variable = [("PLIMSOLL_STORAGE__RETENTION", "20d")];
    let (period, origin) = load(&[], None);
    assert_eq!(period, Period::days(14));
    assert!(origin.ends_with("laptop.toml line 7"), "{origin}");
    assert_eq!(load(&variable, None), (Period::days(20), "PLIMSOLL_STORAGE__RETENTION".to_owned()));
    assert_eq!(load(&variable, Some("25d")), (Period::days(25), "--retention".to_owned()));
}

#[test]
fn what_nobody_sets_has_its_default() {
    let settings = Settings::load(LoadArgs::new()).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings.origin("storage.retention"), Origin::Default);
    assert_eq!(settings.node.listen.to_string(), "127.0.0.1:7777");
    assert_eq!(settings.shards.count, 16);
}

#[test]
fn lists_switches_and_numbers_can_come_from_the_environment() {
    let settings = Settings::load(LoadArgs::new().environment(variables(&[
        ("PLIMSOLL_NODE__JOIN", "10.0.0.1:7777, 10.0.0.2:7777"),
        ("PLIMSOLL_NODE__INSECURE", "1"),
        ("PLIMSOLL_QUERY__MAX_SAMPLES", "1_000"),
        ("PLIMSOLL_URL", "for the command line, not a setting"),
        ("HOME", "/root"),
    ])))
    .unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings.node.join, ["10.0.0.1:7777", "10.0.0.2:7777"]);
    assert!(settings.node.insecure);
    assert_eq!(settings.query.max_samples, 1000);
}

#[test]
fn a_misspelt_variable_is_named_with_the_key_that_was_meant() {
    let said = refusal(LoadArgs::new().environment(variables(&[("PLIMSOLL_STORAGE__RETENTON", "1d")])));
    assert_eq!(
        said,
        "PLIMSOLL_STORAGE__RETENTON: unknown key `storage.retenton`; did you mean `storage.retention`?"
    );
}

#[test]
fn a_wrong_value_of_a_flag_is_named_with_the_flag() {
    let said = refusal(LoadArgs::new().flag("--listen", "node.listen", Some("7777")));
    assert!(said.starts_with("--listen: `node.listen`: `7777` is not an address with a port"), "{said}");
}

#[test]
fn insecure_as_a_flag_allows_an_address_from_the_file() {
    let args = LoadArgs::new().flag("--listen", "node.listen", Some("0.0.0.0:7777")).flag(
        "--insecure",
        "node.insecure",
        Some(true),
    );
    assert!(Settings::load(args).is_ok());
}

#[test]
fn a_missing_file_is_named() {
    let said = refusal(LoadArgs::new().file(Some("/nowhere/plimsoll.toml".into())));
    assert!(said.starts_with("/nowhere/plimsoll.toml: cannot read this settings file"), "{said}");
}

#[test]
fn every_key_has_a_doc_and_a_variable_that_sets_it() {
    for key in Settings::keys() {
        assert!(key.doc.ends_with('.'), "{}: {}", key.path(), key.doc);
        let said = refusal(LoadArgs::new().environment([(key.variable() + "X", "1".to_owned())]));
        assert!(said.contains(&format!("did you mean `{}`", key.path())), "{said}");
    }
}
