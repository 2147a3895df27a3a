//! Puts measured tables into a page of the documentation, between two lines that name them.

use std::fs;
use std::io;
use std::path::Path;

/// Replaces what stands between `<!-- NAME: begin -->` and `<!-- NAME: end -->` in the page at `path`.
pub fn replace(path: &Path, name: &str, content: &str) -> io::Result<()> {
    let page = fs::read_to_string(path)?;
    let page = replaced(&page, name, content).ok_or_else(|| {
        io::Error::other(format!("{} has no part between lines of `{name}`", path.display()))
    })?;
    fs::write(path, page)
}

fn replaced(page: &str, name: &str, content: &str) -> Option<String> {
    let (begin, end) = (format!("<!-- {name}: begin -->"), format!("<!-- {name}: end -->"));
    let from = page.find(&begin)? + begin.len();
    let to = from + page[from..].find(&end)?;
    Some(format!("{}\n\n{}\n\n{}", &page[..from], content.trim(), &page[to..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_part_is_replaced() {
        let page = "a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb";
        let wanted = "a\n<!-- x: begin -->\n\nnew\n\n<!-- x: end -->\nb";
        assert_eq!(replaced(page, "x", "new\n").as_deref(), Some(wanted));
        assert_eq!(replaced(wanted, "x", "new").as_deref(), Some(wanted));
        assert_eq!(replaced(page, "y", "new"), None);
    }
}
