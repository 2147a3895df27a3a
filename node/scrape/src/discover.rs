//! What discovery answers: groups of addresses, in files (JSON, YAML) and over HTTP (JSON).

use serde::Deserialize;
use std::collections::BTreeMap;

/// Addresses that share labels.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Where it comes from, for messages.
    #[serde(skip)]
    pub source: String,
    /// HOST:PORT of each target.
    #[serde(default)]
    pub targets: Vec<String>,
    /// Labels of all of them.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
}

/// Reads groups as JSON; `label` and `source` say where they come from (`__meta_filepath`, the path).
pub fn groups_from_json(text: &str, label: &str, source: &str) -> Result<Vec<Group>, String> {
    let groups: Vec<Group> = serde_json::from_str(text).map_err(|e| format!("not a list of groups: {e}"))?;
    Ok(marked(groups, label, source))
}

/// The same as YAML.
pub fn groups_from_yaml(text: &str, label: &str, source: &str) -> Result<Vec<Group>, String> {
    let options = serde_saphyr::options! { with_snippet: false };
    let groups: Option<Vec<Group>> = serde_saphyr::from_str_with_options(text, options)
        .map_err(|e| format!("not a list of groups: {}", e.without_snippet()))?;
    Ok(marked(groups.unwrap_or_default(), label, source))
}

fn marked(mut groups: Vec<Group>, label: &str, source: &str) -> Vec<Group> {
    for (at, group) in groups.iter_mut().enumerate() {
        group.source = format!("{source}:{at}");
        group.labels.insert(label.to_owned(), source.to_owned());
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_read_from_json_and_yaml_and_marked_with_their_source() {
        let json = r#"[{"targets": ["a:1", "b:2"], "labels": {"env": "x"}}, {"targets": []}]"#;
        let yaml = "- targets: ['a:1', 'b:2']\n  labels: {env: x}\n- targets: []\n";
        let groups = groups_from_json(json, "__meta_filepath", "f.json").expect("groups");
        assert_eq!(groups, groups_from_yaml(yaml, "__meta_filepath", "f.json").expect("groups"));
        assert_eq!(groups[0].targets, ["a:1", "b:2"]);
        let labels: Vec<_> = groups[0].labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
        assert_eq!(labels, ["__meta_filepath=f.json", "env=x"]);
        assert_eq!(groups_from_yaml("", "l", "s"), Ok(vec![]));
    }

    #[test]
    fn what_is_no_list_of_groups_is_refused() {
        for text in ["", "{}", "[{\"target\": []}]", "[{\"targets\": [1]}]", "[{\"labels\": {\"a\": 1}}]"] {
            assert!(groups_from_json(text, "l", "s").is_err(), "{text}");
        }
        assert!(groups_from_yaml("- targets: {a: b}", "l", "s").is_err());
    }
}
