//! Invariant: transactions are serializable. Keys hold the successor of each node of a ring; a
//! transaction reads three nodes in a row and swaps the second with the third, so that every state
//! is one ring of all nodes. Two that overlap and both commit would break the ring apart. After
//! FoundationDB's `Cycle` workload; the count of the nodes' versions is added to it, which shows
//! lost and repeated commits.

use std::collections::BTreeMap;

use aspen_core::{
    Compare, Consistency, Key, KeyRange, KeyValue, Operation, ReadRequest, Revision, Transaction,
    WriteCommand,
};
use async_trait::async_trait;

use super::guard::Guard;
use super::key_space::{KeySpace, number, text};
use super::snapshot::Snapshot;
use super::tally::Tally;
use super::{Context, Workload};
use crate::check::Violation;

/// How many nodes the ring has: few, so that transactions meet, and more than one of them touches.
const NODES: u64 = 7;

/// The ring and how often it was rewired.
pub(super) struct Ring {
    keys: KeySpace,
    swaps: Tally,
}

/// A node as it was read: its key, what was found, and its successor.
struct Node {
    key: Key,
    entry: KeyValue,
    next: u64,
}

impl Ring {
    pub(super) fn new(before: &str) -> Self {
        Self { keys: KeySpace::new(format!("{before}ring")), swaps: Tally::default() }
    }

    fn key(&self, node: u64) -> Key {
        self.keys.key(format_args!("node/{node}"))
    }

    fn range(&self) -> KeyRange {
        self.keys.range("node/")
    }

    /// Three nodes in a row, read one after the other, each when the one before has named it.
    async fn walk(&self, context: &Context) -> Result<Option<[Node; 3]>, Violation> {
        let Some(first) = self.read(context, context.random.below(NODES)).await? else {
            return Ok(None);
        };
        let Some(second) = self.read(context, first.next).await? else { return Ok(None) };
        let Some(third) = self.read(context, second.next).await? else { return Ok(None) };
        Ok(Some([first, second, third]))
    }

    async fn read(&self, context: &Context, node: u64) -> Result<Option<Node>, Violation> {
        let key = self.key(node);
        let Some(mut reply) = context.read(ReadRequest::one(key.clone())).await? else {
            return Ok(None);
        };
        let Some(entry) = reply.values.pop().flatten() else {
            return Err(broken(format!("node {node} is absent at revision {}", reply.revision)));
        };
        let next = successor(&entry)?;
        Ok(Some(Node { key, entry, next }))
    }

    /// Swaps the second and the third of three nodes that were read one by one.
    async fn swap(&self, context: &Context) -> Result<(), Violation> {
        let Some([first, second, third]) = self.walk(context).await? else { return Ok(()) };
        // They were read at different revisions, so they need not lie in a row any more.
        if first.key == second.key || second.key == third.key || first.key == third.key {
            return Ok(());
        }
        let operations = vec![
            Operation::put(first.key.clone(), text(second.next)),
            Operation::put(second.key.clone(), text(third.next)),
            Operation::put(third.key.clone(), text(first.next)),
        ];
        let reads = [first, second, third].map(|node| (node.key, Some(node.entry)));
        self.commit(context, Guard::pick(&context.random).command(&reads, operations)).await
    }

    /// The same from one scan, guarded by the range that was scanned.
    async fn swap_after_scan(&self, context: &Context) -> Result<(), Violation> {
        let Some(snapshot) = context.observe(&self.range(), Consistency::Linearizable).await?
        else {
            return Ok(());
        };
        let ring = self.ring(&snapshot)?;
        let first = context.random.below(NODES);
        let (second, third) = (ring[&first], ring[&ring[&first]]);
        let operations = vec![
            Operation::put(self.key(first), text(third)),
            Operation::put(self.key(second), text(ring[&third])),
            Operation::put(self.key(third), text(second)),
        ];
        let range_reads = vec![(self.range(), snapshot.revision)];
        let reads = Vec::new();
        self.commit(context, WriteCommand::OptimisticTransaction { reads, range_reads, operations })
            .await
    }

    async fn commit(&self, context: &Context, command: WriteCommand) -> Result<(), Violation> {
        self.swaps.begin();
        self.swaps.settle(context.write(command).await?.fate());
        Ok(())
    }

    /// Reads the whole ring as fresh as may be; answers the revision.
    async fn look(&self, context: &Context, known: Revision) -> Result<Revision, Violation> {
        let consistency = context.any_consistency(known);
        let Some(snapshot) = context.observe(&self.range(), consistency).await? else {
            return Ok(known);
        };
        if snapshot.entries.is_empty() && consistency == Consistency::Stale {
            return Ok(known);
        }
        self.ring(&snapshot)?;
        Ok(snapshot.revision)
    }

    /// The successor of each node, if they form one ring of all nodes.
    fn ring(&self, snapshot: &Snapshot) -> Result<BTreeMap<u64, u64>, Violation> {
        let mut ring = BTreeMap::new();
        for entry in &snapshot.entries {
            let node = self.keys.name(&entry.key).trim_start_matches("node/").parse();
            ring.insert(node.unwrap_or(u64::MAX), successor(entry)?);
        }
        let mut visited = Vec::new();
        let mut node = 0;
        while let Some(next) = ring.get(&node)
            && !visited.contains(&node)
        {
            visited.push(node);
            node = *next;
        }
        match visited.len() as u64 == NODES && ring.len() as u64 == NODES && node == 0 {
            true => Ok(ring),
            false => Err(broken(format!("revision {}: {ring:?}", snapshot.revision))),
        }
    }
}

fn successor(entry: &KeyValue) -> Result<u64, Violation> {
    number(&entry.value).ok_or_else(|| broken(format!("not a node: {entry:?}")))
}

fn broken(detail: String) -> Violation {
    Violation::new("the nodes form one ring", detail)
}

#[async_trait]
impl Workload for Ring {
    fn name(&self) -> &'static str {
        "ring"
    }

    async fn prepare(&self, context: &Context) -> Result<(), Violation> {
        let put = |node| Operation::put(self.key(node), text((node + 1) % NODES));
        let create = Transaction {
            compares: vec![Compare::absent(self.key(0))],
            success: (0..NODES).map(put).collect(),
            ..Transaction::default()
        };
        context.surely_write(WriteCommand::Transaction(create)).await.map(drop)
    }

    async fn run(&self, context: Context) -> Result<(), Violation> {
        let mut known = Revision::ZERO;
        while !context.stop.is_set() {
            context.think().await;
            match context.random.below(4) {
                0 => known = self.look(&context, known).await?,
                1 => self.swap_after_scan(&context).await?,
                _ => self.swap(&context).await?,
            }
        }
        Ok(())
    }

    /// Each node was created once and each swap changed three of them once.
    async fn check(&self, context: &Context) -> Result<(), Violation> {
        let sure = self.swaps.applied();
        let snapshot = context.surely_scan(self.range()).await?;
        self.ring(&snapshot)?;
        let changes = snapshot.entries.iter().map(|entry| entry.version).sum::<u64>() - NODES;
        match changes.is_multiple_of(3) {
            true => self.swaps.check("swaps of the ring", sure, changes / 3),
            false => Err(broken(format!("{changes} changes are no whole number of swaps"))),
        }
    }
}
