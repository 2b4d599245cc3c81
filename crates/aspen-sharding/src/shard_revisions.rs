//! A place in the histories of several shards.

use std::collections::BTreeMap;

use aspen_core::codec::{self, CodecError};
use aspen_core::{InvalidRequest, Revision, ShardId};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::SHARD_COUNT_MAX;

/// The version of the encoding.
const FORMAT: u8 = 1;

/// One revision for each of several shards: a state that was read of them, or how far a watch has
/// come. It is what a [`Revision`] is for one shard.
///
/// The shards were not read at one moment: of two transactions in different shards, one after the
/// other, it may hold the effect of the second alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct ShardRevisions(BTreeMap<ShardId, Revision>);

/// The bytes: shards in ascending order, each once.
#[derive(Serialize, Deserialize)]
struct Encoded {
    format: u8,
    #[serde(deserialize_with = "bounded")]
    revisions: Vec<(ShardId, Revision)>,
}

fn bounded<'de, D: serde::Deserializer<'de>>(
    decoder: D,
) -> Result<Vec<(ShardId, Revision)>, D::Error> {
    let max = usize::from(SHARD_COUNT_MAX);
    codec::bounded::deserialize(decoder, "SHARD_COUNT_MAX", max)
}

impl ShardRevisions {
    /// No shard.
    pub const fn new() -> Self {
        Self(BTreeMap::new())
    }

    /// The revision of a shard, if it is one of them.
    pub fn get(&self, shard: ShardId) -> Option<Revision> {
        self.0.get(&shard).copied()
    }

    /// Sets the revision of a shard.
    pub fn insert(&mut self, shard: ShardId, revision: Revision) {
        self.0.insert(shard, revision);
    }

    /// Each shard and its revision, in the order of the shards.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (ShardId, Revision)> {
        self.0.iter().map(|(shard, revision)| (*shard, *revision))
    }

    /// The revision of a shard that must be one of them.
    ///
    /// # Errors
    /// Names the shard.
    pub(crate) fn require(&self, shard: ShardId) -> Result<Revision, InvalidRequest> {
        self.get(shard).ok_or_else(|| {
            InvalidRequest::new(format!("the revisions given name none of shard {shard}"))
        })
    }

    /// The bytes to keep it by. Their form is fixed in `docs/format.md`.
    ///
    /// # Errors
    /// Never, as far as we know.
    pub fn encode(&self) -> Result<Bytes, CodecError> {
        codec::encode(&Encoded { format: FORMAT, revisions: self.iter().collect() })
    }

    /// Reads what [`ShardRevisions::encode`] wrote.
    ///
    /// # Errors
    /// When the bytes are malformed, of another format, or name a shard twice or out of order.
    pub fn decode(bytes: &[u8]) -> Result<Self, InvalidRequest> {
        let malformed = |detail: &str| InvalidRequest::new(format!("shard revisions: {detail}"));
        let encoded: Encoded =
            codec::decode(bytes).map_err(|error| malformed(&error.to_string()))?;
        if encoded.format != FORMAT {
            return Err(malformed(&format!("format {} is unknown", encoded.format)));
        }
        if !encoded.revisions.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(malformed("the shards are not in ascending order"));
        }
        if encoded.revisions.iter().any(|(shard, _)| shard.get() >= SHARD_COUNT_MAX) {
            return Err(malformed("a shard is not below SHARD_COUNT_MAX"));
        }
        Ok(Self(encoded.revisions.into_iter().collect()))
    }
}

impl From<BTreeMap<ShardId, Revision>> for ShardRevisions {
    fn from(revisions: BTreeMap<ShardId, Revision>) -> Self {
        Self(revisions)
    }
}

impl From<ShardRevisions> for BTreeMap<ShardId, Revision> {
    fn from(revisions: ShardRevisions) -> Self {
        revisions.0
    }
}

impl FromIterator<(ShardId, Revision)> for ShardRevisions {
    fn from_iter<I: IntoIterator<Item = (ShardId, Revision)>>(revisions: I) -> Self {
        Self(revisions.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn revisions(pairs: &[(u16, u64)]) -> ShardRevisions {
        let pairs = pairs.iter().map(|(shard, raw)| (ShardId::new(*shard), Revision::new(*raw)));
        pairs.collect()
    }

    #[test]
    fn golden_bytes() {
        let place = revisions(&[(0, 7), (3, 300), (255, 0)]);
        let bytes = place.encode().unwrap();
        assert_eq!(data_encoding::HEXLOWER.encode(&bytes), "0103000703fb2c01fbff0000");
        assert_eq!(ShardRevisions::decode(&bytes), Ok(place));
    }

    #[test]
    fn other_bytes_are_refused() {
        for hex in ["", "01", "0200", "010200070007", "01020300020000", "0101fb000107", "0100ff"] {
            let bytes = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap();
            assert!(ShardRevisions::decode(&bytes).is_err(), "{hex}");
        }
        let many: ShardRevisions =
            (0..257).map(|shard| (ShardId::new(shard), Revision::ZERO)).collect();
        let error = ShardRevisions::decode(&many.encode().unwrap()).unwrap_err().to_string();
        assert!(error.contains("SHARD_COUNT_MAX"), "{error}");
    }
}
