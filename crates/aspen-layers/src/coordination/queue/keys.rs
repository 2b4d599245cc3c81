//! The keys of a queue.
//!
//! A message is where the keys of its id say, id being the revision that enqueued it:
//!
//! ```text
//! body                        its bytes, until it is acknowledged or discarded
//! ready                       it waits
//! in flight (attempts)        it was delivered so often
//! in flight + claim (receipt) … and is invisible to others; the claim has a TTL
//! dead (attempts)             it is a dead letter
//! ```

use aspen_core::{InvalidRequest, Key, KeyRange, Value, Versionstamp};

use super::MessageId;
use crate::coordination::space::Space;

/// The first byte of a key's suffix; the message's stamp follows. Never change one: they are on
/// disks. In flight and claim are next to each other since they are read together, claim and ready
/// since they are watched together.
pub(super) const IN_FLIGHT: u8 = 1;
pub(super) const CLAIM: u8 = 2;
pub(super) const READY: u8 = 3;
pub(super) const BODY: u8 = 4;
pub(super) const DEAD: u8 = 5;

impl Space {
    /// The key of a message.
    pub(super) fn message_key(&self, kind: u8, id: MessageId) -> Key {
        self.key(&[&[kind], Versionstamp::of(id.revision()).as_bytes()])
    }

    /// The message of a key.
    pub(super) fn message_of(&self, key: &Key) -> Option<MessageId> {
        self.stamped(key).map(MessageId::new)
    }

    /// Where messages in flight and claims are.
    pub(super) fn in_flight(&self) -> KeyRange {
        KeyRange::half_open(self.range(&[IN_FLIGHT]).start, self.range(&[READY]).start)
    }

    /// Where something changes when a message can be had again: a claim ends, or one is ready.
    pub(super) fn news(&self) -> KeyRange {
        KeyRange::half_open(self.range(&[CLAIM]).start, self.range(&[BODY]).start)
    }
}

/// A number as a value.
pub(super) fn number(number: u32) -> Result<Value, InvalidRequest> {
    Ok(Value::new(number.to_le_bytes().to_vec())?)
}

/// The number that a value is.
pub(super) fn number_of(value: &Value) -> u32 {
    value.as_bytes().try_into().map_or(0, u32::from_le_bytes)
}
