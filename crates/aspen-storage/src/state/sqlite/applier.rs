//! Applying committed entries, on a thread of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aspen_core::{
    ClientId, Command, LEASE_KEYS_MAX, LeaseId, ProposalBatch, Reply, codec, runtime,
};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::core::Core;
use super::flusher::FlushJob;
use super::head::{Frozen, Head};
use super::registers::Registers;
use super::tables::HeadTables;
use crate::state::apply::apply_batch;
use crate::state::{
    AppliedState, Entry, EntryPayload, GroupState, LeaseTerms, LeasedKeys, Session, StateError,
    Tables,
};

/// What [`crate::StateMachine::apply`] asks of the apply thread.
pub(super) struct ApplyJob {
    pub(super) entries: Vec<Entry>,
    pub(super) reply: oneshot::Sender<Result<Vec<Vec<Reply>>, StateError>>,
}

/// The state that entries are applied to. The apply thread has it during a call; the flush thread
/// takes it to freeze the head between two calls.
pub(super) struct Applier {
    group: GroupState,
    applied: AppliedState,
    connection: Connection,
    /// Clients whose sessions the body may hold otherwise than `group`.
    touched: BTreeSet<ClientId>,
    /// Clients with a session in the body or in the frozen layer.
    stored: BTreeSet<ClientId>,
    /// Leases that the body may hold otherwise than `group`.
    leases: BTreeMap<LeaseId, Option<LeaseTerms>>,
    /// Why nothing is applied any more. Set while a call runs too: a call that never ended left
    /// changes of half an entry behind, which must not reach the body.
    failed: Option<String>,
}

impl Applier {
    pub(super) fn new(group: GroupState, applied: AppliedState, connection: Connection) -> Self {
        let stored = group.sessions.keys().copied().collect();
        Self {
            group,
            applied,
            connection,
            touched: BTreeSet::new(),
            stored,
            leases: BTreeMap::new(),
            failed: None,
        }
    }

    /// Applies entries; readers see all of them when it returns, and none before.
    fn run(&mut self, core: &Core, entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError> {
        self.check_running()?;
        self.failed = Some("applying an entry failed or never ended".to_owned());
        let result = self.apply(core, entries);
        self.failed = result.as_ref().err().map(ToString::to_string);
        result
    }

    fn apply(&mut self, core: &Core, entries: Vec<Entry>) -> Result<Vec<Vec<Reply>>, StateError> {
        let mut tables = HeadTables::new(&mut self.group, &core.head, &self.connection);
        let mut replies = Vec::with_capacity(entries.len());
        for entry in entries {
            let mut answers = Vec::new();
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Membership(members) => {
                    self.applied.membership = Some((entry.position.clone(), members));
                }
                EntryPayload::Batch(bytes) => {
                    let batch = decode(&bytes)?;
                    touch(&mut self.touched, &batch);
                    answers = apply_batch(&mut tables, batch)?;
                }
            }
            self.applied.position = Some(entry.position);
            replies.push(answers);
        }
        Ok(replies)
    }

    /// Shows readers what was applied, and freezes the head when it is full. Answers whether a
    /// flush has become due.
    fn publish(&mut self, core: &Core) -> bool {
        let leases = self.group.leases.take_changes();
        let mut head = core.head.write();
        head.registers = Registers::new(&self.group, &self.applied);
        core.leases.feed(&leases);
        self.leases.extend(leases);
        let full = head.active.bytes() >= core.options.head_bytes_max;
        (full || runtime::buggify("state-freeze-early")) && self.freeze(&mut head).is_some()
    }

    /// Moves the active layer to the frozen place, if that is free and there is anything to move.
    pub(super) fn freeze(&mut self, head: &mut Head) -> Option<Arc<Frozen>> {
        if head.frozen.is_some() || self.failed.is_some() || head.flushed == self.applied {
            return None;
        }
        let frozen = Arc::new(Frozen {
            layer: std::mem::take(&mut head.active),
            registers: head.registers.clone(),
            sessions: self.changed_sessions(),
            leases: std::mem::take(&mut self.leases),
        });
        head.frozen = Some(frozen.clone());
        Some(frozen)
    }

    /// The sessions to write: those touched since, and those that ended. Sessions expire without
    /// being named, so these are found by comparing.
    fn changed_sessions(&mut self) -> BTreeMap<ClientId, Option<Session>> {
        let sessions = &self.group.sessions;
        let ended = self.stored.iter().filter(|client| !sessions.contains_key(client));
        let mut changed: BTreeMap<_, _> = ended.map(|client| (*client, None)).collect();
        for client in std::mem::take(&mut self.touched) {
            if let Some(session) = sessions.get(&client) {
                changed.insert(client, Some(session.clone()));
            }
        }
        self.stored = sessions.keys().copied().collect();
        changed
    }

    /// Every lease in force, by id.
    pub(super) fn leases(&self) -> Result<Vec<(LeaseId, LeaseTerms)>, StateError> {
        Ok(self.group.leases.iter().map(|(lease, granted)| (*lease, granted.terms)).collect())
    }

    /// The keys of a lease.
    pub(super) fn leased(
        &mut self,
        core: &Core,
        lease: LeaseId,
        keys_max: usize,
    ) -> Result<Option<LeasedKeys>, StateError> {
        let Some(count) = self.group.leases.get(&lease).map(|granted| granted.keys) else {
            return Ok(None);
        };
        let tables = HeadTables::new(&mut self.group, &core.head, &self.connection);
        let keys = if keys_max == 0 { Vec::new() } else { tables.leased(lease, keys_max)? };
        Ok(Some(LeasedKeys { count, keys }))
    }

    /// What is wrong with leases: each has as many keys as are counted.
    pub(super) fn check_leases(&mut self, core: &Core) -> Result<Vec<String>, StateError> {
        let mut faults = Vec::new();
        let counted: Vec<(LeaseId, usize)> =
            self.group.leases.iter().map(|(lease, granted)| (*lease, granted.keys)).collect();
        let tables = HeadTables::new(&mut self.group, &core.head, &self.connection);
        for (lease, keys) in counted {
            let found = tables.leased(lease, LEASE_KEYS_MAX + 1)?.len();
            if found != keys {
                faults.push(format!("lease {lease} has {found} keys, not {keys}"));
            }
        }
        Ok(faults)
    }

    /// Goes on from another state: a snapshot's.
    pub(super) fn replace(&mut self, group: GroupState, applied: AppliedState, body: Connection) {
        *self = Self::new(group, applied, body);
    }

    /// Refuses all further entries.
    pub(super) fn stop(&mut self, why: &str) {
        self.failed.get_or_insert_with(|| why.to_owned());
    }

    /// Whether entries can be applied.
    pub(super) fn check_running(&self) -> Result<(), StateError> {
        match &self.failed {
            Some(why) => Err(StateError::Stopped(why.clone())),
            None => Ok(()),
        }
    }
}

/// One step of the apply thread.
pub(super) fn step(core: &Core, flush: &mpsc::Sender<FlushJob>, jobs: &mut Vec<ApplyJob>) {
    let mut applier = core.applier.lock();
    for job in jobs.drain(..) {
        let result = applier.run(core, job.entries);
        let due = result.is_ok() && applier.publish(core);
        core.announce_revision();
        if due {
            // A full queue holds a request that will find the frozen layer too.
            let _ = flush.try_send(FlushJob::Frozen);
        }
        // Whoever asked may have gone.
        let _ = job.reply.send(result);
    }
    core.progress.send_if_modified(|progress| !std::mem::replace(&mut progress.dirty, true));
}

fn decode(bytes: &[u8]) -> Result<ProposalBatch, StateError> {
    codec::decode(bytes).map_err(|error| StateError::Corrupt(format!("log entry: {error}")))
}

/// Notes whose sessions a batch may change.
fn touch(touched: &mut BTreeSet<ClientId>, batch: &ProposalBatch) {
    for proposal in &batch.proposals {
        touched.extend(proposal.session.map(|stamp| stamp.client));
        if let Command::OpenSession { client } = &proposal.command {
            touched.insert(*client);
        }
    }
}
