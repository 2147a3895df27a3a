//! Minima and maxima of sliding windows with a monotonic queue. NaN is the answer only when there is nothing else.

use super::slides;
use crate::exec::frame::Row;

pub(super) fn run(bounds: &[(u32, u32)], values: &[f64], better: impl Fn(f64, f64) -> bool, row: &mut Row) {
    if !slides(bounds) {
        for (step, &(lo, hi)) in bounds.iter().enumerate() {
            if lo < hi {
                let window = &values[lo as usize..hi as usize];
                let pick = |best: f64, v: f64| if better(v, best) || best.is_nan() { v } else { best };
                row.set(step, window.iter().copied().fold(f64::NAN, pick));
            }
        }
        return;
    }
    // Candidates in order of time, each better than all after it; `head` is the best of the window.
    let mut queue: Vec<u32> = Vec::with_capacity(64);
    let mut head = 0usize;
    let mut next = 0u32;
    for (step, &(lo, hi)) in bounds.iter().enumerate() {
        if lo >= hi {
            continue;
        }
        next = next.max(lo);
        while next < hi {
            let v = values[next as usize];
            if !v.is_nan() {
                while queue.len() > head && !better(values[queue[queue.len() - 1] as usize], v) {
                    queue.pop();
                }
                queue.push(next);
            }
            next += 1;
        }
        while head < queue.len() && queue[head] < lo {
            head += 1;
        }
        row.set(step, queue.get(head).map_or(f64::NAN, |at| values[*at as usize]));
        if head == queue.len() {
            queue.clear();
            head = 0;
        }
    }
}
