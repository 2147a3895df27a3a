//! Rule files of this node: read, checked, and put into the cluster when they change.

use super::Rules;
use super::config::{self, CONFIG_KEY, NOTIFICATIONS};
use super::documents::{GroupDocument, RULE_FILES, put};
use plimsoll_rules::notify::Config;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Files of one pattern that are taken.
const FILES: usize = 10_000;
/// Bytes of a file; the ownership state takes no more.
const FILE_BYTES: u64 = 3 << 20;

/// Texts of the files that `patterns` name, by path. What cannot be read is told.
fn read(patterns: &[String]) -> BTreeMap<String, String> {
    let mut out = BTreeMap::new();
    for path in patterns.iter().flat_map(|pattern| matching(pattern)) {
        let size = std::fs::metadata(&path).map_or(0, |m| m.len());
        if size > FILE_BYTES {
            tracing::error!(file = %path.display(), size, "the rule file is larger than {FILE_BYTES} bytes: cut it in two");
            continue;
        }
        match std::fs::read_to_string(&path) {
            Ok(text) => drop(out.insert(path.display().to_string(), text)),
            Err(e) => tracing::error!(file = %path.display(), error = %e, "the rule file cannot be read"),
        }
    }
    out
}

/// The files that a pattern names: `*` stands for any characters of the last part.
fn matching(pattern: &str) -> Vec<PathBuf> {
    let path = Path::new(pattern);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    if !name.contains('*') {
        return vec![path.to_owned()];
    }
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(e) => {
            tracing::error!(folder = %folder.display(), error = %e, "the folder of rule files cannot be read");
            return Vec::new();
        }
    };
    let fits = |path: &PathBuf| path.file_name().is_some_and(|n| fits(&name, &n.to_string_lossy()));
    let mut found: Vec<PathBuf> = entries.flatten().map(|e| e.path()).filter(fits).take(FILES).collect();
    found.sort();
    found
}

/// Whether a name fits a pattern with stars.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once('*') else { return pattern == name };
    let Some(rest) = name.strip_prefix(before) else { return false };
    rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
}

/// Puts what changed since `known` into the cluster, and removes what this node had put and has no more. What could not be
/// put is tried again at the next call.
pub(super) async fn publish(rules: &Rules, known: &mut BTreeMap<String, String>) {
    let patterns = rules.0.settings.files.clone();
    let Ok(files) = tokio::task::spawn_blocking(move || read(&patterns)).await else { return };
    let cluster = rules.0.shards.cluster();
    let me = cluster.node_id().0;
    let author = format!("node {me}");
    let kept: BTreeMap<String, GroupDocument> = cluster.read(|state| {
        let all = state.values(RULE_FILES);
        all.filter_map(|(path, value)| Some((path.to_owned(), GroupDocument::decode(&value.bytes)?)))
            .collect()
    });
    for (path, text) in &files {
        let same = kept.get(path).is_some_and(|document| document.text == *text);
        // another node with another text of the same file has put its own: the last change of a file wins
        if known.get(path) == Some(text) || same {
            known.insert(path.clone(), text.clone());
            continue;
        }
        if let Err(e) = plimsoll_rules::file::parse(text) {
            metrics::counter!("plimsoll_rule_files_refused_total").increment(1);
            tracing::error!(file = path, error = %e, "the rule file is refused; what held before still holds");
            known.insert(path.clone(), text.clone());
            continue;
        }
        let document = GroupDocument { text: text.clone(), node: Some(me) };
        match put(cluster, &author, RULE_FILES, path, Some(&document)).await {
            Ok(()) => {
                tracing::info!(file = path, "rules were read");
                known.insert(path.clone(), text.clone());
            }
            Err(e) => tracing::warn!(file = path, error = %e, "rules could not be put into the cluster yet"),
        }
    }
    known.retain(|path, _| files.contains_key(path));
    for (path, _) in kept.iter().filter(|(path, d)| d.node == Some(me) && !files.contains_key(*path)) {
        if let Err(e) = put(cluster, &author, RULE_FILES, path, None).await {
            tracing::warn!(file = path, error = %e, "rules of a file that is gone are still in the cluster");
        }
    }
}

/// Puts the file with routes and receivers into the cluster when it has changed.
pub(super) async fn publish_notifications(rules: &Rules, known: &mut Option<String>) {
    let Some(path) = rules.0.settings.notifications.clone() else { return };
    let text = match tokio::fs::read_to_string(&path).await {
        Ok(text) => text,
        Err(e) => {
            tracing::error!(file = %path.display(), error = %e, "the file of notifications cannot be read");
            return;
        }
    };
    if known.as_ref() == Some(&text) {
        return;
    }
    let cluster = rules.0.shards.cluster();
    let value = match Config::to_json(&text, None) {
        Ok(value) => value,
        Err(e) => {
            tracing::error!(file = %path.display(), error = %e, "the file of notifications is refused; what held before still holds");
            *known = Some(text);
            return;
        }
    };
    let author = format!("node {}", cluster.node_id().0);
    match config::put(cluster, &author, NOTIFICATIONS, CONFIG_KEY, Some(value.to_string().into_bytes())).await
    {
        Ok(()) => *known = Some(text),
        Err(e) => {
            tracing::warn!(error = %e, "the file of notifications could not be put into the cluster yet")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stars_stand_for_any_characters_of_a_name() {
        for (pattern, name, fit) in [
            ("*.yml", "a.yml", true),
            ("*.yml", "a.yaml", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a12b3c", true),
            ("a*b*c", "ab", false),
            ("*", "", true),
        ] {
            assert_eq!(fits(pattern, name), fit, "{pattern} {name}");
        }
    }

    #[test]
    fn files_are_found_by_name_and_by_pattern() {
        let folder = tempfile::tempdir().expect("a folder");
        for name in ["b.yml", "a.yml", "c.txt"] {
            std::fs::write(folder.path().join(name), name).expect("a file");
        }
        let pattern = folder.path().join("*.yml").display().to_string();
        let found = read(&[pattern]);
        assert_eq!(found.values().collect::<Vec<_>>(), ["a.yml", "b.yml"]);
        assert!(read(&[folder.path().join("none.yml").display().to_string()]).is_empty());
    }
}
