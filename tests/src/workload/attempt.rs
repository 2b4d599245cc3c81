//! One attempt at the store: what came of it, and a pause when the store could not serve.

use std::time::Duration;

use aspen_core::{
    Consistency, KeyValue, ReadError, ReadReply, ReadRequest, Revision, ScanPage, ScanRequest,
    WriteCommand, runtime,
};

use super::Context;
use super::fate::Written;
use crate::check::Violation;

/// How long a client waits for an answer. Far above every client's own deadline: it ends only
/// calls that would hang for ever.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Once in so many writes a client gives up early, as a caller does that drops its request.
const IMPATIENT_ONE_IN: u64 = 60;

/// The longest wait of an impatient client, in milliseconds.
const IMPATIENCE_MS: u64 = 100;

/// The longest pause after a failure, in milliseconds; short beside an outage, so that clients are
/// there when the store comes back.
const RECOVERY_MS: u64 = 100;

/// The longest pause between two steps of a client, in milliseconds.
const THINK_MS: u64 = 20;

impl Context {
    /// Lets others go on; sometimes waits for a while.
    pub(super) async fn think(&self) {
        match self.random.below(2) {
            0 => tokio::task::yield_now().await,
            _ => self.sleep_up_to(THINK_MS).await,
        }
    }

    async fn sleep_up_to(&self, max_ms: u64) {
        runtime::sleep(Duration::from_millis(1 + self.random.below(max_ms))).await;
    }

    /// Sends one write, once.
    pub(super) async fn write(&self, command: WriteCommand) -> Result<Written, Violation> {
        let patience = match self.random.one_in(IMPATIENT_ONE_IN) {
            true => Duration::from_millis(1 + self.random.below(IMPATIENCE_MS)),
            false => ANSWER_PATIENCE,
        };
        let written = match runtime::timeout(patience, self.store.write(command)).await {
            Ok(Ok(outcome)) => Written::Done(outcome),
            Ok(Err(error)) => Written::from_error(error)?,
            Err(_) => Written::Unknown,
        };
        if matches!(written, Written::Failed | Written::Unknown) {
            self.sleep_up_to(RECOVERY_MS).await;
        }
        Ok(written)
    }

    /// Reads once; `None` when the store could not serve.
    pub(super) async fn read(&self, request: ReadRequest) -> Result<Option<ReadReply>, Violation> {
        let answer = runtime::timeout(ANSWER_PATIENCE, self.store.read(request.clone())).await;
        let reply = self.served(answer).await?;
        reply.as_ref().map_or(Ok(()), |reply| check_reply(&request, reply))?;
        Ok(reply)
    }

    /// Reads one page once; `None` when the store could not serve.
    pub(super) async fn page(&self, request: ScanRequest) -> Result<Option<ScanPage>, Violation> {
        let answer = runtime::timeout(ANSWER_PATIENCE, self.store.scan(request)).await;
        self.served(answer).await
    }

    /// Waits for an answer; `None` when it does not come.
    pub(super) async fn patiently<T>(&self, answer: impl Future<Output = T>) -> Option<T> {
        runtime::timeout(ANSWER_PATIENCE, answer).await.ok()
    }

    /// What a read's answer is worth. An error that a well-formed read never meets is a violation;
    /// after any other the client pauses, unless it only came too late to see the past.
    pub(super) async fn served<T>(
        &self,
        answer: Result<Result<T, ReadError>, runtime::Elapsed>,
    ) -> Result<Option<T>, Violation> {
        match answer {
            Ok(Ok(found)) => return Ok(Some(found)),
            Ok(Err(error @ (ReadError::Invalid(_) | ReadError::Bug(_)))) => {
                let detail = error.to_string();
                return Err(Violation::new("well-formed reads are served", detail));
            }
            Ok(Err(ReadError::Compacted { .. })) => tokio::task::yield_now().await,
            Ok(Err(_)) | Err(_) => self.sleep_up_to(RECOVERY_MS).await,
        }
        Ok(None)
    }

    /// A freshness to read with: mostly linearizable, else an old state, by name or by chance.
    pub(super) fn any_consistency(&self, known: Revision) -> Consistency {
        match self.random.below(4) {
            0 => Consistency::Stale,
            1 if known > Revision::ZERO => Consistency::AtRevision(known),
            _ => Consistency::Linearizable,
        }
    }
}

/// What holds for the answer to any batch read.
fn check_reply(request: &ReadRequest, reply: &ReadReply) -> Result<(), Violation> {
    let broken = |detail: String| Err(Violation::new("a read answers what was asked", detail));
    if reply.values.len() != request.keys.len() {
        return broken(format!("{} of {} keys", reply.values.len(), request.keys.len()));
    }
    if let Consistency::AtRevision(revision) = request.consistency
        && reply.revision != revision
    {
        return broken(format!("asked for revision {revision}, answered at {}", reply.revision));
    }
    for (key, found) in request.keys.iter().zip(&reply.values) {
        if let Some(entry) = found {
            if entry.key != *key {
                return broken(format!("asked for {key}, answered {}", entry.key));
            }
            check_entry(entry, reply.revision)?;
        }
    }
    Ok(())
}

/// What holds for any entry that was read at a revision.
pub(super) fn check_entry(entry: &KeyValue, read_at: Revision) -> Result<(), Violation> {
    let ordered = Revision::ZERO < entry.create_revision
        && entry.create_revision <= entry.mod_revision
        && entry.mod_revision <= read_at
        && (entry.version == 1) == (entry.create_revision == entry.mod_revision);
    match ordered && entry.version > 0 {
        true => Ok(()),
        false => {
            let detail = format!("at revision {read_at}: {entry:?}");
            Err(Violation::new("an entry's counters agree with each other", detail))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspen_core::{Key, Value};

    fn entry(version: u64, created: u64, changed: u64) -> KeyValue {
        KeyValue {
            key: Key::try_from("k").unwrap(),
            value: Value::default(),
            version,
            create_revision: Revision::new(created),
            mod_revision: Revision::new(changed),
            lease: None,
        }
    }

    #[test]
    fn counters_that_contradict_each_other_are_found() {
        let judged = |entry: KeyValue| check_entry(&entry, Revision::new(9)).is_ok();
        assert!(judged(entry(1, 4, 4)) && judged(entry(3, 4, 9)));
        assert!(!judged(entry(2, 4, 10)), "changed after it was read");
        assert!(!judged(entry(2, 5, 4)), "changed before it was created");
        assert!(!judged(entry(1, 4, 5)), "changed once, at another revision than its creation");
        assert!(!judged(entry(2, 4, 4)), "changed twice at one revision");
        assert!(!judged(entry(0, 4, 4)) && !judged(entry(1, 0, 0)));
    }

    #[test]
    fn a_reply_must_answer_each_key_at_the_revision_asked_for() {
        let consistency = Consistency::AtRevision(Revision::new(9));
        let request = ReadRequest { consistency, ..ReadRequest::one(entry(1, 4, 4).key) };
        let judged = |revision, values: Vec<Option<KeyValue>>| {
            let reply = ReadReply { revision: Revision::new(revision), values };
            check_reply(&request, &reply).is_ok()
        };
        assert!(judged(9, vec![Some(entry(1, 4, 4))]) && judged(9, vec![None]));
        assert!(!judged(8, vec![None]) && !judged(9, vec![]));
        let other = KeyValue { key: Key::try_from("other").unwrap(), ..entry(1, 4, 4) };
        assert!(!judged(9, vec![Some(other)]));
    }
}
