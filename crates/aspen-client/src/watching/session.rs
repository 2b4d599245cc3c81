//! One session with one node: polls, and deals out what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::{
    ClientRequest, ClientResponse, GroupId, ReadError, Revision, WATCH_SESSION_ADDS_MAX, WatchAdd,
    WatchError, WatchId, WatchPoll, WatchPollError, WatchReply, runtime,
};
use aspen_net::{CallError, PeerAddress};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use super::hub::{Entry, News};
use crate::shared::Shared;

/// How long a poll waits at its node when nothing changes, in milliseconds. Longer costs idle
/// watches less; shorter notices sooner that a node is cut off from its cluster.
const POLL_WAIT_MS: u64 = 10_000;

const _: () = assert!(POLL_WAIT_MS <= aspen_core::WATCH_WAIT_MS_MAX);

/// The same for a session with a watch that wants to be told of progress.
const PROGRESS_WAIT_MS: u64 = 1_000;

/// How many polls are under way: one waits, and one more brings news that must not wait with it.
const POLLS_MAX: usize = 2;

/// How a session ended.
pub(super) struct Ended {
    /// Whether it answered at all.
    pub(super) served: bool,
    /// An error that no other node would cure.
    pub(super) fatal: Option<WatchError>,
}

/// The client's side of a session.
struct Session<'a> {
    shared: &'a Arc<Shared>,
    group: GroupId,
    peer: &'a Arc<PeerAddress>,
    session: u64,
    sequence: u64,
    /// What the node serves; whether it has come as far as the others.
    watches: BTreeMap<WatchId, (Arc<Entry>, bool)>,
    /// Watches with a part of a revision.
    unfinished: BTreeSet<WatchId>,
    /// How far the others have come.
    front: Revision,
    served: bool,
}

type PollResult = Result<ClientResponse, CallError>;

/// Serves the watches through one node until it fails or no watch is left.
pub(super) async fn run(shared: &Arc<Shared>, group: GroupId, peer: &Arc<PeerAddress>) -> Ended {
    let mut session = Session {
        shared,
        group,
        peer,
        session: runtime::random_u64(),
        sequence: 0,
        watches: BTreeMap::new(),
        unfinished: BTreeSet::new(),
        front: Revision::ZERO,
        served: false,
    };
    let fatal = session.serve().await.err();
    for (entry, together) in session.watches.values() {
        let mut mailbox = entry.mailbox.lock();
        mailbox.rewind();
        if *together {
            mailbox.advance(session.front);
        }
    }
    Ended { served: session.served, fatal }
}

impl Session<'_> {
    /// Ends with an error only when no other node would do better.
    async fn serve(&mut self) -> Result<(), WatchError> {
        let mut polls = FuturesOrdered::new();
        loop {
            let wants = polls.is_empty() || (self.served && self.shared.hub.has_news());
            if polls.len() < POLLS_MAX && wants {
                let News { add, remove } = self.shared.hub.take_news(WATCH_SESSION_ADDS_MAX);
                if add.is_empty() && self.watches.len() == remove.len() && polls.is_empty() {
                    return Ok(());
                }
                polls.push_back(self.poll(add, remove));
                continue;
            }
            let more = polls.len() < POLLS_MAX && self.served;
            tokio::select! {
                biased;
                answer = polls.next() => {
                    let Some(answer) = answer else { continue };
                    if !self.answered(answer)? {
                        return Ok(());
                    }
                }
                () = self.shared.hub.news(), if more => {}
            }
            if self.shared.is_closed() {
                return Ok(());
            }
        }
    }

    /// Sends a poll.
    fn poll(
        &mut self,
        add: Vec<Arc<Entry>>,
        remove: Vec<WatchId>,
    ) -> impl Future<Output = PollResult> + use<> {
        for id in &remove {
            self.watches.remove(id);
        }
        let adds = add.iter().map(|entry| to_add(entry)).collect();
        self.watches.extend(add.into_iter().map(|entry| (entry.id, (entry, false))));
        let (session, sequence) = (self.session, self.sequence);
        self.sequence += 1;
        let progress = self.watches.values().any(|(entry, _)| entry.request.progress);
        let wait_ms = if progress { PROGRESS_WAIT_MS } else { POLL_WAIT_MS };
        let poll = WatchPoll { session, sequence, add: adds, remove, wait_ms };
        let request = ClientRequest::Watch { group: self.group, poll };
        let timeout = Duration::from_millis(POLL_WAIT_MS) + self.shared.options.attempt_timeout();
        let (channel, peer) = (self.shared.channel.clone(), self.peer.clone());
        async move { channel.call(&peer, request, timeout).await }
    }

    /// Takes an answer; `false` ends the session.
    fn answered(&mut self, answer: PollResult) -> Result<bool, WatchError> {
        let error = match answer {
            Ok(ClientResponse::Watch(Ok(reply))) => {
                self.served = true;
                self.deal(reply);
                return Ok(true);
            }
            Ok(ClientResponse::Watch(Err(error))) => error,
            Ok(_) => return Err(WatchError::Bug("an answer of another kind".to_owned())),
            Err(CallError::Denied(detail)) => return Err(WatchError::Denied(detail)),
            Err(error) => {
                tracing::debug!(%error, "a watch poll got no answer");
                self.shared.routes.suspect(self.peer.endpoint);
                self.shared.refresh_soon();
                return Ok(false);
            }
        };
        match error {
            WatchPollError::Read(ReadError::Denied(detail)) => Err(WatchError::Denied(detail)),
            WatchPollError::Read(ReadError::NotLeader(hint)) => {
                self.shared.routes.not_leader(self.peer.endpoint, &hint);
                Ok(false)
            }
            WatchPollError::TooMany { name, limit } if !self.served => {
                Err(WatchError::TooMany { name, limit })
            }
            error => {
                tracing::debug!(%error, "a watch session ended");
                Ok(false)
            }
        }
    }

    fn deal(&mut self, reply: WatchReply) {
        let mut touched = std::mem::take(&mut self.unfinished);
        for told in reply.events {
            let Some(set) = reply.sets.get(told.set as usize) else { continue };
            for (entry, _) in set.0.iter().filter_map(|id| self.watches.get(id)) {
                entry.mailbox.lock().push(told.event.clone());
                touched.insert(entry.id);
            }
        }
        for (id, error) in reply.ended {
            self.watches.remove(&id);
            self.shared.hub.end(id, error);
        }
        for progress in reply.alone {
            touched.remove(&progress.id);
            if let Some((_, together)) = self.watches.get_mut(&progress.id) {
                *together = progress.joins;
                self.complete(progress.id, progress.position.complete());
            }
        }
        self.front = reply.through.complete();
        touched.extend(self.watches.values().filter(|it| it.0.request.progress).map(|it| it.0.id));
        for id in touched {
            if self.watches.get(&id).is_some_and(|(_, together)| *together) {
                self.complete(id, self.front);
            }
        }
    }

    /// Everything up to a revision has come for a watch.
    fn complete(&mut self, id: WatchId, told: Revision) {
        let Some((entry, _)) = self.watches.get(&id) else { return };
        let (too_slow, unfinished) = {
            let mut mailbox = entry.mailbox.lock();
            (mailbox.complete(told, entry.request.progress), mailbox.is_unfinished())
        };
        entry.changed.notify_waiters();
        if unfinished {
            self.unfinished.insert(id);
        }
        if too_slow {
            self.watches.remove(&id);
            self.shared.hub.pause(id);
        }
    }
}

fn to_add(entry: &Entry) -> WatchAdd {
    let request = &entry.request;
    WatchAdd {
        id: entry.id,
        range: request.range.clone(),
        filter: request.filter,
        previous: request.previous,
        after: entry.mailbox.lock().rewind(),
    }
}
