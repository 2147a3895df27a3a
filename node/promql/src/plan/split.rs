//! Cuts a plan: the largest parts that shards can carry out alone become leaves.

use super::locality::Locality;
use super::{Aggregate, Grid, Leaf, Node, Plan, RangeSource, Work};
use crate::ast::AggregateOp;

impl Plan {
    pub(super) fn split(&mut self) {
        let root = std::mem::replace(&mut self.root, Node::Time);
        let grid = self.grid;
        self.root = self.cut(root, grid);
    }

    fn add_leaf(&mut self, grid: Grid, work: Work) -> Node {
        // The same selector twice, as in `a / (a + b)`, is read once.
        if let Some(at) = self.leaves.iter().position(|l| l.grid == grid && l.work == work) {
            self.leaves[at].uses += 1;
            return Node::Leaf(at);
        }
        self.leaves.push(Leaf { grid, work, uses: 1 });
        Node::Leaf(self.leaves.len() - 1)
    }

    fn cut(&mut self, node: Node, grid: Grid) -> Node {
        if matches!(node.locality(), Locality::Placed | Locality::Scattered) {
            return self.add_leaf(grid, Work::Rows(node));
        }
        match node {
            Node::Raw(select, range) => self.add_leaf(grid, Work::Raw(select, range)),
            Node::Aggregate(a) if is_partial(&a) => self.add_leaf(grid, Work::Groups(a)),
            Node::Absent(input, labels)
                if matches!(input.locality(), Locality::Placed | Locality::Scattered) =>
            {
                let presence = self.add_leaf(grid, Work::Presence(*input));
                Node::Absent(Box::new(presence), labels)
            }
            Node::Once(inner) => {
                Node::Once(Box::new(self.cut(*inner, Grid { steps: grid.steps.min(1), ..grid })))
            }
            other => self.cut_children(other, grid),
        }
    }

    fn cut_box(&mut self, mut node: Box<Node>, grid: Grid) -> Box<Node> {
        let inner = std::mem::replace(&mut *node, Node::Time);
        *node = self.cut(inner, grid);
        node
    }

    fn cut_all(&mut self, nodes: Vec<Node>, grid: Grid) -> Vec<Node> {
        nodes.into_iter().map(|n| self.cut(n, grid)).collect()
    }

    fn cut_children(&mut self, node: Node, grid: Grid) -> Node {
        match node {
            Node::Range(mut call) => {
                call.args = self.cut_all(call.args, grid);
                if let RangeSource::Subquery(s) = &mut call.source {
                    let inner = s.grid(grid);
                    let input = std::mem::replace(&mut s.input, Node::Time);
                    s.input = self.cut(input, inner);
                    return Node::Range(call);
                }
                // The arguments need all series: they are evaluated here, and the samples come as they are stored.
                if let RangeSource::Select(select) = &call.source {
                    let select = select.clone();
                    if let Node::Leaf(at) = self.add_leaf(grid, Work::Raw(select.clone(), call.range)) {
                        call.source = RangeSource::Leaf(at, select);
                    }
                }
                Node::Range(call)
            }
            Node::RawSubquery(mut s) => {
                let inner = s.grid(grid);
                s.input = self.cut(s.input, inner);
                Node::RawSubquery(s)
            }
            Node::Negate(n) => Node::Negate(self.cut_box(n, grid)),
            Node::Math(f, n, args) => Node::Math(f, self.cut_box(n, grid), self.cut_all(args, grid)),
            Node::Date(f, Some(n)) => Node::Date(f, Some(self.cut_box(n, grid))),
            Node::EvalTime(n) => Node::EvalTime(self.cut_box(n, grid)),
            Node::Nothing(n) => Node::Nothing(self.cut_box(n, grid)),
            Node::Scalar(n) => Node::Scalar(self.cut_box(n, grid)),
            Node::Vector(n) => Node::Vector(self.cut_box(n, grid)),
            Node::Extreme(f, a, b) => Node::Extreme(f, self.cut_box(a, grid), self.cut_box(b, grid)),
            Node::Sort(n, by, span) => Node::Sort(self.cut_box(n, grid), by, span),
            Node::Absent(n, labels) => Node::Absent(self.cut_box(n, grid), labels),
            Node::HistogramStat(s, n) => Node::HistogramStat(s, self.cut_box(n, grid)),
            Node::Scalars(op, a, b) => Node::Scalars(op, self.cut_box(a, grid), self.cut_box(b, grid)),
            other => self.cut_named(other, grid),
        }
    }

    /// The operators that have a struct of their own.
    fn cut_named(&mut self, node: Node, grid: Grid) -> Node {
        let mut node = node;
        let mut cut = |n: &mut Node| {
            let inner = std::mem::replace(n, Node::Time);
            *n = self.cut(inner, grid);
        };
        match &mut node {
            Node::LabelReplace(r) => cut(&mut r.input),
            Node::LabelJoin(j) => cut(&mut j.input),
            Node::Quantiles(q) => {
                q.quantiles.iter_mut().for_each(|(n, _)| cut(n));
                cut(&mut q.input);
            }
            Node::Fraction(f) => {
                cut(&mut f.lower);
                cut(&mut f.upper);
                cut(&mut f.input);
            }
            Node::Info(i) => {
                cut(&mut i.input);
                cut(&mut i.metrics);
            }
            Node::VectorScalar(v) => {
                cut(&mut v.vector);
                cut(&mut v.scalar);
            }
            Node::Join(j) => {
                cut(&mut j.left);
                cut(&mut j.right);
            }
            Node::Aggregate(a) => {
                cut(&mut a.input);
                if let Some(param) = &mut a.param {
                    cut(param);
                }
            }
            _ => {}
        }
        node
    }
}

/// Whether shards can send states of groups instead of rows. A quantile has no small state.
fn is_partial(a: &Aggregate) -> bool {
    let constant = a.param.as_ref().is_none_or(|p| p.locality() == Locality::Constant);
    let local = matches!(a.input.locality(), Locality::Placed | Locality::Scattered);
    constant && local && a.op != AggregateOp::Quantile
}
