//! Cycles, and what they are called.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::graph::{Dependency, Edge, Graph};
use crate::check::Violation;
use crate::history::TransactionHistory;

/// How many starting points are tried for a shortest cycle: the first is already a violation.
const CYCLE_STARTS_MAX: usize = 256;

/// A cycle: each step leaves a node by an edge to the next, the last to the first.
#[derive(Debug)]
pub(super) struct Cycle {
    name: &'static str,
    real_time: bool,
    transactions: usize,
    steps: Vec<(usize, Edge)>,
}

/// The anomalies from the plainest on: the edges that a cycle has at least one of, and the others
/// that it may have.
const ANOMALIES: [(&str, Dependency, &[Dependency]); 4] = [
    ("G0: write cycle", Dependency::WriteWrite, &[Dependency::WriteWrite]),
    (
        "G1c: circular information flow",
        Dependency::WriteRead,
        &[Dependency::WriteWrite, Dependency::WriteRead],
    ),
    (
        "G-single: a read missed a write",
        Dependency::ReadWrite,
        &[Dependency::WriteWrite, Dependency::WriteRead],
    ),
    (
        "G2: reads missed each other's writes",
        Dependency::ReadWrite,
        &[Dependency::WriteWrite, Dependency::WriteRead, Dependency::ReadWrite],
    ),
];

/// A short cycle of the plainest anomaly that the graph has.
pub(super) fn find(graph: &Graph) -> Option<Cycle> {
    let left = cyclic(graph);
    if left.is_empty() {
        return None;
    }
    let kinds = [false, true].into_iter().flat_map(|time| ANOMALIES.map(|kind| (time, kind)));
    kinds.into_iter().find_map(|(real_time, (name, needed, others))| {
        let mut allowed = others.to_vec();
        allowed.extend(real_time.then_some(Dependency::RealTime));
        let steps = shortest(graph, &left, needed, &allowed)?;
        Some(Cycle { name, real_time, transactions: graph.transactions, steps })
    })
}

/// The nodes that are left when those without an edge to them are taken away, again and again
/// (Kahn, 1962): none, when there is no cycle.
fn cyclic(graph: &Graph) -> BTreeSet<usize> {
    let mut incoming = vec![0_usize; graph.edges.len()];
    for edge in graph.edges.iter().flatten() {
        incoming[edge.to] += 1;
    }
    let mut free: Vec<_> = (0..incoming.len()).filter(|node| incoming[*node] == 0).collect();
    let mut left: BTreeSet<_> = (0..incoming.len()).collect();
    while let Some(node) = free.pop() {
        left.remove(&node);
        for edge in &graph.edges[node] {
            incoming[edge.to] -= 1;
            if incoming[edge.to] == 0 {
                free.push(edge.to);
            }
        }
    }
    left
}

/// The shortest cycle, over the starts that are tried, of one `needed` edge and `allowed` ones.
fn shortest(
    graph: &Graph,
    left: &BTreeSet<usize>,
    needed: Dependency,
    allowed: &[Dependency],
) -> Option<Vec<(usize, Edge)>> {
    let edges = left.iter().flat_map(|from| graph.edges[*from].iter().map(|edge| (*from, *edge)));
    let starts = edges.filter(|(_, edge)| edge.why == needed && left.contains(&edge.to));
    let cycles = starts.filter_map(|(from, edge)| {
        let path = path(graph, left, edge.to, from, allowed)?;
        Some(std::iter::once((from, edge)).chain(path).collect::<Vec<_>>())
    });
    cycles.take(CYCLE_STARTS_MAX).min_by_key(Vec::len)
}

/// The shortest way from one node to another, breadth first.
fn path(
    graph: &Graph,
    left: &BTreeSet<usize>,
    from: usize,
    to: usize,
    allowed: &[Dependency],
) -> Option<Vec<(usize, Edge)>> {
    let mut came: BTreeMap<usize, (usize, Edge)> = BTreeMap::new();
    let mut open = VecDeque::from([from]);
    while let Some(node) = open.pop_front() {
        if node == to {
            return Some(way_back(&came, from, to));
        }
        for edge in graph.edges[node].iter().filter(|edge| allowed.contains(&edge.why)) {
            let new = edge.to != from && left.contains(&edge.to) && !came.contains_key(&edge.to);
            if new {
                came.insert(edge.to, (node, *edge));
                open.push_back(edge.to);
            }
        }
    }
    None
}

fn way_back(came: &BTreeMap<usize, (usize, Edge)>, from: usize, to: usize) -> Vec<(usize, Edge)> {
    let mut steps = Vec::new();
    let mut node = to;
    while node != from {
        let step = came[&node];
        steps.push(step);
        node = step.0;
    }
    steps.reverse();
    steps
}

impl Cycle {
    /// Shows the transactions of the cycle and why each comes before the next.
    pub(super) fn violation(&self, history: &TransactionHistory) -> Violation {
        let mut lines =
            vec!["each of these comes before the next, the last before the first:".into()];
        let mut through_time = false;
        for (from, edge) in self.rotated() {
            if from < self.transactions {
                lines.push(format!("  {}", history.transactions[from]));
                through_time = false;
            }
            if !through_time {
                lines.push(format!("    {}", reason(edge.why)));
            }
            through_time = edge.why == Dependency::RealTime;
        }
        let suffix = if self.real_time { ", in real time" } else { "" };
        Violation::new(format!("{}{suffix}", self.name), lines.join("\n"))
    }

    /// From a transaction on: not from the middle of a chain of returns.
    fn rotated(&self) -> impl Iterator<Item = (usize, Edge)> {
        let first = self.steps.iter().position(|(from, _)| *from < self.transactions);
        let (start, end) = self.steps.split_at(first.unwrap_or(0));
        end.iter().chain(start).copied()
    }
}

fn reason(why: Dependency) -> &'static str {
    match why {
        Dependency::WriteWrite => "appended before",
        Dependency::WriteRead => "was seen by",
        Dependency::ReadWrite => "did not see the append of",
        Dependency::RealTime => "returned before the invocation of",
    }
}
