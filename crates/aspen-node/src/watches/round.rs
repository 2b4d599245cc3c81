//! One round of a poll: collects what each watch is to be told next, within an answer's limits.

use aspen_core::{
    Key, KeyRange, Revision, WatchError, WatchEvent, WatchId, WatchPollError, WatchPosition,
    runtime,
};
use aspen_raft::Group;
use aspen_storage::{Change, Changes, ChangesRequest, StateError};

use super::reply::{REPLY_VISITS, ReplyBuilder};
use super::session::State;

/// Moves all watches on and collects their events.
pub(super) async fn run(
    group: &Group,
    state: &mut State,
    reply: &mut ReplyBuilder,
) -> Result<(), WatchPollError> {
    advance_together(group, state, reply).await?;
    let ids: Vec<WatchId> = state.alone.keys().copied().collect();
    for id in ids {
        if reply.room_bytes() == 0 {
            break;
        }
        advance_alone(group, state, id, reply).await?;
    }
    add_previous(group, reply).await
}

/// Moves the watches that have come equally far; one look at the changes serves all of them.
async fn advance_together(
    group: &Group,
    state: &mut State,
    reply: &mut ReplyBuilder,
) -> Result<(), WatchPollError> {
    let newest = group.state().revision();
    if state.together.is_empty() {
        state.front = WatchPosition::through(newest).max(state.front.clone());
        return Ok(());
    }
    let hull = state.together.hull();
    match changes(group, hull, &state.front, newest, reply).await? {
        Ok(changes) => {
            changes.changes.into_iter().for_each(|change| tell_concerned(state, change, reply));
            state.front = changes.through;
        }
        Err(error) => end_together(state, &error, reply),
    }
    Ok(())
}

fn tell_concerned(state: &State, change: Change, reply: &mut ReplyBuilder) {
    // A bug to be found: see the simulator's tests.
    if runtime::planted("watch-skips-revision") && change.revision.get().is_multiple_of(16) {
        return;
    }
    let is_delete = change.live.is_none();
    let (mut plain, mut with_previous) = (Vec::new(), Vec::new());
    for id in state.together.concerned(&change.key) {
        let Some(watcher) = state.watchers.get(&id) else { continue };
        match watcher.filter.admits(is_delete) {
            true if watcher.previous => with_previous.push(id),
            true => plain.push(id),
            false => {}
        }
    }
    let event = WatchEvent::from(change);
    if !with_previous.is_empty() {
        reply.tell(with_previous, event.clone(), true);
    }
    if !plain.is_empty() {
        reply.tell(plain, event, false);
    }
}

fn end_together(state: &mut State, error: &WatchError, reply: &mut ReplyBuilder) {
    let ids: Vec<WatchId> =
        state.watchers.keys().filter(|id| !state.alone.contains_key(*id)).copied().collect();
    for id in ids {
        state.remove(id);
        reply.end(id, error.clone());
    }
}

/// Moves one watch towards the others; there it joins them.
async fn advance_alone(
    group: &Group,
    state: &mut State,
    id: WatchId,
    reply: &mut ReplyBuilder,
) -> Result<(), WatchPollError> {
    let (Some(position), Some(watcher)) = (state.alone.get(&id), state.watchers.get(&id)) else {
        return Ok(());
    };
    let (mut position, watcher) = (position.clone(), watcher.clone());
    let before = position.clone();
    let until = state.front.complete();
    if position < WatchPosition::through(until) {
        match changes(group, watcher.range.clone(), &position, until, reply).await? {
            Ok(changes) => {
                position = changes.through;
                for change in changes.changes {
                    if watcher.filter.admits(change.live.is_none()) {
                        reply.tell(vec![id], change.into(), watcher.previous);
                    }
                }
            }
            Err(error) => {
                state.remove(id);
                reply.end(id, error);
                return Ok(());
            }
        }
    }
    let joins = position == state.front;
    if joins {
        state.alone.remove(&id);
        state.together.insert(id, &watcher.range);
    } else {
        state.alone.insert(id, position.clone());
    }
    if joins || position != before {
        reply.progress(id, position, joins);
    }
    Ok(())
}

/// The next changes of a range; or why a watch there has to end.
async fn changes(
    group: &Group,
    range: KeyRange,
    after: &WatchPosition,
    until: Revision,
    reply: &ReplyBuilder,
) -> Result<Result<Changes, WatchError>, WatchPollError> {
    let request = ChangesRequest {
        range,
        after: after.clone(),
        until,
        visits_max: REPLY_VISITS,
        bytes_max: reply.room_bytes().max(1),
    };
    match group.state().changes(request).await {
        Ok(changes) => Ok(Ok(changes)),
        Err(StateError::Compacted { requested, horizon }) => {
            Ok(Err(WatchError::Compacted { requested: requested.next(), oldest: horizon.next() }))
        }
        Err(error) => Err(WatchPollError::Read(error.into())),
    }
}

/// Looks up the states before the changes for those who want them.
async fn add_previous(group: &Group, reply: &mut ReplyBuilder) -> Result<(), WatchPollError> {
    let places = std::mem::take(&mut reply.wants_previous);
    if places.is_empty() {
        return Ok(());
    }
    let before = |event: &WatchEvent| -> (Vec<Key>, Option<Revision>) {
        let revision = Revision::new(event.revision().get().saturating_sub(1));
        (vec![event.key().clone()], Some(revision))
    };
    let requests = places.iter().map(|place| before(reply.event_mut(*place))).collect();
    let answers = group.state().read(requests).await;
    for (place, answer) in places.into_iter().zip(answers) {
        reply.event_mut(place).previous = match answer {
            Ok(mut found) => found.values.pop().flatten(),
            // Gone since; the event itself is not.
            Err(StateError::Compacted { .. }) => None,
            Err(error) => return Err(WatchPollError::Read(error.into())),
        };
    }
    Ok(())
}
