//! One session with one node: polls, and deals out what they answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use aspen_core::{
    ClientRequest, ClientResponse, GroupId, ReadError, Revision, WATCH_SESSION_ADDS_MAX,
    WatchError, WatchId, WatchPoll, WatchPollError, WatchReply,
};
use aspen_net::{CallError, PeerAddress};
use futures_util::StreamExt;
use futures_util::stream::FuturesOrdered;

use super::feed::Feed;
use super::hub::News;
use super::pace;
use crate::shared::Shared;

/// How long a poll waits at its node when nothing changes, in milliseconds. Longer costs idle
/// watches less; shorter notices sooner that a node is cut off from its cluster.
const POLL_WAIT_MS: u64 = 10_000;

const _: () = assert!(POLL_WAIT_MS <= aspen_core::WATCH_WAIT_MS_MAX);

/// The same for a session with a watch that wants to be told of progress.
const PROGRESS_WAIT_MS: u64 = 1_000;

/// How often progress is told at most while other things change. Below the wait of a poll, so that
/// every answer of a session where nothing happens tells it.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(PROGRESS_WAIT_MS / 2);

/// How many polls are under way: one waits, and one more brings news that must not wait with it.
const POLLS_MAX: usize = 2;

/// How a session ended.
pub(super) struct Ended {
    /// Whether it answered at all.
    pub(super) served: bool,
    /// An error that no other node would cure.
    pub(super) fatal: Option<WatchError>,
    /// The node has no room; another may.
    pub(super) refused: Option<WatchError>,
}

/// A feed as the session serves it.
struct Served {
    feed: Arc<Feed>,
    /// Whether it has come as far as the others.
    together: bool,
}

/// The client's side of a session.
struct Session<'a> {
    shared: &'a Arc<Shared>,
    group: GroupId,
    peer: &'a Arc<PeerAddress>,
    session: u64,
    sequence: u64,
    /// What the node serves.
    feeds: BTreeMap<WatchId, Served>,
    /// Feeds with a part of a revision.
    unfinished: BTreeSet<WatchId>,
    /// Feeds that tell of progress.
    progress: BTreeSet<WatchId>,
    /// When progress was told last.
    progress_told: Option<Instant>,
    /// How far the others have come.
    front: Revision,
    /// Until when changes are left to gather, so that many readers are woken less often.
    paused_until: Option<Instant>,
    served: bool,
    refused: Option<WatchError>,
}

type PollResult = Result<ClientResponse, CallError>;

/// Serves the feeds through one node until it fails or none is left.
pub(super) async fn run(shared: &Arc<Shared>, group: GroupId, peer: &Arc<PeerAddress>) -> Ended {
    let mut session = Session {
        shared,
        group,
        peer,
        session: runtime::random_u64(),
        sequence: 0,
        feeds: BTreeMap::new(),
        unfinished: BTreeSet::new(),
        progress: BTreeSet::new(),
        progress_told: None,
        front: Revision::ZERO,
        paused_until: None,
        served: false,
        refused: None,
    };
    let fatal = session.serve().await.err();
    for Served { feed, together } in session.feeds.values() {
        let mut log = feed.log.lock();
        log.rewind();
        if *together {
            log.advance(session.front);
        }
    }
    Ended { served: session.served, fatal, refused: session.refused }
}

impl Session<'_> {
    /// Ends with an error only when no other node would do better.
    async fn serve(&mut self) -> Result<(), WatchError> {
        let mut polls = FuturesOrdered::new();
        loop {
            let has_news = (self.served || polls.is_empty()) && self.shared.hub.has_news();
            let pause = self.pause();
            let wants = has_news || (polls.is_empty() && pause.is_none());
            let pause_ends = pause.unwrap_or_else(runtime::now);
            if polls.len() < POLLS_MAX && wants {
                let News { add, remove } = self.shared.hub.take_news(WATCH_SESSION_ADDS_MAX);
                self.take_over(&add, &remove);
                if self.feeds.is_empty() && polls.is_empty() {
                    return Ok(());
                }
                polls.push_back(self.poll(&add, remove));
                continue;
            }
            let more = polls.len() < POLLS_MAX && self.served;
            tokio::select! {
                biased;
                Some(answer) = polls.next() => {
                    if !self.answered(answer)? {
                        return Ok(());
                    }
                }
                () = self.shared.hub.news(), if more => {}
                () = runtime::sleep_until(pause_ends), if polls.is_empty() => {}
            }
            if self.shared.is_closed() {
                return Ok(());
            }
        }
    }

    /// Until when changes are left to gather.
    fn pause(&mut self) -> Option<Instant> {
        self.paused_until = self.paused_until.filter(|until| runtime::now() < *until);
        self.paused_until
    }

    /// Takes feeds in and lets feeds go.
    fn take_over(&mut self, add: &[Arc<Feed>], remove: &[WatchId]) {
        remove.iter().for_each(|id| self.remove(*id));
        for feed in add {
            if feed.tells_progress() {
                self.progress.insert(feed.id);
            }
            self.feeds.insert(feed.id, Served { feed: feed.clone(), together: false });
        }
    }

    fn remove(&mut self, id: WatchId) {
        self.feeds.remove(&id);
        self.progress.remove(&id);
        self.unfinished.remove(&id);
    }

    /// Sends a poll.
    fn poll(
        &mut self,
        add: &[Arc<Feed>],
        remove: Vec<WatchId>,
    ) -> impl Future<Output = PollResult> + use<> {
        let add = add.iter().map(|feed| feed.to_add()).collect();
        let (session, sequence) = (self.session, self.sequence);
        self.sequence += 1;
        let wait_ms = if self.progress.is_empty() { POLL_WAIT_MS } else { PROGRESS_WAIT_MS };
        let poll = WatchPoll { session, sequence, add, remove, wait_ms };
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
                self.shared.routes.call_failed(self.peer.endpoint, &error);
                self.shared.refresh_soon();
                return Ok(false);
            }
        };
        tracing::debug!(%error, "a watch session ended");
        match error {
            WatchPollError::Read(ReadError::Denied(detail)) => Err(WatchError::Denied(detail)),
            WatchPollError::Read(ReadError::NotLeader(hint)) => {
                self.shared.routes.not_leader(self.peer.endpoint, &hint);
                Ok(false)
            }
            WatchPollError::TooMany { name, limit } => {
                self.refused = Some(WatchError::TooMany { name, limit });
                Ok(false)
            }
            WatchPollError::UnknownSession | WatchPollError::Read(_) => Ok(false),
        }
    }

    fn deal(&mut self, reply: WatchReply) {
        let mut touched = std::mem::take(&mut self.unfinished);
        let (changes, mut woken) = (reply.events.len(), 0);
        for told in reply.events {
            let Some(set) = reply.sets.get(told.set as usize) else { continue };
            for Served { feed, .. } in set.0.iter().filter_map(|id| self.feeds.get(id)) {
                feed.log.lock().push(told.event.clone());
                touched.insert(feed.id);
            }
        }
        for (id, error) in reply.ended {
            if let Some(Served { feed, .. }) = self.feeds.get(&id) {
                self.shared.hub.end(feed, error);
            }
            self.remove(id);
        }
        for progress in reply.alone {
            touched.remove(&progress.id);
            if let Some(served) = self.feeds.get_mut(&progress.id) {
                served.together = progress.joins;
                served.feed.log.lock().set_live(progress.joins);
                woken += self.complete(progress.id, progress.position.complete());
            }
        }
        self.front = reply.through.complete();
        self.tell_progress(&mut touched);
        for id in touched {
            if self.feeds.get(&id).is_some_and(|served| served.together) {
                woken += self.complete(id, self.front);
            }
        }
        self.paused_until = pace::pause(woken, changes).map(|pause| runtime::now() + pause);
    }

    /// Adds the feeds that tell of progress, when it is time.
    fn tell_progress(&mut self, touched: &mut BTreeSet<WatchId>) {
        let now = runtime::now();
        let told = self.progress_told;
        if told.is_none_or(|told| now.saturating_duration_since(told) >= PROGRESS_INTERVAL) {
            self.progress_told = Some(now);
            touched.extend(&self.progress);
        }
    }

    /// Everything up to a revision has come for a feed. Answers how many readers have news.
    fn complete(&mut self, id: WatchId, told: Revision) -> usize {
        let Some(Served { feed, .. }) = self.feeds.get(&id) else { return 0 };
        let feed = feed.clone();
        let completed = feed.log.lock().complete(told, feed.tells_progress());
        feed.changed.notify_waiters();
        if completed.is_unfinished {
            self.unfinished.insert(id);
        }
        if completed.is_retired {
            self.remove(id);
            self.shared.hub.retire(&feed);
        }
        completed.woken
    }
}
