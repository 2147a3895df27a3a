//! Walls of the house (docs/architecture and docs/decisions): which crate may use which, and what may not be
//! written where; [`pages`]: links of the documentation. Reads the sources; builds nothing.

mod pages;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// All arrows between crates of ours. An arrow that is not here needs a page in docs/decisions/.
const ARROWS: &[(&str, &[&str])] = &[
    ("plimsoll-model", &[]),
    ("plimsoll-proto", &["plimsoll-model"]),
    ("plimsoll-cluster-config", &["plimsoll-model"]),
    ("plimsoll-storage", &["plimsoll-model"]),
    ("plimsoll-dashboards", &[]),
    ("plimsoll-promql", &["plimsoll-model"]),
    ("plimsoll-rules", &["plimsoll-model", "plimsoll-promql"]),
    ("plimsoll-consensus", &["plimsoll-model"]),
    // Reports count native histograms with the engine's arithmetic.
    ("plimsoll-analytics", &["plimsoll-model", "plimsoll-promql"]),
    ("plimsoll-agents", &["plimsoll-model"]),
    ("plimsoll-ownership", &["plimsoll-model", "plimsoll-consensus"]),
    ("plimsoll-scrape", &["plimsoll-model", "plimsoll-proto"]),
    // The settings and the rules are for its command line alone (`config check`, `rules test`), which is a feature that the library does without.
    (
        "plimsoll-client",
        &["plimsoll-model", "plimsoll-proto", "plimsoll-cluster-config", "plimsoll-scrape", "plimsoll-rules"],
    ),
    (
        "plimsoll-node",
        &[
            "plimsoll-model",
            "plimsoll-proto",
            "plimsoll-cluster-config",
            "plimsoll-storage",
            "plimsoll-promql",
            "plimsoll-rules",
            "plimsoll-ownership",
            "plimsoll-consensus",
            "plimsoll-scrape",
            "plimsoll-dashboards",
            "plimsoll-analytics",
            "plimsoll-agents",
            "plimsoll-client",
        ],
    ),
    ("plimsoll-tests", &["plimsoll-model", "plimsoll-proto", "plimsoll-node", "plimsoll-client"]),
    // The simulation runs the engines under the node, each by itself.
    (
        "plimsoll-chaos-tests",
        &[
            "plimsoll-model",
            "plimsoll-consensus",
            "plimsoll-ownership",
            "plimsoll-node",
            "plimsoll-client",
            "plimsoll-tests",
        ],
    ),
];

/// Libraries that belong to some crates only. `storage`, `promql` and `ownership` are engines: they know no
/// network, no runtime and no actors. Raft's libraries stay behind the one crate that wraps them.
const OWNED: &[(&str, &[&str])] = &[
    ("openraft", &["plimsoll-consensus"]),
    ("openraft-rt-tokio", &["plimsoll-consensus"]),
    ("raft-engine", &["plimsoll-consensus"]),
    ("rocksdb", &["plimsoll-storage"]),
    ("ractor", &["plimsoll-node"]),
    ("axum", &["plimsoll-node"]),
    ("tokio", &["plimsoll-consensus", "plimsoll-client", "plimsoll-node", "plimsoll-chaos-tests"]),
    ("tonic", &["plimsoll-proto", "plimsoll-client", "plimsoll-node"]),
    ("hyper", &["plimsoll-client", "plimsoll-node"]),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the workspace").to_owned()
}

fn manifest(folder: &Path) -> toml::Table {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    text.parse().unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// Each crate of the workspace: its folder and the names of what it uses outside of tests.
fn crates() -> BTreeMap<String, (PathBuf, Vec<String>)> {
    let root = root();
    let workspace = manifest(&root);
    let members = workspace["workspace"]["members"].as_array().expect("a workspace has members");
    members
        .iter()
        .map(|member| {
            let folder = root.join(member.as_str().expect("a member is a path"));
            let manifest = manifest(&folder);
            let name = manifest["package"]["name"].as_str().expect("a package has a name").to_owned();
            let uses = manifest.get("dependencies").and_then(|table| table.as_table());
            let uses = uses.into_iter().flatten().map(|(name, _)| name.clone()).collect();
            (name, (folder, uses))
        })
        .collect()
}

/// All Rust sources below `folder`, except those of crates nested in it and of build folders.
fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten() {
        let path = entry.path();
        if path.is_dir() {
            let skipped = path.join("Cargo.toml").exists()
                || path.ends_with("target")
                || path.ends_with("node_modules");
            if !skipped {
                sources(&path, out);
            }
        } else if path.extension().is_some_and(|ext| ext == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn crates_use_one_another_in_one_direction_only() {
    for (name, (_, uses)) in crates() {
        let allowed = ARROWS.iter().find(|(from, _)| *from == name);
        let (_, allowed) =
            allowed.unwrap_or_else(|| panic!("{name} is new: say in this test what it may use"));
        for used in uses.iter().filter(|used| used.starts_with("plimsoll")) {
            assert!(allowed.contains(&used.as_str()), "{name} may not use {used}");
        }
    }
}

#[test]
fn libraries_stay_in_the_crates_that_own_them() {
    for (name, (_, uses)) in crates() {
        for (library, owners) in OWNED {
            let used = uses.iter().any(|used| used == library);
            assert!(
                !used || owners.contains(&name.as_str()),
                "{name} may not use {library}: it belongs to {owners:?}"
            );
        }
    }
}

#[test]
fn only_the_consensus_crate_names_its_libraries() {
    for (name, (folder, _)) in crates() {
        if name == "plimsoll-consensus" || name == "plimsoll-tests" {
            continue;
        }
        for_each_code_line(&folder, |path, number, line| {
            for library in ["openraft::", "raft_engine::"] {
                assert!(!line.contains(library), "{}:{number} names {library}", path.display());
            }
        });
    }
}

#[test]
fn messages_are_cast_only_where_credit_is_taken() {
    // A mailbox has no bound of its own: what casts must be a handle, which takes credit first, or the actor itself,
    // whose timers and supervision know how much they send.
    let (folder, _) = &crates()["plimsoll-node"];
    for_each_code_line(folder, |path, number, line| {
        let casts = [".cast(", "::cast(", "cast!(", "send_message("].iter().any(|call| line.contains(call));
        let allowed = ["handle.rs", "actor.rs", "mod.rs"].iter().any(|file| path.ends_with(file));
        assert!(!casts || allowed, "{}:{number} sends to an actor past its handle: {line}", path.display());
    });
}

#[test]
fn engines_read_no_clock() {
    for name in [
        "plimsoll-model",
        "plimsoll-storage",
        "plimsoll-promql",
        "plimsoll-ownership",
        "plimsoll-scrape",
        "plimsoll-analytics",
        "plimsoll-agents",
        "plimsoll-rules",
    ] {
        let (folder, _) = &crates()[name];
        for_each_code_line(&folder.join("src"), |path, number, line| {
            assert!(!line.contains("SystemTime::now"), "{}:{number} reads a clock", path.display());
        });
    }
}

/// Calls `look` with every line that is neither a comment nor in a file of tests.
fn for_each_code_line(folder: &Path, mut look: impl FnMut(&Path, usize, &str)) {
    let mut files = Vec::new();
    sources(folder, &mut files);
    assert!(!files.is_empty(), "no sources in {}", folder.display());
    for path in files {
        let text = fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for (number, line) in text.lines().enumerate() {
            if !line.trim_start().starts_with("//") {
                look(&path, number + 1, line);
            }
        }
    }
}
