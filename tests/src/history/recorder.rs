//! Writes a history down while clients make it.

use std::sync::Arc;

use parking_lot::Mutex;

use super::timeline::Timeline;
use super::{ClientId, History, OpId, Operation, Outcome, RegisterOp, RegisterResult};

/// Records operations on single keys. Clones share one history.
///
/// Call [`Recorder::invoke`] before the request leaves and [`Recorder::complete`] after its answer
/// has come: an interval that is too long weakens a check, one that is too short invents
/// violations.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Shared>>);

#[derive(Debug)]
struct Shared {
    timeline: Timeline,
    operations: Vec<Operation>,
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// An empty history whose time starts now.
    pub fn new() -> Self {
        let shared = Shared { timeline: Timeline::new(), operations: Vec::new() };
        Self(Arc::new(Mutex::new(shared)))
    }

    /// Notes that a client is about to ask for something.
    pub fn invoke(&self, client: ClientId, key: &str, op: RegisterOp) -> OpId {
        let mut shared = self.0.lock();
        let id = OpId(shared.operations.len() as u64);
        let invoked = shared.timeline.next();
        let (returned, outcome) = (None, Outcome::Unknown);
        let key = key.to_owned();
        shared.operations.push(Operation { id, client, key, op, invoked, returned, outcome });
        id
    }

    /// Notes what the client was told. An operation that is never completed, because its client was
    /// stopped, stays [`Outcome::Unknown`]; a second completion is ignored, and so is one of an id
    /// that another recorder gave.
    pub fn complete(&self, id: OpId, outcome: Outcome<RegisterResult>) {
        let mut shared = self.0.lock();
        let returned = shared.timeline.next();
        let index = usize::try_from(id.0).unwrap_or(usize::MAX);
        let operation = shared.operations.get_mut(index);
        if let Some(operation) = operation.filter(|known| known.returned.is_none()) {
            operation.returned = Some(returned);
            operation.outcome = outcome;
        }
    }

    /// The history so far.
    pub fn history(&self) -> History {
        History { operations: self.0.lock().operations.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_share_a_history_and_order_its_events() {
        let recorder = Recorder::new();
        let first = recorder.invoke(ClientId(1), "a", RegisterOp::Write(7));
        let second = recorder.clone().invoke(ClientId(2), "a", RegisterOp::Read);
        recorder.complete(second, Outcome::Ok(RegisterResult::Value(Some(7))));
        recorder.complete(first, Outcome::Ok(RegisterResult::Done));
        let operations = recorder.history().operations;
        assert_eq!(operations.iter().map(|op| op.invoked.order).collect::<Vec<_>>(), [0, 1]);
        let returned: Vec<_> = operations.iter().map(|op| op.returned.unwrap().order).collect();
        assert_eq!(returned, [3, 2]);
    }

    #[test]
    fn what_never_completes_is_unknown_and_completes_once() {
        let recorder = Recorder::new();
        let id = recorder.invoke(ClientId(1), "a", RegisterOp::Delete);
        assert!(recorder.history().operations[0].outcome.is_unknown());
        recorder.complete(id, Outcome::Failed);
        recorder.complete(id, Outcome::Ok(RegisterResult::Done));
        assert!(recorder.history().operations[0].outcome.is_failed());
        recorder.complete(OpId(9), Outcome::Failed);
    }

    #[test]
    fn a_history_survives_json() {
        let recorder = Recorder::new();
        let cas = RegisterOp::Cas { expected: None, new: 3 };
        let id = recorder.invoke(ClientId(1), "a", cas);
        recorder.complete(id, Outcome::Ok(RegisterResult::Swapped(true)));
        let history = recorder.history();
        let text = serde_json::to_string(&history).unwrap();
        assert_eq!(serde_json::from_str::<History>(&text).unwrap(), history);
    }
}
