//! What a person hands around to let a node or a client in.

use std::fmt;
use std::str::FromStr;

use aspen_core::{ClusterId, codec};
use data_encoding::{BASE32_NOPAD, DecodeKind};
use serde::{Deserialize, Serialize};

use crate::address::ADDRESSES_PER_PEER_MAX;
use crate::{Grant, PeerAddress};

/// How many peers a ticket may name: enough to find the cluster with most of them down, few enough
/// to paste.
pub const TICKET_PEERS_MAX: usize = 16;

/// The longest text that is looked at: above what [`TICKET_PEERS_MAX`] peers of
/// [`ADDRESSES_PER_PEER_MAX`] addresses need, and a bound on work for hostile input.
const TEXT_BYTES_MAX: usize = 16 * 1024;
const PREFIX: &str = "aspen";
const VERSION: u8 = 1;
const CHECKSUM_BYTES: usize = 4;

// An address takes at most 20 bytes (tag, 16 for IPv6, 3 for the port), base32 8 digits for 5.
const _: () =
    assert!(TICKET_PEERS_MAX * (33 + ADDRESSES_PER_PEER_MAX * 20) * 8 / 5 + 256 < TEXT_BYTES_MAX);

/// A cluster, where to find it, and optionally what lets its holder in. The text form (`Display`
/// and `FromStr`) holds the grant's secret: treat it as a password.
///
/// Text: `aspen`, then lower-case base32 (RFC 4648, no padding) of: version (1 byte, 1), the
/// encoded fields in order, and the first 4 bytes of the BLAKE3 hash of all before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// The cluster.
    pub cluster: ClusterId,
    /// Nodes to try, at most [`TICKET_PEERS_MAX`].
    pub peers: Vec<PeerAddress>,
    /// The right to be a client; a ticket for joining nodes needs none.
    pub grant: Option<Grant>,
}

/// A text that is no usable ticket.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It begins otherwise.
    #[error("not a ticket: a ticket begins with \"aspen\"")]
    Prefix,
    /// It is longer than any ticket.
    #[error("not a ticket: {len} characters exceed the limit of {TEXT_BYTES_MAX}")]
    TooLong {
        /// Its length in bytes.
        len: usize,
    },
    /// A character that no ticket holds.
    #[error("not a ticket: unexpected character at position {position} (counted from 0)")]
    Character {
        /// Where, in bytes from the start of the text.
        position: usize,
    },
    /// The checksum does not match.
    #[error("ticket is truncated or mistyped (its checksum does not match); copy it again, whole")]
    Checksum,
    /// A newer program made it.
    #[error("ticket has version {version}, this program knows version {VERSION}; update it")]
    Version {
        /// The version it has.
        version: u8,
    },
    /// The checksum matches but the content makes no sense.
    #[error("ticket is malformed: {detail}")]
    Malformed {
        /// What is wrong.
        detail: String,
    },
    /// It names more peers than [`TICKET_PEERS_MAX`].
    #[error("ticket names {count} peers, more than {TICKET_PEERS_MAX} (TICKET_PEERS_MAX)")]
    TooManyPeers {
        /// How many.
        count: usize,
    },
    /// A peer has more addresses than [`ADDRESSES_PER_PEER_MAX`].
    #[error(
        "a peer of the ticket has {count} addresses, more than {ADDRESSES_PER_PEER_MAX} \
         (ADDRESSES_PER_PEER_MAX)"
    )]
    TooManyAddresses {
        /// How many.
        count: usize,
    },
}

impl Ticket {
    fn validate(self) -> Result<Self, TicketError> {
        if self.peers.len() > TICKET_PEERS_MAX {
            return Err(TicketError::TooManyPeers { count: self.peers.len() });
        }
        let longest = self.peers.iter().map(|peer| peer.addresses.len()).max().unwrap_or(0);
        if longest > ADDRESSES_PER_PEER_MAX {
            return Err(TicketError::TooManyAddresses { count: longest });
        }
        Ok(self)
    }

    /// Only as many peers and addresses as a ticket may hold, so that every ticket that is printed
    /// can be read.
    fn within_limits(&self) -> Self {
        let mut ticket = self.clone();
        ticket.peers.truncate(TICKET_PEERS_MAX);
        ticket.peers.iter_mut().for_each(|peer| peer.addresses.truncate(ADDRESSES_PER_PEER_MAX));
        ticket
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let body = codec::encode(&self.within_limits()).map_err(|_| fmt::Error)?;
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&body);
        bytes.extend_from_slice(&checksum(&bytes));
        write!(f, "{PREFIX}{}", BASE32_NOPAD.encode(&bytes).to_ascii_lowercase())
    }
}

impl FromStr for Ticket {
    type Err = TicketError;

    /// Accepts surrounding white space and upper case, which mail and terminals add.
    fn from_str(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        if text.len() > TEXT_BYTES_MAX {
            return Err(TicketError::TooLong { len: text.len() });
        }
        let digits = text
            .get(..PREFIX.len())
            .filter(|start| start.eq_ignore_ascii_case(PREFIX))
            .map(|start| &text[start.len()..])
            .ok_or(TicketError::Prefix)?;
        parse_bytes(&decode_base32(digits)?)
    }
}

fn decode_base32(digits: &str) -> Result<Vec<u8>, TicketError> {
    BASE32_NOPAD.decode(digits.to_ascii_uppercase().as_bytes()).map_err(|error| match error.kind {
        DecodeKind::Symbol => TicketError::Character { position: PREFIX.len() + error.position },
        // A text cut at the wrong digit, or whose last digit holds bits that no byte needs.
        _ => TicketError::Checksum,
    })
}

fn parse_bytes(bytes: &[u8]) -> Result<Ticket, TicketError> {
    let body_len = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or(TicketError::Checksum)?;
    let (body, sum) = bytes.split_at(body_len);
    if sum != checksum(body) {
        return Err(TicketError::Checksum);
    }
    match body.split_first() {
        Some((&VERSION, fields)) => codec::decode::<Ticket>(fields)
            .map_err(|error| TicketError::Malformed { detail: error.to_string() })?
            .validate(),
        Some((&version, _)) => Err(TicketError::Version { version }),
        None => Err(TicketError::Checksum),
    }
}

fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_BYTES] {
    let mut sum = [0; CHECKSUM_BYTES];
    sum.copy_from_slice(&blake3::hash(bytes).as_bytes()[..CHECKSUM_BYTES]);
    sum
}

#[cfg(test)]
mod tests;
