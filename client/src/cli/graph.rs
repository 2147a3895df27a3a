//! Values over time in characters: a line of blocks, or a chart with an axis.

use super::units::show_short;

const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// Values at equal distances; `None` where there is none.
pub(super) type Points = Vec<Option<f64>>;

/// Lowest and highest finite value.
pub(super) fn bounds(points: &[Option<f64>]) -> Option<(f64, f64)> {
    let finite = points.iter().flatten().copied().filter(|v| v.is_finite());
    finite.fold(None, |acc, v| Some(acc.map_or((v, v), |(lo, hi): (f64, f64)| (lo.min(v), hi.max(v)))))
}

/// `points` on `width` places, the mean of what falls on one.
pub(super) fn resample(points: &[Option<f64>], width: usize) -> Points {
    if points.len() <= width {
        return points.to_vec();
    }
    (0..width)
        .map(|i| {
            let (from, to) = (i * points.len() / width, (i + 1) * points.len() / width);
            let part: Vec<f64> =
                points[from..to].iter().flatten().copied().filter(|v| v.is_finite()).collect();
            (!part.is_empty()).then(|| part.iter().sum::<f64>() / part.len() as f64)
        })
        .collect()
}

/// One character a value, as high as the value lies between the lowest and the highest.
pub(super) fn sparkline(points: &[Option<f64>], width: usize) -> String {
    let points = resample(points, width);
    let Some((low, high)) = bounds(&points) else { return String::new() };
    let block = |v: f64| BLOCKS[level(v, low, high, BLOCKS.len())];
    points.iter().map(|p| p.filter(|v| v.is_finite()).map_or(' ', block)).collect()
}

/// A chart of `height` lines with the scale on the left.
pub(super) fn chart(points: &[Option<f64>], width: usize, height: usize) -> Vec<String> {
    let points = resample(points, width);
    let Some((low, high)) = bounds(&points) else { return Vec::new() };
    // Eighths of a line: the column below a value is full, its top a part of a block.
    let steps = height * BLOCKS.len();
    let tops: Vec<Option<usize>> =
        points.iter().map(|p| p.filter(|v| v.is_finite()).map(|v| level(v, low, high, steps) + 1)).collect();
    let scale: Vec<String> = (0..height).map(|row| scale_text(row, height, low, high)).collect();
    let margin = scale.iter().map(String::len).max().unwrap_or(0);
    (0..height)
        .map(|row| {
            let below = (height - 1 - row) * BLOCKS.len();
            let column = |top: &Option<usize>| match top {
                Some(t) if *t > below => BLOCKS[(t - below).min(BLOCKS.len()) - 1],
                _ => ' ',
            };
            let line: String = tops.iter().map(column).collect();
            format!("{:>margin$} ┤{line}", scale[row]).trim_end().to_owned()
        })
        .collect()
}

fn scale_text(row: usize, height: usize, low: f64, high: f64) -> String {
    let marked = row == 0 || row + 1 == height || row == height / 2;
    if !marked {
        return String::new();
    }
    let part = 1.0 - row as f64 / (height - 1).max(1) as f64;
    show_short(low + (high - low) * part)
}

fn level(v: f64, low: f64, high: f64, steps: usize) -> usize {
    if high <= low {
        return if low == 0.0 { 0 } else { steps / 2 };
    }
    // Halves first: the span of two finite numbers may be infinite.
    let part = (v / 2.0 - low / 2.0) / (high / 2.0 - low / 2.0);
    ((part * steps as f64) as usize).min(steps - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn points(values: &[f64]) -> Points {
        values.iter().map(|v| Some(*v)).collect()
    }

    #[test]
    fn a_sparkline_rises_with_its_values_and_shows_gaps() {
        assert_eq!(sparkline(&points(&[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]), 8), "▁▂▃▄▅▆▇█");
        assert_eq!(sparkline(&[Some(1.0), None, Some(2.0)], 8), "▁ █");
        assert_eq!(sparkline(&points(&[5.0, 5.0]), 8), "▅▅");
        assert_eq!(sparkline(&[None], 8), "");
    }

    #[test]
    fn more_points_than_places_are_averaged() {
        assert_eq!(resample(&points(&[1.0, 3.0, 5.0, 7.0]), 2), points(&[2.0, 6.0]));
    }

    #[test]
    fn a_chart_has_its_scale_and_its_columns() {
        let lines = chart(&points(&[0.0, 5.0, 10.0]), 10, 3);
        assert_eq!(lines, ["10 ┤  █", " 5 ┤ ▅█", " 0 ┤▁██"]);
    }

    #[test]
    fn infinities_and_extremes_do_not_panic() {
        let wild = points(&[f64::INFINITY, f64::NAN, f64::MAX, f64::MIN, f64::NEG_INFINITY]);
        assert_eq!(sparkline(&wild, 9).chars().count(), 5);
        assert_eq!(chart(&wild, 9, 4).len(), 4);
    }
}
