//! Sorting of instant vectors.

use super::frame::{Frame, Row};
use crate::plan::SortBy;
use std::cmp::Ordering;

/// Sorts the rows of a one-step frame.
pub(super) fn sort(frame: &mut Frame, by: &SortBy) {
    drop_histograms(frame, by);
    match by {
        SortBy::Value { descending } => frame.rows.sort_by(|a, b| {
            let order = match (a.values[0].is_nan(), b.values[0].is_nan()) {
                (true, true) => Ordering::Equal,
                // NaN goes last either way.
                (true, false) => return Ordering::Greater,
                (false, true) => return Ordering::Less,
                _ => a.values[0].partial_cmp(&b.values[0]).unwrap_or(Ordering::Equal),
            };
            if *descending { order.reverse() } else { order }
        }),
        SortBy::Labels { names, descending } => frame.rows.sort_by(|a, b| {
            let order = by_labels(names, a, b);
            if *descending { order.reverse() } else { order }
        }),
    }
}

/// Histograms have no order by value.
pub(super) fn drop_histograms(frame: &mut Frame, by: &SortBy) {
    if matches!(by, SortBy::Value { .. }) {
        frame.rows.iter_mut().for_each(|r| r.histograms = None);
        frame.rows.retain(|r| r.present.any());
    }
}

fn by_labels(names: &[String], a: &Row, b: &Row) -> Ordering {
    let value = |row: &Row, name: &str| row.labels.get(name).unwrap_or("").to_owned();
    names
        .iter()
        .map(|name| natural(&value(a, name), &value(b, name)))
        .find(|order| order.is_ne())
        .unwrap_or_else(|| a.labels.cmp(&b.labels))
}

/// Compares texts so that numbers in them count as numbers: `a2` before `a10`.
fn natural(a: &str, b: &str) -> Ordering {
    let chunk = |s: &str| -> usize {
        let digit = s.as_bytes().first().is_some_and(u8::is_ascii_digit);
        s.bytes().take_while(|c| c.is_ascii_digit() == digit).count()
    };
    let (mut x, mut y) = (a, b);
    while !x.is_empty() && !y.is_empty() {
        let (cx, cy) = (chunk(x), chunk(y));
        let (px, py) = (&x[..cx], &y[..cy]);
        let numbers = px.as_bytes()[0].is_ascii_digit() && py.as_bytes()[0].is_ascii_digit();
        let order = if numbers {
            let (dx, dy) = (px.trim_start_matches('0'), py.trim_start_matches('0'));
            dx.len().cmp(&dy.len()).then_with(|| dx.cmp(dy)).then_with(|| px.len().cmp(&py.len()))
        } else {
            px.cmp(py)
        };
        if order.is_ne() {
            return order;
        }
        (x, y) = (&x[cx..], &y[cy..]);
    }
    x.len().cmp(&y.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_texts_sort_as_numbers() {
        let mut all = ["cpu10", "cpu2", "cpu", "cpu1", "a", "10", "9"];
        all.sort_by(|a, b| natural(a, b));
        assert_eq!(all, ["9", "10", "a", "cpu", "cpu1", "cpu2", "cpu10"]);
    }
}
