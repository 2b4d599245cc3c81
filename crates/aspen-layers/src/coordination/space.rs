//! The keys of one primitive.

use std::sync::Arc;

use aspen_core::{InvalidRequest, KEY_BYTES_MAX, Key, KeyRange, KeyValueStore};
use bytes::Bytes;

use super::{COORDINATION_PREFIX_BYTES_MAX, Coordinator};

/// The longest name of a primitive, in bytes.
pub const COORDINATION_NAME_BYTES_MAX: usize = 1024;

/// The longest kind of a primitive with its separators, and the longest suffix of its keys.
const REST_BYTES_MAX: usize = 128;

const _: () = assert!(
    COORDINATION_PREFIX_BYTES_MAX + COORDINATION_NAME_BYTES_MAX + REST_BYTES_MAX <= KEY_BYTES_MAX
);

/// The keys `PREFIX KIND/NAME 00 SUFFIX`, and the handles to reach them. The bytes before the first
/// zero name their partition, so one transaction may touch them all.
#[derive(Clone)]
pub(super) struct Space {
    pub(super) coordinator: Coordinator,
    prefix: Bytes,
}

impl Space {
    pub(super) fn new(
        coordinator: Coordinator,
        prefix: &[u8],
        kind: &str,
        name: &[u8],
    ) -> Result<Self, InvalidRequest> {
        let limit = COORDINATION_NAME_BYTES_MAX;
        if name.is_empty() || name.contains(&0) {
            return Err(InvalidRequest::new("name: it must have bytes, and none that is zero"));
        }
        if name.len() > limit {
            return Err(InvalidRequest::limit("COORDINATION_NAME_BYTES_MAX", limit, name.len()));
        }
        let prefix = [prefix, kind.as_bytes(), b"/", name, b"\0"].concat().into();
        Ok(Self { coordinator, prefix })
    }

    /// The key with this suffix.
    pub(super) fn key(&self, suffix: &[&[u8]]) -> Key {
        let bytes = [&self.prefix[..], &suffix.concat()].concat();
        Key::new(bytes).expect("prefix, name and suffix together are below the limit of a key")
    }

    /// Every key whose suffix begins so.
    pub(super) fn range(&self, suffix: &[u8]) -> KeyRange {
        KeyRange::prefix([&self.prefix[..], suffix].concat())
    }

    /// How many bytes come before the suffix.
    pub(super) fn prefix_len(&self) -> usize {
        self.prefix.len()
    }

    pub(super) fn store(&self) -> &Arc<dyn KeyValueStore> {
        self.coordinator.database.store()
    }
}

impl std::fmt::Debug for Space {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Space({})", self.prefix.escape_ascii())
    }
}
