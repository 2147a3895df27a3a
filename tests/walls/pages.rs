//! Links between pages lead somewhere, and every page can be found.

use crate::root;
use std::fs;
use std::path::{Path, PathBuf};

/// All pages of the project: the one at the top and all below docs/.
fn pages() -> Vec<PathBuf> {
    fn walk(folder: &Path, out: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display())).flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|ext| ext == "md") {
                out.push(path);
            }
        }
    }
    let mut pages = vec![root().join("README.md")];
    walk(&root().join("docs"), &mut pages);
    pages
}

/// The targets of a page's links to files, without anchors.
fn links(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    text.split("](")
        .skip(1)
        .filter_map(|rest| rest.split(')').next())
        .map(|link| link.split('#').next().unwrap_or_default())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.contains(' '))
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_link_leads_to_a_file() {
    let mut broken = Vec::new();
    for page in pages() {
        let folder = page.parent().expect("a page lies in a folder");
        for link in links(&page).into_iter().filter(|link| !folder.join(link).exists()) {
            broken.push(format!("{} -> {link}", page.display()));
        }
    }
    assert!(broken.is_empty(), "links that lead nowhere:\n{}", broken.join("\n"));
}

#[test]
fn every_page_below_docs_is_in_its_table_of_contents() {
    let docs = root().join("docs");
    let listed = links(&docs.join("README.md"));
    for page in pages().iter().filter(|page| page.parent() == Some(docs.as_path())) {
        let name = page.file_name().expect("a page has a name").to_string_lossy().into_owned();
        assert!(name == "README.md" || listed.contains(&name), "docs/README.md does not list {name}");
    }
}
