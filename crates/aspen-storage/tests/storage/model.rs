//! What a group should answer: the reference store, and sessions as plainly as they can be written.

use std::collections::BTreeMap;

use aspen_core::{
    ClientId, Command, Compare, CompareTarget, ExpiringLease, Key, KeyValue, KeyValueStore,
    MemoryStore, Proposal, ProposalBatch, ReadConflict, ReadRequest, Rejection, Reply, Revision,
    SESSION_TTL_MS, SESSION_WINDOW_MAX, SessionStamp, Transaction,
};

use crate::plan::{
    Pick, PlannedCommand, PlannedConflict, PlannedExpiry, PlannedProposal, PlannedSequence,
    PlannedStamp, PlannedTarget, PlannedTransaction, key,
};

/// The result of a stamped write, kept for ever, with the revision after it.
#[derive(Clone, Debug)]
struct First {
    reply: Reply,
    revision: Revision,
}

#[derive(Debug, Default)]
struct ModelSession {
    floor: u64,
    used_ms: u64,
    firsts: BTreeMap<u64, First>,
}

/// What a proposal may be answered.
#[derive(Clone, Debug)]
pub(crate) struct Expected {
    reply: Reply,
    /// For a retry: the revision that a group names which kept no more than that it happened.
    dropped: Option<Revision>,
}

impl Expected {
    /// Whether this is an answer to expect. Messages about limits may differ in their words, and a
    /// group may have dropped a large result; nothing else may differ.
    pub(crate) fn allows(&self, actual: &Reply) -> bool {
        match (&self.reply, actual) {
            (Reply::Rejected(Rejection::Invalid(_)), Reply::Rejected(Rejection::Invalid(_))) => {
                true
            }
            (Reply::Transaction(_), Reply::Rejected(Rejection::ResultDropped { revision })) => {
                let large = aspen_core::codec::encode(&self.reply).unwrap().len() > 200;
                large && self.dropped == Some(*revision)
            }
            (expected, actual) => expected == actual,
        }
    }
}

/// A group, as it should be.
#[derive(Debug, Default)]
pub(crate) struct Model {
    pub(crate) store: MemoryStore,
    pub(crate) horizon: Revision,
    clock_ms: u64,
    sessions: BTreeMap<ClientId, ModelSession>,
    next_sequences: BTreeMap<u8, u64>,
}

fn client(number: u8) -> ClientId {
    ClientId::new([number; 16])
}

impl Model {
    /// Turns a plan into commands, as the state now stands.
    pub(crate) async fn resolve(
        &mut self,
        clock_step_ms: i64,
        planned: &[PlannedProposal],
    ) -> ProposalBatch {
        let time_ms = self.clock_ms.saturating_add_signed(clock_step_ms);
        let mut proposals = Vec::new();
        for proposal in planned {
            let session = proposal.stamp.as_ref().map(|stamp| self.stamp(stamp));
            let command = self.command(&proposal.command).await;
            proposals.push(Proposal { session, command });
        }
        ProposalBatch { time_ms, proposals }
    }

    fn stamp(&mut self, planned: &PlannedStamp) -> SessionStamp {
        let next = self.next_sequences.entry(planned.client).or_default();
        let sequence = match planned.sequence {
            PlannedSequence::Next => {
                *next += 1;
                *next - 1
            }
            PlannedSequence::Again(back) => next.saturating_sub(back + 1),
            PlannedSequence::Far => *next + SESSION_WINDOW_MAX,
        };
        let settled_below = next.saturating_sub(planned.unsettled);
        SessionStamp { client: client(planned.client), sequence, settled_below }
    }

    async fn command(&self, planned: &PlannedCommand) -> Command {
        match planned {
            PlannedCommand::Transaction(planned) => {
                Command::Transaction(self.transaction(planned).await)
            }
            PlannedCommand::OpenSession(number) => Command::OpenSession { client: client(*number) },
            PlannedCommand::Compact(pick) => Command::Compact { horizon: self.revision(*pick) },
            PlannedCommand::Grant(lease, ttl_ms) => {
                Command::GrantLease { lease: *lease, ttl_ms: *ttl_ms }
            }
            PlannedCommand::Revoke(lease) => Command::RevokeLease { lease: *lease },
            PlannedCommand::Expire(planned) => {
                let leases = planned.iter().filter_map(|planned| self.expiring(*planned));
                Command::ExpireLeases { leases: leases.collect() }
            }
            PlannedCommand::Pin(lease, pick) => {
                let revision = pick.map(|pick| self.revision(pick));
                Command::PinRevision { lease: *lease, revision }
            }
        }
    }

    fn expiring(&self, planned: PlannedExpiry) -> Option<ExpiringLease> {
        let mut granted = self.store.granted_leases().into_iter().map(|(granted, _)| granted);
        match planned {
            PlannedExpiry::Granted(id) => granted.find(|it| it.lease == id),
            PlannedExpiry::Earlier(id) => {
                let now = granted.find(|it| it.lease == id)?;
                Some(ExpiringLease { grant: now.grant.checked_sub(1)?, ..now })
            }
            PlannedExpiry::Private(number) => {
                granted.filter(|it| it.lease.is_private()).nth(number)
            }
        }
    }

    async fn transaction(&self, planned: &PlannedTransaction) -> Transaction {
        let mut compares = Vec::new();
        for (number, target, operator) in &planned.compares {
            let (key, operator) = (key(*number), *operator);
            let now = self.latest(&key).await;
            let target = match target {
                PlannedTarget::Version(version) => CompareTarget::Version(*version),
                PlannedTarget::CreateRevision(pick) => {
                    let exact = now.map_or(Revision::ZERO, |entry| entry.create_revision);
                    CompareTarget::CreateRevision(self.revision_or(*pick, exact))
                }
                PlannedTarget::ModRevision(pick) => {
                    let exact = now.map_or(Revision::ZERO, |entry| entry.mod_revision);
                    CompareTarget::ModRevision(self.revision_or(*pick, exact))
                }
                PlannedTarget::Value(value) => CompareTarget::Value(value.clone()),
                PlannedTarget::Lease(lease) => CompareTarget::Lease(*lease),
            };
            compares.push(Compare { key, target, operator });
        }
        let mut read_conflicts = Vec::new();
        for conflict in &planned.conflicts {
            read_conflicts.push(self.conflict(conflict).await);
        }
        let (success, failure) = (planned.success.clone(), planned.failure.clone());
        Transaction { compares, read_conflicts, success, failure }
    }

    async fn conflict(&self, planned: &PlannedConflict) -> ReadConflict {
        match planned {
            PlannedConflict::Key(number, pick) => {
                let key = key(*number);
                let now = self.latest(&key).await;
                let exact = now.map_or(Revision::ZERO, |entry| entry.mod_revision);
                ReadConflict::Key { key, expected: self.revision_or(*pick, exact) }
            }
            PlannedConflict::Range(range, pick) => {
                ReadConflict::Range { range: range.clone(), read_revision: self.revision(*pick) }
            }
        }
    }

    async fn latest(&self, key: &Key) -> Option<KeyValue> {
        self.store.read(ReadRequest::one(key.clone())).await.unwrap().values.remove(0)
    }

    /// The revision that a pick means.
    pub(crate) fn revision(&self, pick: Pick) -> Revision {
        self.revision_or(pick, self.store.revision())
    }

    fn revision_or(&self, pick: Pick, exact: Revision) -> Revision {
        let current = self.store.revision().get();
        match pick {
            Pick::Back(by) => Revision::new(current.saturating_sub(by)),
            Pick::Ahead(by) => Revision::new(current + by),
            Pick::Exact => exact,
            Pick::Pinned(number) => {
                let pinned = self.store.pinned_revisions();
                pinned.into_iter().nth(number).unwrap_or(Revision::new(current))
            }
        }
    }

    /// Applies a batch and answers what a group may answer.
    pub(crate) fn apply(&mut self, batch: &ProposalBatch) -> Vec<Expected> {
        let before_ms = self.clock_ms;
        self.clock_ms = before_ms.max(batch.time_ms);
        let now_ms = self.clock_ms;
        // Expired sessions go when the clock enters a new minute.
        if before_ms / 60_000 != now_ms / 60_000 {
            self.sessions.retain(|_, session| session.used_ms + SESSION_TTL_MS > now_ms);
        }
        batch.proposals.iter().map(|proposal| self.propose(proposal)).collect()
    }

    fn propose(&mut self, proposal: &Proposal) -> Expected {
        let Some(stamp) = proposal.session else {
            return Expected { reply: self.run(&proposal.command), dropped: None };
        };
        if let Some(expected) = self.admit(stamp) {
            return expected;
        }
        let reply = self.run(&proposal.command);
        let first = First { reply: reply.clone(), revision: self.store.revision() };
        self.sessions.get_mut(&stamp.client).unwrap().firsts.insert(stamp.sequence, first);
        Expected { reply, dropped: None }
    }

    fn admit(&mut self, stamp: SessionStamp) -> Option<Expected> {
        let rejected =
            |rejection| Some(Expected { reply: Reply::Rejected(rejection), dropped: None });
        let Some(session) = self.sessions.get_mut(&stamp.client) else {
            return rejected(Rejection::SessionExpired);
        };
        session.used_ms = self.clock_ms;
        session.floor = session.floor.max(stamp.settled_below);
        let (sequence, floor) = (stamp.sequence, session.floor);
        let end = floor + SESSION_WINDOW_MAX;
        if sequence < floor || sequence >= end {
            return rejected(Rejection::OutsideWindow { sequence, floor, end });
        }
        let first = session.firsts.get(&sequence)?.clone();
        Some(Expected { reply: first.reply, dropped: Some(first.revision) })
    }

    fn run(&mut self, command: &Command) -> Reply {
        match command {
            Command::Transaction(transaction) => self.store.execute(transaction),
            Command::OpenSession { client } => {
                let session = self.sessions.entry(*client).or_default();
                session.used_ms = self.clock_ms;
                Reply::SessionOpen
            }
            Command::Compact { horizon } => match self.store.compact(*horizon) {
                Ok(horizon) => {
                    self.horizon = horizon;
                    Reply::Compacted { horizon }
                }
                Err(rejection) => Reply::Rejected(rejection),
            },
            Command::GrantLease { lease, ttl_ms } => self.store.grant_lease(*lease, *ttl_ms),
            Command::RevokeLease { lease } => self.store.revoke_lease(*lease),
            Command::ExpireLeases { leases } => self.store.expire_leases(leases),
            Command::PinRevision { lease, revision } => self.store.pin_revision(*lease, *revision),
        }
    }
}
