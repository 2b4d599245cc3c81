//! The stream of appends to one follower: sequential, and silent about commits for a moment.
//!
//! openraft sends a follower every newly committed position at once, in a message of its own when
//! there are no entries to carry it. Under a steady load the next entries come a moment later and
//! carry it for nothing, while the message costs both nodes as much as an append. So a message
//! that only brings a commit is held back for [`COMMIT_NOTICE_DELAY`], and dropped when entries
//! come. Nothing is answered in its place: openraft settles it with the next answer, and an answer
//! made up here would count as a sign of life of the follower, on which leases rest.

use std::time::Duration;

use aspen_core::runtime::{self, Instant};
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};
use openraft::RaftNetworkV2;
use openraft::errors::RPCError;
use openraft::network::RPCOption;
use openraft::raft::StreamAppendResult;

use crate::network::Peer;
use crate::types::{AppendRequest, AppendResponse, LogId, TypeConfig};

/// How long a follower may not hear of a commit. Longer spares more messages; shorter lets reads
/// of a follower's own state see a write sooner after its leader acknowledged it.
const COMMIT_NOTICE_DELAY: Duration = Duration::from_millis(5);

/// What one request in a stream is answered.
pub(crate) type AppendAnswer = Result<StreamAppendResult<TypeConfig>, RPCError<TypeConfig>>;

/// Sends requests one at a time, as openraft's own sequential stream does.
pub(crate) fn stream_append<'s, S>(
    peer: &'s mut Peer,
    input: S,
    option: RPCOption,
) -> BoxFuture<'s, Result<BoxStream<'s, AppendAnswer>, RPCError<TypeConfig>>>
where
    S: Stream<Item = AppendRequest> + Send + Unpin + 'static,
{
    let session = Session { peer, input, option, matched: None, held: None };
    Box::pin(async move {
        let answers = stream::unfold(Some(session), |session| async move {
            let mut session = session?;
            let request = session.next_request().await?;
            let (answer, goes_on) = session.send(request).await;
            Some((answer, goes_on.then_some(session)))
        });
        Ok(answers.boxed())
    })
}

struct Session<'s, S> {
    peer: &'s mut Peer,
    input: S,
    option: RPCOption,
    /// The last entry that the follower confirmed in this session.
    matched: Option<LogId>,
    /// A message that only brings a commit, and until when it may wait.
    held: Option<(AppendRequest, Instant)>,
}

impl<S: Stream<Item = AppendRequest> + Unpin> Session<'_, S> {
    /// The next request worth sending; `None` at the end.
    async fn next_request(&mut self) -> Option<AppendRequest> {
        loop {
            let Some((notice, until)) = self.held.take() else {
                let request = self.input.next().await?;
                if !self.only_brings_commit(&request) {
                    return Some(request);
                }
                self.held = Some((request, runtime::now() + COMMIT_NOTICE_DELAY));
                continue;
            };
            tokio::select! {
                biased;
                next = self.input.next() => match next {
                    Some(newer) if self.only_brings_commit(&newer) => {
                        self.held = Some((newer, until));
                    }
                    Some(request) => return Some(request),
                    None => return Some(notice),
                },
                () = runtime::sleep_until(until) => return Some(notice),
            }
        }
    }

    /// Whether the request tells the follower nothing but a commit: it has no entries, and the
    /// follower has confirmed that it holds the log up to where it points.
    fn only_brings_commit(&self, request: &AppendRequest) -> bool {
        request.entries.is_empty() && self.matched.is_some() && request.prev_log_id == self.matched
    }

    /// Sends a request; answers also whether the stream goes on.
    async fn send(&mut self, request: AppendRequest) -> (AppendAnswer, bool) {
        let prev = request.prev_log_id;
        let last = request.entries.last().map(|entry| entry.log_id).or(prev);
        let response = match self.peer.append_entries(request, self.option.clone()).await {
            Ok(response) => response,
            Err(error) => return (Err(error), false),
        };
        // After a part or a refusal openraft decides anew what to send.
        let whole = match &response {
            AppendResponse::Success => true,
            AppendResponse::PartialSuccess(upto) => *upto == last,
            AppendResponse::Conflict | AppendResponse::HigherVote(_) => false,
        };
        let result = response.into_stream_result(prev, last);
        if whole {
            self.matched = last;
        }
        (Ok(result), whole)
    }
}
