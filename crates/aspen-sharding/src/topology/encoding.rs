//! The bytes of a topology: its format as one byte, then the codec's form of the rest.

use aspen_core::NodeId;
use aspen_core::codec::{self, CodecError, bounded};
use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Epoch, InvalidTopology, SHARD_REPLICAS_MAX, ShardPlacement, Topology};
use crate::SHARD_COUNT_MAX;

/// The version of the encoding.
const FORMAT: u8 = 1;

/// Bytes that are not a topology.
#[derive(Debug, thiserror::Error)]
pub enum TopologyDecodeError {
    /// A newer program wrote them, or they are something else.
    #[error("topology: format {0} is unknown")]
    UnknownFormat(u8),
    /// They end too soon, or are not what they should be.
    #[error("topology: {0}")]
    Malformed(String),
    /// They say what cannot be.
    #[error(transparent)]
    Invalid(#[from] InvalidTopology),
}

#[derive(Serialize)]
struct Written<'a> {
    epoch: Epoch,
    shards: &'a [ShardPlacement],
}

#[derive(Deserialize)]
struct Read {
    epoch: Epoch,
    #[serde(deserialize_with = "shards")]
    shards: Vec<ShardPlacement>,
}

fn shards<'de, D: Deserializer<'de>>(decoder: D) -> Result<Vec<ShardPlacement>, D::Error> {
    bounded::deserialize(decoder, "SHARD_COUNT_MAX", usize::from(SHARD_COUNT_MAX))
}

pub(super) fn replicas<'de, D: Deserializer<'de>>(decoder: D) -> Result<Vec<NodeId>, D::Error> {
    bounded::deserialize(decoder, "SHARD_REPLICAS_MAX", SHARD_REPLICAS_MAX)
}

impl Topology {
    /// The bytes to keep it by. Their form is fixed in `docs/format.md`.
    ///
    /// # Errors
    /// Never, as far as we know.
    pub fn encode(&self) -> Result<Bytes, CodecError> {
        let body = codec::encode(&Written { epoch: self.epoch, shards: &self.shards })?;
        Ok([&[FORMAT], &body[..]].concat().into())
    }

    /// Reads what [`Topology::encode`] wrote, and checks it.
    ///
    /// # Errors
    /// See [`TopologyDecodeError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, TopologyDecodeError> {
        let malformed = |detail: String| TopologyDecodeError::Malformed(detail);
        let Some((format, body)) = bytes.split_first() else {
            return Err(malformed("there are no bytes".to_owned()));
        };
        if *format != FORMAT {
            return Err(TopologyDecodeError::UnknownFormat(*format));
        }
        let read: Read = codec::decode(body).map_err(|error| malformed(error.to_string()))?;
        Ok(Self::new(read.epoch, read.shards)?)
    }
}
