//! The table of settings in docs/operating.md is that of the code.

use plimsoll_cluster_config::Settings;
use std::fs;
use std::path::Path;

#[test]
fn the_operating_page_lists_every_setting_with_its_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operating.md");
    let page = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut table = String::from("| key | default | what it does |\n|---|---|---|\n");
    for (key, value, _) in Settings::default().effective().rows() {
        let value = value.map_or("not set".to_owned(), |value| format!("`{}`", value.trim_matches('"')));
        table += &format!("| `{}` | {value} | {} |\n", key.path(), key.doc);
    }
    assert!(page.contains(&table), "the page lacks this table, or has an older one:\n\n{table}");
}
