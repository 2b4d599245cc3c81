//! Sessions: how a retried write is recognised (Raft dissertation, section 6.3).

use serde::{Deserialize, Serialize};

use crate::ClientId;

/// How many unacknowledged results a session keeps. A client keeps fewer writes than this in
/// flight; it bounds what a session can cost every replica.
pub const SESSION_WINDOW_MAX: u64 = 1024;

/// How many sessions a group keeps. Opening one more first drops the expired ones, then ends the
/// one that was idle the longest, if it was for [`SESSION_IDLE_MS_MIN`]; otherwise it fails.
pub const SESSION_COUNT_MAX: usize = 10_000;

/// A session unused for this long, in milliseconds of the group's replicated clock, is dropped.
/// Longer survives longer client outages; shorter frees memory sooner.
pub const SESSION_TTL_MS: u64 = 10 * 60 * 1000;

/// How long a session must have been unused before it may be ended to make room for others, in
/// milliseconds of the group's replicated clock.
///
/// It is above a client's default deadline of 10 s for a request, so that the retries of a write
/// that is still under way find its session. Should one come later all the same (a longer deadline,
/// a clock that jumped at a change of leader), its client is told that the session has expired and
/// reports that the write may have happened; it is never applied twice, since the session's id is
/// never opened again.
///
/// Longer spares slow clients that; shorter serves more short-lived clients, which leave a session
/// behind each.
pub const SESSION_IDLE_MS_MIN: u64 = 15 * 1000;

const _: () = assert!(SESSION_IDLE_MS_MIN < SESSION_TTL_MS);

/// How many results the sessions of a group keep together; every replica holds them in memory. A
/// write above the limit first ends the session that was idle the longest, if it was for
/// [`SESSION_IDLE_MS_MIN`]; otherwise it is refused, unapplied, and may be retried.
pub const SESSION_RESULTS_MAX: usize = 200_000;

const _: () = assert!(SESSION_RESULTS_MAX as u64 > 100 * SESSION_WINDOW_MAX);

/// Marks a write as the `sequence`-th of a client, so that the group applies it once and answers
/// every retry with the first result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionStamp {
    /// Whose write; the session must have been opened.
    pub client: ClientId,
    /// Which write: each new write takes the next number, a retry repeats its own.
    pub sequence: u64,
    /// Every write below this is settled for the client: its stored result may be dropped.
    pub settled_below: u64,
}
