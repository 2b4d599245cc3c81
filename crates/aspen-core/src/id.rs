//! Identities: each is its own type, so that none can stand for another.

use std::fmt;

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty), $prefix:literal) => {
        $(#[$doc])*
        #[derive(
            Clone,
            Copy,
            Debug,
            Default,
            PartialEq,
            Eq,
            PartialOrd,
            Ord,
            Hash,
            Serialize,
            Deserialize,
        )]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// Wraps the raw number.
            pub const fn new(raw: $inner) -> Self {
                Self(raw)
            }

            /// The raw number.
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    };
}

id!(
    /// One process with one data directory and one key pair. Never reused, never 0 on a live node.
    NodeId(u64),
    ""
);
id!(
    /// A partition of the key space, `0..256`.
    ShardId(u16),
    ""
);
id!(
    /// A lease that keys may be attached to.
    LeaseId(u64),
    ""
);
id!(
    /// A Raft term (Raft paper, section 5.1).
    Term(u64),
    ""
);
id!(
    /// A position in one group's log; the first entry is at 0, as openraft counts.
    LogIndex(u64),
    ""
);

/// One replicated state machine: the meta group or a shard's group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupId(u32);

impl GroupId {
    /// The system group: node registry, topology, grants.
    pub const META: Self = Self(0);

    /// The group of a shard.
    pub const fn shard(shard: ShardId) -> Self {
        Self(shard.get() as u32 + 1)
    }

    /// The number that disk and wire formats hold: 0 for meta, shard + 1 otherwise.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Rebuilds a group from the number that [`GroupId::get`] gave.
    pub const fn from_raw(raw: u32) -> Self {
        Self(raw)
    }

    /// The shard of this group, or `None` for the meta group.
    pub fn shard_id(self) -> Option<ShardId> {
        self.0.checked_sub(1).and_then(|shard| u16::try_from(shard).ok()).map(ShardId::new)
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.shard_id() {
            None if self.0 == 0 => f.write_str("meta"),
            Some(shard) => write!(f, "shard-{shard}"),
            None => write!(f, "group-{}", self.0),
        }
    }
}

fn parse_hex<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    let bytes = data_encoding::HEXLOWER.decode(text.as_bytes()).ok()?;
    bytes.try_into().ok()
}

/// Reads bytes from their hexadecimal form.
fn hex_bytes<'de, D: Deserializer<'de>, const LEN: usize>(
    deserializer: D,
) -> Result<[u8; LEN], D::Error> {
    deserializer.deserialize_str(HexVisitor)
}

struct HexVisitor<const LEN: usize>;

impl<const LEN: usize> Visitor<'_> for HexVisitor<LEN> {
    type Value = [u8; LEN];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} lower-case hexadecimal digits", 2 * LEN)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; LEN], E> {
        parse_hex(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

macro_rules! bytes_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        ///
        /// Readable formats hold its hexadecimal form, others its bytes.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name([u8; $len]);

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                match serializer.is_human_readable() {
                    true => serializer.collect_str(self),
                    false => self.0.serialize(serializer),
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                match deserializer.is_human_readable() {
                    true => hex_bytes(deserializer).map(Self),
                    false => <[u8; $len]>::deserialize(deserializer).map(Self),
                }
            }
        }

        impl $name {
            /// Wraps the raw bytes.
            pub const fn new(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }

            /// The raw bytes.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// Parses the lower-case hexadecimal form that `Display` prints.
            pub fn from_hex(text: &str) -> Option<Self> {
                parse_hex(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

bytes_id!(
    /// A cluster's identity, drawn at random when it is initialised; data directories and tickets
    /// carry it, so that nodes of different clusters never mix.
    ClusterId,
    16
);
bytes_id!(
    /// A client's session identity, drawn at random by the client.
    ClientId,
    16
);
bytes_id!(
    /// An Ed25519 public key: how a process is known on the network.
    EndpointKey,
    32
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn group_ids_name_their_shard() {
        assert_eq!(GroupId::META.shard_id(), None);
        assert_eq!(GroupId::shard(ShardId::new(0)).shard_id(), Some(ShardId::new(0)));
        assert_eq!(GroupId::shard(ShardId::new(7)).to_string(), "shard-7");
        assert_eq!(GroupId::META.to_string(), "meta");
    }

    #[test]
    fn byte_ids_round_trip_through_hex() {
        let id = ClusterId::new([7; 16]);
        assert_eq!(ClusterId::from_hex(&id.to_string()), Some(id));
        assert_eq!(ClusterId::from_hex("07"), None);
    }
    #[test]
    fn byte_ids_are_hex_where_people_read() {
        let id = ClusterId::new([7; 16]);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, format!("\"{}\"", "07".repeat(16)));
        assert_eq!(serde_json::from_str::<ClusterId>(&text).unwrap(), id);
        assert_eq!(serde_json::from_value::<ClusterId>(text[1..33].into()).unwrap(), id);
        let short = serde_json::from_str::<EndpointKey>(&text).unwrap_err().to_string();
        assert!(short.contains("64 lower-case hexadecimal digits"), "{short}");
        assert!(serde_json::from_str::<ClientId>("[7]").is_err());
    }
}
