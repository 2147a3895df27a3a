//! Wrong settings end a start at once, with the key, the place and the way out.

use plimsoll_tests::plimsoll::run;
use std::fs;

fn refused_start(args: &[&str]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let data = folder.path().join("data");
    let output = run(&[&["start", "--data-dir", &data.to_string_lossy()], args].concat());
    assert!(!output.status.success(), "it started with {args:?}");
    assert!(output.stdout.is_empty(), "messages belong on stderr");
    assert!(!data.exists(), "a refused start leaves no data folder behind");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn an_address_for_all_is_refused_without_insecure() {
    let said = refused_start(&["--listen", "0.0.0.0:0"]);
    assert!(said.contains("--insecure") && said.contains("node.listen"), "{said}");
}

#[test]
fn an_unknown_key_is_refused_with_its_line_and_a_suggestion() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("plimsoll.toml");
    fs::write(&file, "[storage]\nretenton = \"30d\"\n").expect("a temporary file");
    let file = file.to_string_lossy();
    let wanted = "line 2: unknown key `storage.retenton`; did you mean `storage.retention`?";
    let said = refused_start(&["--config", &file]);
    assert!(said.contains(wanted), "{said}");
    let checked = run(&["config", "check", &file]);
    assert_eq!(checked.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&checked.stderr).contains(wanted));
}

#[test]
fn the_default_settings_are_shown_as_a_file_that_passes_the_check() {
    let shown = run(&["config", "show"]);
    assert!(shown.status.success());
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = folder.path().join("plimsoll.toml");
    fs::write(&file, &shown.stdout).expect("a temporary file");
    let checked = run(&["config", "check", &file.to_string_lossy()]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
