//! The open sessions of a group, with the totals that bound them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;

use aspen_core::{ClientId, Reply, SESSION_IDLE_MS_MIN, SESSION_TTL_MS};
use serde::{Deserialize, Serialize};

use super::apply::reply_len_bytes;

/// One client's session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Writes below this are settled; their results are gone.
    pub floor: u64,
    /// When it was last used, in the group's clock.
    pub used_ms: u64,
    /// Results of writes that the client may still retry.
    pub results: BTreeMap<u64, Reply>,
    /// What `results` count against the session's limit, in bytes.
    pub results_bytes: u64,
}

/// The open sessions by client, which it reads as. What follows from them (the order of last use,
/// the totals) is kept up to date with every change and worked out anew when they are loaded: it
/// decides what replicas answer, so none may trust what its own disk says of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sessions {
    open: BTreeMap<ClientId, Session>,
    /// Last use and client of every open session: the first was idle the longest.
    by_use: BTreeSet<(u64, ClientId)>,
    results: usize,
    results_bytes: u64,
}

impl Deref for Sessions {
    type Target = BTreeMap<ClientId, Session>;

    fn deref(&self) -> &Self::Target {
        &self.open
    }
}

impl From<BTreeMap<ClientId, Session>> for Sessions {
    fn from(mut open: BTreeMap<ClientId, Session>) -> Self {
        for session in open.values_mut() {
            session.results_bytes = session.results.values().map(reply_len_bytes).sum();
        }
        Self {
            by_use: open.iter().map(|(client, session)| (session.used_ms, *client)).collect(),
            results: open.values().map(|session| session.results.len()).sum(),
            results_bytes: open.values().map(|session| session.results_bytes).sum(),
            open,
        }
    }
}

impl Sessions {
    /// How many results all sessions keep.
    pub fn results(&self) -> usize {
        self.results
    }

    /// What the results of all sessions count, in bytes.
    pub fn results_bytes(&self) -> u64 {
        self.results_bytes
    }

    /// Opens a session, or marks an open one as used.
    pub(super) fn open(&mut self, client: ClientId, used_ms: u64) {
        let session = self.open.entry(client).or_default();
        self.by_use.remove(&(session.used_ms, client));
        session.used_ms = used_ms;
        self.by_use.insert((used_ms, client));
    }

    /// Marks an open session as used and forgets the results below `settled_below`.
    pub(super) fn renew(
        &mut self,
        client: ClientId,
        used_ms: u64,
        settled_below: u64,
    ) -> Option<&Session> {
        let session = self.open.get_mut(&client)?;
        if session.used_ms != used_ms {
            self.by_use.remove(&(session.used_ms, client));
            session.used_ms = used_ms;
            self.by_use.insert((used_ms, client));
        }
        let (results, bytes) = session.settle(settled_below);
        self.results -= results;
        self.results_bytes -= bytes;
        Some(session)
    }

    /// Keeps the reply to a write for its retries; nothing when the session is not open.
    pub(super) fn keep(&mut self, client: ClientId, sequence: u64, reply: Reply) {
        let Some(session) = self.open.get_mut(&client) else { return };
        let bytes = reply_len_bytes(&reply);
        session.results_bytes += bytes;
        session.results.insert(sequence, reply);
        self.results += 1;
        self.results_bytes += bytes;
    }

    /// Ends every session that was unused for [`SESSION_TTL_MS`].
    pub(super) fn drop_expired(&mut self, clock_ms: u64) {
        while self.end_first_unused_for(SESSION_TTL_MS, clock_ms) {}
    }

    /// Ends the session that was idle the longest, of equal ones the one with the lowest client id,
    /// if that was for [`SESSION_IDLE_MS_MIN`]. Answers whether it did.
    pub(super) fn evict_idle(&mut self, clock_ms: u64) -> bool {
        self.end_first_unused_for(SESSION_IDLE_MS_MIN, clock_ms)
    }

    fn end_first_unused_for(&mut self, idle_ms: u64, clock_ms: u64) -> bool {
        let unused = |(used_ms, _): &&(u64, ClientId)| used_ms.saturating_add(idle_ms) <= clock_ms;
        let Some((used_ms, client)) = self.by_use.first().filter(unused).copied() else {
            return false;
        };
        self.by_use.remove(&(used_ms, client));
        if let Some(ended) = self.open.remove(&client) {
            self.results -= ended.results.len();
            self.results_bytes -= ended.results_bytes;
        }
        true
    }
}

impl Session {
    /// Raises the floor and forgets what lies below it; answers how many results and bytes went.
    fn settle(&mut self, settled_below: u64) -> (usize, u64) {
        self.floor = self.floor.max(settled_below);
        let (mut results, mut bytes) = (0, 0);
        while let Some(first) = self.results.first_entry().filter(|it| *it.key() < self.floor) {
            bytes += reply_len_bytes(&first.remove());
            results += 1;
        }
        self.results_bytes -= bytes;
        (results, bytes)
    }
}
