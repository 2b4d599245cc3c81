//! Which transaction must come before which.

use std::collections::BTreeSet;

use super::RealTime;
use super::lists::{List, Lists};
use crate::history::TransactionHistory;

/// Why one comes before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dependency {
    /// Its append lies before the other's.
    WriteWrite,
    /// The other saw its append.
    WriteRead,
    /// It did not see the other's append.
    ReadWrite,
    /// It returned before the other was invoked.
    RealTime,
}

/// An edge to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) to: usize,
    pub(super) why: Dependency,
}

/// The dependencies of a history. Nodes are the transactions by position, and behind them one for
/// each return: those form a chain in the order of time, from which invocations hang. So real time
/// takes as many edges as there are events, instead of one for each pair.
#[derive(Debug)]
pub(super) struct Graph {
    pub(super) transactions: usize,
    pub(super) edges: Vec<BTreeSet<Edge>>,
}

impl Graph {
    pub(super) fn of(history: &TransactionHistory, lists: &Lists, real_time: RealTime) -> Self {
        let transactions = history.transactions.len();
        let mut graph = Self { transactions, edges: vec![BTreeSet::new(); transactions] };
        for list in lists.by_key.values() {
            graph.add_list(list);
        }
        if real_time == RealTime::Counts {
            graph.add_real_time(history, lists);
        }
        graph
    }

    fn add(&mut self, from: usize, to: usize, why: Dependency) {
        if from != to {
            self.edges[from].insert(Edge { to, why });
        }
    }

    fn add_list(&mut self, list: &List) {
        let writer = |element: &u64| list.writers[element];
        let unseen: BTreeSet<_> = list.unseen.iter().map(writer).collect();
        for pair in list.order.windows(2) {
            self.add(writer(&pair[0]), writer(&pair[1]), Dependency::WriteWrite);
        }
        for after in &unseen {
            if let Some(last) = list.order.last() {
                self.add(writer(last), *after, Dependency::WriteWrite);
            }
        }
        for read in &list.reads {
            if let Some(last) = list.order[..read.len].last() {
                self.add(writer(last), read.reader, Dependency::WriteRead);
            }
            match self.first_missed(list, read.reader, read.len) {
                Some(next) => self.add(read.reader, next, Dependency::ReadWrite),
                None => unseen.iter().for_each(|after| {
                    self.add(read.reader, *after, Dependency::ReadWrite);
                }),
            }
        }
    }

    /// The first writer that a read missed, other than the reader: its own appends come last.
    fn first_missed(&self, list: &List, reader: usize, len: usize) -> Option<usize> {
        let missed = list.order[len..].iter().map(|element| list.writers[element]);
        missed.into_iter().find(|writer| *writer != reader)
    }

    fn add_real_time(&mut self, history: &TransactionHistory, lists: &Lists) {
        let mut events = Vec::new();
        for (index, record) in history.transactions.iter().enumerate() {
            events.extend(lists.effective[index].then_some((record.invoked.order, false, index)));
            // What is unknown may take effect after its client gave up.
            let returned = record.returned.filter(|_| record.outcome.ok().is_some());
            events.extend(returned.map(|moment| (moment.order, true, index)));
        }
        events.sort_unstable();
        let mut last_return = None;
        for (_, is_return, index) in events {
            if is_return {
                let node = self.edges.len();
                self.edges.push(BTreeSet::new());
                self.add(index, node, Dependency::RealTime);
                last_return.into_iter().for_each(|last| self.add(last, node, Dependency::RealTime));
                last_return = Some(node);
            } else if let Some(last) = last_return {
                self.add(last, index, Dependency::RealTime);
            }
        }
    }
}
