//! Cheapest flow: units go from a source to a sink, each edge takes some of them at a price each.
//!
//! Successive shortest paths with potentials (Edmonds and Karp, 1972; Tomizawa, 1971): every round sends one
//! unit along the cheapest way that is left, which keeps the flow cheapest for its size.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A vertex.
pub(crate) type Vertex = usize;
/// An edge, as [`Graph::edge`] numbered it.
pub(crate) type EdgeId = usize;

struct Edge {
    to: Vertex,
    room: u32,
    price: i64,
}

/// A network under construction, then with its flow.
#[derive(Default)]
pub(crate) struct Graph {
    /// Edge `2n` and its way back `2n + 1`.
    edges: Vec<Edge>,
    leaving: Vec<Vec<usize>>,
}

impl Graph {
    pub(crate) fn vertex(&mut self) -> Vertex {
        self.leaving.push(Vec::new());
        self.leaving.len() - 1
    }

    /// An edge that takes `room` units at `price` each, which must not be negative.
    pub(crate) fn edge(&mut self, from: Vertex, to: Vertex, room: u32, price: i64) -> EdgeId {
        debug_assert!(price >= 0);
        self.leaving[from].push(self.edges.len());
        self.edges.push(Edge { to, room, price });
        self.leaving[to].push(self.edges.len());
        self.edges.push(Edge { to: from, room: 0, price: -price });
        self.edges.len() / 2 - 1
    }

    /// Units that the flow sends along an edge.
    pub(crate) fn sent(&self, edge: EdgeId) -> u32 {
        self.edges[edge * 2 + 1].room
    }

    /// Sends as much as fits, and as cheaply.
    pub(crate) fn fill(&mut self, source: Vertex, sink: Vertex) {
        let mut potential = vec![0i64; self.leaving.len()];
        while let Some((distance, came_by)) = self.cheapest_way(source, sink, &potential) {
            for (potential, distance) in potential.iter_mut().zip(&distance) {
                // Vertices out of reach stay out of reach: filled edges only open ways back.
                *potential += distance.unwrap_or(0);
            }
            let mut vertex = sink;
            while vertex != source {
                let edge = came_by[vertex];
                self.edges[edge].room -= 1;
                self.edges[edge ^ 1].room += 1;
                vertex = self.edges[edge ^ 1].to;
            }
        }
    }

    #[allow(clippy::type_complexity)]
    fn cheapest_way(
        &self,
        source: Vertex,
        sink: Vertex,
        potential: &[i64],
    ) -> Option<(Vec<Option<i64>>, Vec<usize>)> {
        let mut distance: Vec<Option<i64>> = vec![None; self.leaving.len()];
        let mut came_by = vec![usize::MAX; self.leaving.len()];
        let mut queue = BinaryHeap::from([Reverse((0i64, source))]);
        distance[source] = Some(0);
        while let Some(Reverse((reached, vertex))) = queue.pop() {
            if distance[vertex].is_some_and(|best| best < reached) {
                continue;
            }
            for &index in &self.leaving[vertex] {
                let edge = &self.edges[index];
                if edge.room == 0 {
                    continue;
                }
                let next = reached + edge.price + potential[vertex] - potential[edge.to];
                if distance[edge.to].is_none_or(|best| next < best) {
                    distance[edge.to] = Some(next);
                    came_by[edge.to] = index;
                    queue.push(Reverse((next, edge.to)));
                }
            }
        }
        distance[sink].is_some().then_some((distance, came_by))
    }
}
