//! Positions and votes as consensus encodes them.
//!
//! The formats are pinned by golden tests beside the encoder: an entry begins with its term, its
//! leader and its index, a position is the same three numbers, a vote is a term, a candidate and
//! whether a quorum granted it.

use std::fmt;

/// A place in a log: who put it there and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LogId {
    pub(crate) term: u64,
    pub(crate) leader: u64,
    pub(crate) index: u64,
}

impl LogId {
    /// Reads the beginning of an entry, or a position.
    pub(crate) fn read(mut bytes: &[u8]) -> Self {
        let (term, leader) = (number(&mut bytes), number(&mut bytes));
        Self { term, leader, index: number(&mut bytes) }
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "entry {} of term {} by node {}", self.index, self.term, self.leader)
    }
}

/// A vote. A later one is greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Vote {
    pub(crate) term: u64,
    pub(crate) candidate: u64,
    pub(crate) granted: bool,
}

impl Vote {
    /// Reads a vote.
    pub(crate) fn read(mut bytes: &[u8]) -> Self {
        let (term, candidate) = (number(&mut bytes), number(&mut bytes));
        Self { term, candidate, granted: number(&mut bytes) == 1 }
    }
}

/// Takes one number of variable length: bincode's standard form.
fn number(bytes: &mut &[u8]) -> u64 {
    let first = take(bytes, 1);
    match first {
        251 => take(bytes, 2),
        252 => take(bytes, 4),
        253 => take(bytes, 8),
        small => small,
    }
}

fn take(bytes: &mut &[u8], count: usize) -> u64 {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use aspen_core::codec::encode;

    #[test]
    fn numbers_of_every_length_are_read() {
        for index in [0, 250, 251, 65_535, 65_536, u64::from(u32::MAX) + 1] {
            let id = LogId { term: 7, leader: 3, index };
            assert_eq!(LogId::read(&encode(&(7_u64, 3_u64, index)).unwrap()), id);
        }
        let vote = Vote { term: 300, candidate: 2, granted: true };
        assert_eq!(Vote::read(&encode(&(300_u64, 2_u64, true)).unwrap()), vote);
    }
}
