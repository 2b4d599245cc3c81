//! A bug that a simulation plants: a snapshot that leaves out one key.

use aspen_core::runtime;

/// Among how many keys, from the first, the lost one is.
const KEYS: u64 = 4;

/// Which key a snapshot under construction leaves out. None, outside a simulation.
pub(in crate::state) struct LostKey {
    keys_left: Option<u64>,
}

impl LostKey {
    /// Chooses a key when the bug is planted.
    pub(in crate::state) fn planted() -> Self {
        let planted = runtime::planted("snapshot-drops-key");
        Self { keys_left: planted.then(|| runtime::random_u64() % KEYS) }
    }

    /// Whether the next key is left out.
    pub(in crate::state) fn is_next(&mut self) -> bool {
        let next = self.keys_left;
        self.keys_left = next.and_then(|left| left.checked_sub(1));
        next == Some(0)
    }
}
