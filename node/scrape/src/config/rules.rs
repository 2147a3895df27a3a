//! Which relabelling rules make sense.

use super::problem::Part;
use super::written::RelabelConfig;
use crate::relabel::{Action, Rule};

/// Reads the rules under `key`.
pub(super) fn read(written: Vec<RelabelConfig>, key: &str, problems: &mut Part<'_>) -> Vec<Rule> {
    let each = written.into_iter().enumerate();
    each.filter_map(|(at, rule)| one(rule, &mut problems.within(&format!("{key}[{at}]")))).collect()
}

fn one(written: RelabelConfig, problems: &mut Part<'_>) -> Option<Rule> {
    let name = written.action.as_deref().unwrap_or("replace");
    let Some(action) = Action::from_name(name) else {
        let known: Vec<&str> = Action::ALL.iter().map(|(name, _)| *name).collect();
        problems.add("action", format!("`{name}` is no action; known are {}", known.join(", ")));
        return None;
    };
    check_keys(&written, action, problems);
    let pattern = written.regex.unwrap_or_else(|| Rule::PATTERN.to_owned());
    let regex = Rule::compile(&pattern).map_err(|e| problems.add("regex", format!("`{pattern}`: {e}"))).ok();
    Some(Rule {
        action,
        sources: written.source_labels.unwrap_or_default(),
        separator: written.separator.unwrap_or_else(|| Rule::SEPARATOR.to_owned()),
        regex: regex?,
        pattern,
        target: written.target_label.unwrap_or_default(),
        replacement: written.replacement.unwrap_or_else(|| Rule::REPLACEMENT.to_owned()),
        modulus: written.modulus.unwrap_or(0),
    })
}

fn check_keys(rule: &RelabelConfig, action: Action, problems: &mut Part<'_>) {
    use Action::{
        DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase,
    };
    let (name, target) = (action.name(), rule.target_label.as_deref().unwrap_or(""));
    let needs_target = matches!(action, Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual);
    if needs_target && target.is_empty() {
        problems.add("target_label", format!("the action {name} needs one"));
    }
    if action == HashMod && rule.modulus.unwrap_or(0) == 0 {
        problems.add("modulus", "the action hashmod needs one that is not nought");
    }
    if needs_target && action != Replace && target.contains('$') {
        problems.add("target_label", format!("the action {name} takes a plain name, without $"));
    }
    let replacement = rule.replacement.as_deref().filter(|text| *text != Rule::REPLACEMENT);
    if action == LabelMap && replacement.is_some_and(|text| text.is_empty()) {
        problems.add("replacement", "the action labelmap needs a name to copy to");
    }
    let keys = [
        ("source_labels", rule.source_labels.as_ref().is_some_and(|list| !list.is_empty())),
        ("target_label", !target.is_empty()),
        ("separator", rule.separator.as_deref().is_some_and(|text| text != Rule::SEPARATOR)),
        ("regex", rule.regex.as_deref().is_some_and(|text| text != Rule::PATTERN)),
        ("modulus", rule.modulus.is_some_and(|modulus| modulus != 0)),
        ("replacement", replacement.is_some()),
    ];
    // what Prometheus refuses too, because it would have no effect
    let without: &[&str] = match action {
        LabelDrop | LabelKeep => &["source_labels", "target_label", "separator", "modulus", "replacement"],
        KeepEqual | DropEqual => &["separator", "regex", "modulus", "replacement"],
        Lowercase | Uppercase => &["replacement"],
        _ => &[],
    };
    for (key, _) in keys.iter().filter(|(key, there)| *there && without.contains(key)) {
        problems.add(key, format!("has no effect in the action {name}: leave it out"));
    }
}
