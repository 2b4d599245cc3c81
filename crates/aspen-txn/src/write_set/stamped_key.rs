//! A put whose key is known only when the transaction commits.

use aspen_core::{
    Key, KeyRange, LeaseId, Operation, Revision, StampPosition, VERSIONSTAMP_BYTES, Value,
    Versionstamp,
};

/// A put of a key with the transaction's versionstamp in it.
#[derive(Debug)]
pub(super) struct StampedKey {
    pub(super) template: Key,
    pub(super) offset: u32,
    pub(super) value: Value,
    pub(super) lease: Option<LeaseId>,
}

impl StampedKey {
    /// The operation.
    pub(super) fn operation(&self) -> Operation {
        Operation::PutVersionstamped {
            key: self.template.clone(),
            value: self.value.clone(),
            position: StampPosition::Key(self.offset),
            lease: self.lease,
        }
    }

    fn stamp_bytes(&self) -> std::ops::Range<usize> {
        let start = self.offset as usize;
        start..start + VERSIONSTAMP_BYTES
    }

    fn with_stamp(&self, stamp: [u8; VERSIONSTAMP_BYTES]) -> Vec<u8> {
        let mut bytes = self.template.as_bytes().to_vec();
        if let Some(place) = bytes.get_mut(self.stamp_bytes()) {
            place.copy_from_slice(&stamp);
        }
        bytes
    }

    /// The range in which the key will be, given a revision that the commit comes after.
    pub(super) fn keys(&self, after: Revision) -> KeyRange {
        let first = self.with_stamp(*Versionstamp::of(after.next()).as_bytes());
        let mut end = self.with_stamp([0xff; VERSIONSTAMP_BYTES]);
        end.push(0);
        KeyRange::half_open(first, end)
    }

    /// Whether the key may be this one, given a revision that the commit comes after.
    pub(super) fn may_be(&self, key: &Key, after: Revision) -> bool {
        let found = key.as_bytes().get(self.stamp_bytes());
        let Some(stamp) = found.and_then(|bytes| <[u8; VERSIONSTAMP_BYTES]>::try_from(bytes).ok())
        else {
            return false;
        };
        self.with_stamp(stamp) == key.as_bytes()
            && Versionstamp::from_bytes(stamp).revision() > after
    }
}
