//! What `apply` needs of the place where the data is kept.

use std::collections::BTreeMap;

use aspen_core::{Key, KeyRange, KeyValue, LeaseId, Revision, Value};

use super::{GroupState, StateError};

/// A key's state while it exists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Live {
    /// The value.
    pub value: Value,
    /// 1 on creation, +1 per change.
    pub version: u64,
    /// When the key came into being.
    pub create_revision: Revision,
    /// The lease it is attached to.
    pub lease: Option<LeaseId>,
}

/// One change of a key: what it became, and when. `live` is `None` for a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The revision of the change.
    pub mod_revision: Revision,
    /// What the key became.
    pub live: Option<Live>,
}

impl Version {
    /// The version that a reader saw.
    pub fn of(entry: &KeyValue) -> Self {
        let live = Live {
            value: entry.value.clone(),
            version: entry.version,
            create_revision: entry.create_revision,
            lease: entry.lease,
        };
        Self { mod_revision: entry.mod_revision, live: Some(live) }
    }

    /// The version as its readers see it; `None` for a deletion.
    pub fn to_key_value(&self, key: &Key) -> Option<KeyValue> {
        self.live.as_ref().map(|live| KeyValue {
            key: key.clone(),
            value: live.value.clone(),
            version: live.version,
            create_revision: live.create_revision,
            mod_revision: self.mod_revision,
            lease: live.lease,
        })
    }
}

/// A version without its value: what a change needs to know of the version before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    /// The revision of the change.
    pub mod_revision: Revision,
    /// The key's version and the revision of its creation; `None` for a deletion.
    pub live: Option<(u64, Revision)>,
    /// The lease that the key is attached to.
    pub lease: Option<LeaseId>,
}

impl From<&Version> for Summary {
    fn from(version: &Version) -> Self {
        let live = version.live.as_ref().map(|live| (live.version, live.create_revision));
        let lease = version.live.as_ref().and_then(|live| live.lease);
        Self { mod_revision: version.mod_revision, live, lease }
    }
}

/// A multi-version map with the group's small registers beside it.
///
/// Deletions stay visible as versions until the horizon passes them, so that range conflicts see
/// them.
pub trait Tables {
    /// Revision, horizon, clock, sessions, leases and pins.
    fn group(&self) -> &GroupState;

    /// The same, to change. Becomes durable together with the data changed since.
    fn group_mut(&mut self) -> &mut GroupState;

    /// The newest version of a key, a deletion included; `None` when it never was, or was deleted
    /// at or before the horizon.
    fn latest(&self, key: &Key) -> Result<Option<Version>, StateError>;

    /// [`Tables::latest`] without the value, which may be much cheaper to find.
    fn latest_summary(&self, key: &Key) -> Result<Option<Summary>, StateError> {
        Ok(self.latest(key)?.as_ref().map(Summary::from))
    }

    /// The first `limit` existing keys of a range, newest versions, in key order.
    fn scan_latest(&self, range: &KeyRange, limit: usize) -> Result<Vec<KeyValue>, StateError>;

    /// The first key (in key order) of the range that was created, changed or deleted after
    /// `revision`, with the revision of its newest change.
    fn changed_after(
        &self,
        range: &KeyRange,
        revision: Revision,
    ) -> Result<Option<(Key, Revision)>, StateError>;

    /// The first `limit` keys, in order, whose newest versions are attached to a lease. It costs as
    /// much as there are such keys, however many others there are.
    fn leased(&self, lease: LeaseId, limit: usize) -> Result<Vec<Key>, StateError>;

    /// Adds one revision's changes: for each key what it becomes, `None` for a deletion. The
    /// revision is above every one added before. `apply` then sets the group's revision itself.
    fn commit(
        &mut self,
        revision: Revision,
        changes: BTreeMap<Key, Option<Live>>,
    ) -> Result<(), StateError>;

    /// Forgets what only revisions below `horizon` that are not pinned need: versions superseded at
    /// or before it, and deletions at or before it. May be lazy: a reader never asks for such a
    /// revision. `apply` then sets the group's horizon itself, and calls this again with the same
    /// horizon when pins have ended.
    fn compact(&mut self, horizon: Revision) -> Result<(), StateError>;
}
