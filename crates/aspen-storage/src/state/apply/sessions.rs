//! Sessions: a retried write is answered with its first result and has no second effect (Raft
//! dissertation, section 6.3).

use aspen_core::{
    ClientId, Conflict, KeyRange, Rejection, Reply, Revision, SESSION_COUNT_MAX,
    SESSION_RESULTS_MAX, SESSION_TTL_MS, SESSION_WINDOW_MAX, SessionStamp, runtime,
};

use super::results::reply_len_bytes;
use crate::state::GroupState;

/// The largest reply that a session keeps, in bytes: the results of some thousand puts or deletes
/// and of small reads, but no pages. A larger reply is lost to a retry, which then learns only that
/// the write happened.
const KEPT_REPLY_BYTES_MAX: u64 = 64 * 1024;

/// What a session's kept replies may count together, in bytes, before only small ones are kept.
/// Every replica holds this for every session, in memory.
const KEPT_SESSION_BYTES_MAX: u64 = 256 * 1024;

/// A reply this small is kept whatever the session holds already; there are at most
/// [`SESSION_WINDOW_MAX`] of them. A put's reply is well below.
const SMALL_REPLY_BYTES: u64 = 256;

/// What the replies kept by all sessions of a group may count together, in bytes, before only small
/// ones are kept. In memory they take up to five times as much, since a put's result is counted as
/// it is encoded. Small ones are bounded by their number, [`SESSION_RESULTS_MAX`].
const KEPT_GROUP_BYTES_MAX: u64 = 32 * 1024 * 1024;

const _: () = assert!(SMALL_REPLY_BYTES * SESSION_WINDOW_MAX <= KEPT_SESSION_BYTES_MAX);
const _: () = assert!(SMALL_REPLY_BYTES <= KEPT_REPLY_BYTES_MAX);
const _: () = assert!(KEPT_REPLY_BYTES_MAX <= KEPT_SESSION_BYTES_MAX);
const _: () = assert!(KEPT_SESSION_BYTES_MAX <= KEPT_GROUP_BYTES_MAX);

/// How often expired sessions are looked for, in milliseconds of the group's clock. The search
/// visits every session, so it must be rare beside writes.
const SWEEP_PERIOD_MS: u64 = 60 * 1000;

const _: () = assert!(SWEEP_PERIOD_MS < SESSION_TTL_MS);

/// Moves the group's clock forward, never back. When it enters a new sweep period, expired sessions
/// are dropped; that depends on the old and the new time alone, so every replica does it alike.
pub(super) fn advance_clock(group: &mut GroupState, time_ms: u64) {
    if time_ms <= group.clock_ms {
        return;
    }
    let sweep = time_ms / SWEEP_PERIOD_MS != group.clock_ms / SWEEP_PERIOD_MS;
    group.clock_ms = time_ms;
    if sweep {
        group.sessions.drop_expired(time_ms);
    }
}

/// Opens a session, or marks an open one as used. When there are too many, those that have expired
/// end, or else the one that was idle the longest.
pub(super) fn open(group: &mut GroupState, client: ClientId) -> Reply {
    let (sessions, clock_ms) = (&mut group.sessions, group.clock_ms);
    let is_full = |open: usize| open >= SESSION_COUNT_MAX;
    if !sessions.contains_key(&client) && is_full(sessions.len()) {
        sessions.drop_expired(clock_ms);
        if is_full(sessions.len()) && !sessions.evict_idle(clock_ms) {
            let limit = SESSION_COUNT_MAX as u64;
            return Reply::Rejected(Rejection::TooManySessions { limit });
        }
    }
    sessions.open(client, clock_ms);
    Reply::SessionOpen
}

/// Decides whether a stamped command may run. Answers the reply to give instead when not.
pub(super) fn admit(group: &mut GroupState, stamp: SessionStamp) -> Option<Reply> {
    let (sessions, clock_ms) = (&mut group.sessions, group.clock_ms);
    let Some(session) = sessions.renew(stamp.client, clock_ms, stamp.settled_below) else {
        return Some(Reply::Rejected(Rejection::SessionExpired));
    };
    let (sequence, floor) = (stamp.sequence, session.floor);
    let end = floor.saturating_add(SESSION_WINDOW_MAX);
    if !(floor..end).contains(&sequence) {
        return Some(Reply::Rejected(Rejection::OutsideWindow { sequence, floor, end }));
    }
    session.results.get(&sequence).cloned().or_else(|| make_room(group))
}

/// Makes room for one more result, or answers why there is none. A write may not run without: its
/// retry would run it again.
fn make_room(group: &mut GroupState) -> Option<Reply> {
    while group.sessions.results() >= SESSION_RESULTS_MAX {
        if !group.sessions.evict_idle(group.clock_ms) {
            let limit = SESSION_RESULTS_MAX as u64;
            return Some(Reply::Rejected(Rejection::TooManyResults { limit }));
        }
    }
    None
}

/// Stores the reply for retries. The command may have been the one that opened, or dropped, the
/// session itself.
pub(super) fn remember(group: &mut GroupState, stamp: SessionStamp, reply: &Reply) {
    if runtime::planted("lost-session") {
        return;
    }
    let sessions = &mut group.sessions;
    let Some(session) = sessions.get(&stamp.client) else { return };
    let in_session = KEPT_SESSION_BYTES_MAX.saturating_sub(session.results_bytes);
    let len = reply_len_bytes(reply);
    if len > SMALL_REPLY_BYTES && len <= in_session.min(KEPT_REPLY_BYTES_MAX) {
        // This session was just used, so it is never the one to go.
        while sessions.results_bytes() + len > KEPT_GROUP_BYTES_MAX
            && sessions.evict_idle(group.clock_ms)
        {}
    }
    let in_group = KEPT_GROUP_BYTES_MAX.saturating_sub(sessions.results_bytes());
    let kept = kept_form(reply, in_session.min(in_group), group.revision);
    sessions.keep(stamp.client, stamp.sequence, kept);
}

/// The reply as it is kept: whole when it fits, otherwise what a retry must know at least. `room`
/// is what session and group have left for replies that are not small, in bytes.
fn kept_form(reply: &Reply, room: u64, revision: Revision) -> Reply {
    let fits = |reply: &Reply| {
        let len = reply_len_bytes(reply);
        len <= SMALL_REPLY_BYTES || len <= room.min(KEPT_REPLY_BYTES_MAX)
    };
    if fits(reply) {
        return reply.clone();
    }
    let Reply::Rejected(rejection) = reply else {
        return Reply::Rejected(Rejection::ResultDropped { revision });
    };
    let shorter = Reply::Rejected(shorten(rejection));
    match fits(&shorter) {
        true => shorter,
        false => Reply::Rejected(Rejection::Invalid(
            "the write was rejected; why was too large to keep for this retry".to_owned(),
        )),
    }
}

/// A rejection that says less. Unlike a result it must not be replaced by "the write happened": it
/// did not. A falsified range read is one of its changed key as well, which names a shorter range.
fn shorten(rejection: &Rejection) -> Rejection {
    match rejection {
        Rejection::Conflict(conflict) => Rejection::Conflict(Conflict {
            range: conflict.range.as_ref().map(|_| KeyRange::single(&conflict.key)),
            ..conflict.clone()
        }),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests;
