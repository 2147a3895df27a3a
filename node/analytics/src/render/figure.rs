//! Figures as people and programs read them.

use crate::report::{Cell, Change, Unit};

/// `1,234,567`, or with a fraction where there is one.
pub fn count(v: f64) -> String {
    if v.fract() != 0.0 || v.abs() >= 1e15 {
        return rounded(v, 2);
    }
    let digits = format!("{:.0}", v.abs());
    let mut out = String::from(if v < 0.0 { "-" } else { "" });
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(c);
    }
    out
}

/// `850 ms`, `12.3 s`, `1.5 h`.
pub fn seconds(v: f64) -> String {
    match v.abs() {
        0.0 => "0 s".to_owned(),
        a if a < 1.0 => format!("{} ms", rounded(v * 1000.0, if a < 0.01 { 2 } else { 0 })),
        a if a < 600.0 => format!("{} s", rounded(v, if a < 10.0 { 2 } else { 1 })),
        a if a < 36_000.0 => format!("{} min", rounded(v / 60.0, 1)),
        _ => format!("{} h", count((v / 3600.0).round())),
    }
}

/// `$12.34`; small sums with more digits.
pub fn usd(v: f64) -> String {
    let digits = if v != 0.0 && v.abs() < 1.0 { 4 } else { 2 };
    let text = format!("{:.digits$}", v.abs());
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, "0"));
    let whole = count(whole.parse().unwrap_or(0.0));
    format!("{}${whole}.{fraction}", if v < 0.0 { "-" } else { "" })
}

fn rounded(v: f64, digits: usize) -> String {
    let text = format!("{v:.digits$}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

/// A figure for people.
pub(super) fn shown(v: f64, unit: Unit) -> String {
    match unit {
        Unit::Count | Unit::Text => count(v),
        Unit::Usd => usd(v),
        Unit::Seconds => seconds(v),
        Unit::Ratio => format!("{} %", rounded(v * 100.0, 2)),
    }
}

/// A figure to the last digit.
pub(super) fn exact(v: f64) -> String {
    plimsoll_promql::format_plain(v)
}

/// A cell for people: the figure, and by how much it differs from the earlier one.
pub(super) fn cell(cell: &Cell, unit: Unit) -> String {
    match cell {
        Cell::Text(text) => text.clone(),
        Cell::Figure(now, before) => {
            let figure = now.map_or("-".to_owned(), |v| shown(v, unit));
            match before {
                None => figure,
                Some(before) => format!("{figure} ({})", change(*before, *now)),
            }
        }
    }
}

/// `+12.5 %`, `new`, `gone`.
fn change(before: Option<f64>, now: Option<f64>) -> String {
    match (before, now) {
        (None, None) => "-".to_owned(),
        (None, Some(_)) => "new".to_owned(),
        (Some(_), None) => "gone".to_owned(),
        (Some(before), Some(now)) => match Change::of(before, now).percent {
            None => "new".to_owned(),
            Some(0.0) => "same".to_owned(),
            Some(percent) if now == 0.0 && percent == -100.0 => "gone".to_owned(),
            Some(percent) => format!("{percent:+.1} %"),
        },
    }
}

/// A title for people out of a column's name: `tokens.cache_read` is `cache read`. Figures for people have their unit
/// beside them, exact ones in the title.
pub(super) fn title(name: &str, exact: bool) -> String {
    let name = name.rsplit_once('.').map_or(name, |(_, last)| last);
    let short = name.strip_suffix("_seconds").or_else(|| name.strip_suffix("_usd"));
    short.filter(|_| !exact).unwrap_or(name).replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_shown_for_people() {
        let cases = [
            (count(1_234_567.0), "1,234,567"),
            (count(-1000.0), "-1,000"),
            (count(0.25), "0.25"),
            (seconds(0.0042), "4.2 ms"),
            (seconds(0.85), "850 ms"),
            (seconds(12.34), "12.3 s"),
            (seconds(5400.0), "90 min"),
            (seconds(360_000.0), "100 h"),
            (usd(1234.5), "$1,234.50"),
            (usd(0.00123), "$0.0012"),
            (usd(-3.0), "-$3.00"),
            (shown(0.973, Unit::Ratio), "97.3 %"),
        ];
        for (is, wanted) in cases {
            assert_eq!(is, wanted);
        }
    }

    #[test]
    fn a_change_tells_what_is_new_and_what_is_gone() {
        let figure = |now, before| cell(&Cell::Figure(now, Some(before)), Unit::Count);
        assert_eq!(figure(Some(15.0), Some(10.0)), "15 (+50.0 %)");
        assert_eq!(figure(Some(10.0), Some(10.0)), "10 (same)");
        assert_eq!(figure(Some(10.0), Some(0.0)), "10 (new)");
        assert_eq!(figure(Some(0.0), Some(10.0)), "0 (gone)");
        assert_eq!(figure(None, Some(10.0)), "- (gone)");
    }
}
