//! "Did you mean": the known key that is nearest to an unknown one.

use crate::settings::Settings;

/// The path of the key that was most likely meant, if any is near enough.
pub(crate) fn nearest(path: &str) -> Option<String> {
    let name = path.rsplit('.').next().unwrap_or(path);
    Settings::keys()
        .map(|key| {
            // The right name in the wrong section is a nearer miss than any typing error.
            let by_name = distance(name, key.name) + 1;
            let by_path = distance(path, &key.path());
            (by_name.min(by_path), key.path())
        })
        .filter(|(far, _)| *far <= 1 + name.len() / 4)
        .min()
        .map(|(_, path)| path)
}

/// The Damerau-Levenshtein distance with adjacent swaps (optimal string alignment).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let change = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = change.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested_and_a_stranger_is_not() {
        for (written, meant) in [
            ("storage.retenton", Some("storage.retention")),
            ("storage.retnetion", Some("storage.retention")),
            ("strage.retention", Some("storage.retention")),
            ("listen", Some("node.listen")),
            ("storage.listen", Some("node.listen")),
            ("node.data-dir", Some("node.data_dir")),
            ("query.maxsamples", Some("query.max_samples")),
            ("node.colour", None),
            ("x", None),
        ] {
            assert_eq!(nearest(written).as_deref(), meant, "{written}");
        }
    }
}
