//! Binary operators between two vectors.

use super::Context;
use super::bits::Bits;
use super::frame::{Frame, Row, without_metadata};
use super::join_plan::JoinPlan;
use super::math::{Combined, Item, arithmetic, combine};
use crate::ast::{BinaryOp, Cardinality};
use crate::error::Error;
use crate::notes::Notes;
use crate::plan::{Grid, Join};
use plimsoll_model::Labels;
use std::collections::HashMap;

impl Context<'_> {
    pub(super) fn join(&self, j: &Join, left: Frame, right: Frame, grid: Grid) -> Result<Frame, Error> {
        let plan = JoinPlan::new(&j.matching, &left.rows, &right.rows);
        let mut out = if j.op.is_set() {
            set(j.op, &plan, left, right)
        } else {
            let mut notes = Notes::default();
            let joined = self.arithmetic(j, &plan, &left, &right, grid, &mut notes);
            self.note(notes);
            joined?
        };
        out.rows.retain(|r| !r.is_empty());
        // Samples of different rows may have been given the same labels: at different steps they are one series.
        out.unite_equal_rows()?;
        out.held.push(self.budget.hold(out.rows.len() * grid.steps, 9)?);
        Ok(out)
    }

    fn arithmetic(
        &self,
        j: &Join,
        plan: &JoinPlan,
        left: &Frame,
        right: &Frame,
        grid: Grid,
        notes: &mut Notes,
    ) -> Result<Frame, Error> {
        let swapped = j.matching.card == Cardinality::OneToMany;
        // "Many" is the side that may have several rows in a match group, "one" the side that may not.
        let (many, one) = if swapped { (right, left) } else { (left, right) };
        let (many_groups, one_groups) =
            if swapped { (&plan.right, &plan.left) } else { (&plan.left, &plan.right) };
        // As in Prometheus, with `group_right` too `fill_right` stands for what the one side lacks.
        let (fill_many, fill_one) = (j.matching.fill_left, j.matching.fill_right);
        let (many_of, one_of) = (plan.members(many_groups), plan.members(one_groups));
        let many_bits: Vec<Bits> = many.rows.iter().map(Row::presence).collect();
        let one_bits: Vec<Bits> = one.rows.iter().map(Row::presence).collect();
        let mut joiner =
            Joiner { context: self, j, swapped, grid, labels: HashMap::new(), out: Frame::new(grid.steps) };
        joiner.check_one_side(plan, many, one, &one_of, fill_many.is_some() || fill_one.is_some())?;
        for (group, key) in plan.keys.iter().enumerate() {
            self.budget.stop.check()?;
            let (many_rows, one_rows) = (&many_of[group], &one_of[group]);
            let mut matched = Bits::none(grid.steps);
            let first_out = joiner.out.rows.len();
            for &m in many_rows {
                for &o in one_rows.iter().filter(|o| many_bits[m].intersects(&one_bits[**o])) {
                    joiner.pair(&many.rows[m], &one.rows[o], &mut matched, notes)?;
                }
                if let Some(fill) = fill_one {
                    let absent = absence(one, one_rows, grid.steps);
                    joiner.filled(&many.rows[m], key, fill, false, &absent, &mut matched, notes)?;
                }
            }
            if let Some(fill) = fill_many {
                let absent = absence(many, many_rows, grid.steps);
                for &o in one_rows {
                    joiner.filled(&one.rows[o], key, fill, true, &absent, &mut matched, notes)?;
                }
            }
            joiner.check_unique(first_out)?;
        }
        Ok(joiner.out)
    }
}

/// Where none of the rows has a sample.
fn absence(frame: &Frame, rows: &[usize], steps: usize) -> Bits {
    let mut absent = Bits::all(steps);
    for row in rows {
        frame.rows[*row].presence().ones().for_each(|step| absent.clear(step));
    }
    absent
}

struct Joiner<'a> {
    context: &'a Context<'a>,
    j: &'a Join,
    swapped: bool,
    grid: Grid,
    labels: HashMap<(Labels, Labels), Labels>,
    out: Frame,
}

impl Joiner<'_> {
    /// Two samples of the "one" side in a match group at the same step are an error, unless the other side is
    /// empty at that step and nothing is filled in.
    fn check_one_side(
        &self,
        plan: &JoinPlan,
        many: &Frame,
        one: &Frame,
        one_of: &[Vec<usize>],
        filled: bool,
    ) -> Result<(), Error> {
        let all_many: Vec<usize> = (0..many.rows.len()).collect();
        let mut active: Option<Bits> = None;
        for (group, rows) in one_of.iter().enumerate().filter(|(_, rows)| rows.len() > 1) {
            for (n, a) in rows.iter().enumerate() {
                let a_bits = one.rows[*a].presence();
                for b in &rows[n + 1..] {
                    let b_bits = one.rows[*b].presence();
                    if !a_bits.intersects(&b_bits) {
                        continue;
                    }
                    let absent = active.get_or_insert_with(|| absence(many, &all_many, self.grid.steps));
                    if filled || a_bits.ones().any(|s| b_bits.get(s) && !absent.get(s)) {
                        return Err(self.duplicate(&plan.keys[group], &one.rows[*a], &one.rows[*b]));
                    }
                }
            }
        }
        Ok(())
    }

    fn duplicate(&self, key: &Labels, a: &Row, b: &Row) -> Error {
        let side = if self.swapped { "left" } else { "right" };
        let (mut first, mut second) = (a.labels.to_string(), b.labels.to_string());
        if first > second {
            std::mem::swap(&mut first, &mut second);
        }
        Error::Evaluation(format!(
            "found duplicate series for the match group {key} on the {side} hand-side of the operation: \
             [{first}, {second}];many-to-many matching not allowed: matching labels must be unique on one side"
        ))
    }

    fn pair(&mut self, many: &Row, one: &Row, matched: &mut Bits, notes: &mut Notes) -> Result<(), Error> {
        let mut row = self.result_row(&many.labels, &one.labels);
        if many.histograms.is_none() && one.histograms.is_none() && self.j.op.changes_schema() {
            row.present = many.present.clone();
            row.present.intersect(&one.present);
            if self.j.matching.card == Cardinality::OneToOne {
                if matched.intersects(&row.present) {
                    return Err(many_to_one());
                }
                matched.union(&row.present);
            }
            let (left, right) = if self.swapped { (one, many) } else { (many, one) };
            let pairs = left.values.iter().zip(&right.values);
            for (out, (l, r)) in row.values.iter_mut().zip(pairs) {
                *out = arithmetic(self.j.op, *l, *r);
            }
            self.out.rows.push(row);
            return Ok(());
        }
        for step in 0..self.grid.steps {
            let (Some(m), Some(o)) = (Item::of(many, step), Item::of(one, step)) else { continue };
            self.step(&mut row, step, m, o, matched, notes)?;
        }
        self.out.rows.push(row);
        Ok(())
    }

    /// A row against the value that stands for what the other side lacks.
    #[allow(clippy::too_many_arguments)]
    fn filled(
        &mut self,
        present: &Row,
        key: &Labels,
        fill: f64,
        many_is_missing: bool,
        absent: &Bits,
        matched: &mut Bits,
        notes: &mut Notes,
    ) -> Result<(), Error> {
        let mut row = if many_is_missing {
            let mut row = self.result_row(key, &present.labels);
            row.drop_name = self.j.return_bool;
            row
        } else {
            self.result_row(&present.labels, key)
        };
        for step in absent.ones() {
            let Some(item) = Item::of(present, step) else { continue };
            let filling = Item::Float(fill);
            let (m, o) = if many_is_missing { (filling, item) } else { (item, filling) };
            self.step(&mut row, step, m, o, matched, notes)?;
        }
        self.out.rows.push(row);
        Ok(())
    }

    fn step(
        &self,
        row: &mut Row,
        step: usize,
        many: Item<'_>,
        one: Item<'_>,
        matched: &mut Bits,
        notes: &mut Notes,
    ) -> Result<(), Error> {
        let (l, r) = if self.swapped { (one, many) } else { (many, one) };
        let Some((value, keep)) = combine(self.j.op, l, r, self.j.span, notes) else { return Ok(()) };
        if self.j.matching.card == Cardinality::OneToOne {
            if matched.get(step) {
                return Err(many_to_one());
            }
            matched.set(step);
        }
        if self.j.return_bool {
            row.set(step, f64::from(u8::from(keep)));
        } else if keep {
            match value {
                Combined::Float(v) => row.set(step, v),
                Combined::Histogram(h) => row.set_histogram(step, h),
            }
        }
        Ok(())
    }

    /// An empty row with the labels of the result.
    fn result_row(&mut self, many: &Labels, one: &Labels) -> Row {
        let key = (many.clone(), one.clone());
        let labels = match self.labels.get(&key) {
            Some(labels) => labels.clone(),
            None => {
                let labels = self.result_labels(many, one);
                self.labels.insert(key, labels.clone());
                labels
            }
        };
        let mut row = Row::empty(labels, self.grid.steps);
        row.drop_name = self.j.return_bool;
        row
    }

    fn result_labels(&self, many: &Labels, one: &Labels) -> Labels {
        let m = &self.j.matching;
        let drop_name = self.j.op.changes_schema() || self.j.return_bool && !self.context.delayed();
        let mut labels = if drop_name { without_metadata(many) } else { many.clone() };
        if m.card == Cardinality::OneToOne {
            labels = labels.filter(|n| m.labels.iter().any(|l| l == n) == m.on);
        }
        for name in &m.include {
            labels = labels.with(name, one.get(name).unwrap_or(""));
        }
        labels
    }

    /// In many-to-one matching, rows of a match group must differ in their labels.
    fn check_unique(&self, from: usize) -> Result<(), Error> {
        if self.j.matching.card == Cardinality::OneToOne {
            return Ok(());
        }
        let mut seen: HashMap<&Labels, Bits> = HashMap::new();
        for row in &self.out.rows[from..] {
            let bits = row.presence();
            match seen.get_mut(&row.labels) {
                Some(before) if before.intersects(&bits) => {
                    let text = "multiple matches for labels: grouping labels must ensure unique matches";
                    return Err(Error::Evaluation(text.into()));
                }
                Some(before) => before.union(&bits),
                None => {
                    seen.insert(&row.labels, bits);
                }
            }
        }
        Ok(())
    }
}

fn many_to_one() -> Error {
    let text = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
    Error::Evaluation(text.into())
}

/// `and`, `or`, `unless`.
fn set(op: BinaryOp, plan: &JoinPlan, mut left: Frame, mut right: Frame) -> Frame {
    let steps = left.steps;
    let groups = plan.keys.len();
    let presence = |frame: &Frame, of_row: &[usize]| {
        let mut bits = vec![Bits::none(steps); groups];
        for (row, group) in frame.rows.iter().zip(of_row) {
            bits[*group].union(&row.presence());
        }
        bits
    };
    let mask = |row: &mut Row, keep: &dyn Fn(usize) -> bool| {
        for step in 0..steps {
            if !keep(step) {
                row.present.clear(step);
                if let Some(h) = &mut row.histograms {
                    h[step] = None;
                }
            }
        }
    };
    match op {
        BinaryOp::Or => {
            let taken = presence(&left, &plan.left);
            for (row, group) in right.rows.iter_mut().zip(&plan.right) {
                mask(row, &|step| !taken[*group].get(step));
            }
            left.rows.append(&mut right.rows);
            left.held.append(&mut right.held);
        }
        _ => {
            let other = presence(&right, &plan.right);
            let wanted = op == BinaryOp::And;
            for (row, group) in left.rows.iter_mut().zip(&plan.left) {
                mask(row, &|step| other[*group].get(step) == wanted);
            }
        }
    }
    left
}
