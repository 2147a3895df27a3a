//! The dashboards that come with the program.

use crate::Dashboard;
use std::sync::LazyLock;

const SOURCES: [&str; 10] = [
    include_str!("../builtin/overview.json"),
    include_str!("../builtin/loops.json"),
    include_str!("../builtin/tokens.json"),
    include_str!("../builtin/showback.json"),
    include_str!("../builtin/tools.json"),
    include_str!("../builtin/errors.json"),
    include_str!("../builtin/coding.json"),
    include_str!("../builtin/system.json"),
    include_str!("../builtin/cluster.json"),
    include_str!("../builtin/cardinality.json"),
];

static ALL: LazyLock<Vec<Dashboard>> = LazyLock::new(|| {
    let read = |source: &&str| Dashboard::parse(source.as_bytes()).expect("a test reads each of them");
    SOURCES.iter().map(read).map(|d| Dashboard { built_in: true, ..d }).collect()
});

/// All of them.
pub fn built_ins() -> &'static [Dashboard] {
    &ALL
}

/// The one with this id.
pub fn built_in(id: &str) -> Option<&'static Dashboard> {
    ALL.iter().find(|d| d.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_one_can_be_read_and_passes_the_checks() {
        for source in SOURCES {
            let d = Dashboard::parse(source.as_bytes()).unwrap_or_else(|e| panic!("{e}: {}", &source[..80]));
            d.check(&|_| Ok(())).unwrap_or_else(|e| panic!("{}: {e}", d.id));
            assert!(!d.description.is_empty(), "{} says what it shows", d.id);
        }
    }

    #[test]
    fn no_two_share_an_id_and_no_two_panels_a_place() {
        for (at, d) in built_ins().iter().enumerate() {
            assert!(built_ins()[..at].iter().all(|other| other.id != d.id), "{}", d.id);
            for (i, a) in d.panels.iter().enumerate() {
                for b in &d.panels[..i] {
                    let (p, q) = (a.at, b.at);
                    let apart = p.x + p.w <= q.x || q.x + q.w <= p.x || p.y + p.h <= q.y || q.y + q.h <= p.y;
                    assert!(apart, "{}: {:?} lies on {:?}", d.id, a.title, b.title);
                }
            }
        }
    }
}
