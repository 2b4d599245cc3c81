//! What consensus wrote into the bytes that logs and state machines keep for it.

use std::hash::{DefaultHasher, Hasher};

use aspen_core::{LogIndex, NodeId, Term, codec};

use super::{Ballot, EntryId};

/// The entry that a position's marker names: term, leader, index.
pub fn entry_of_marker(marker: &[u8]) -> Option<EntryId> {
    let (term, leader, index) = codec::decode::<(u64, u64, u64)>(marker).ok()?;
    Some(entry(term, leader, index))
}

/// The entry that a log record's payload begins with: the same three numbers, then its content.
pub fn entry_of_record(payload: &[u8]) -> Option<EntryId> {
    let (term, rest) = split_number(payload)?;
    let (leader, rest) = split_number(rest)?;
    let (index, _) = split_number(rest)?;
    Some(entry(term, leader, index))
}

/// A saved vote: its ballot, and whether a quorum granted it.
pub fn vote_of_bytes(vote: &[u8]) -> Option<(Ballot, bool)> {
    let (term, candidate, granted) = codec::decode::<(u64, u64, bool)>(vote).ok()?;
    Some((ballot(term, candidate), granted))
}

/// A hash of bytes that is the same in every process.
pub fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}

fn entry(term: u64, leader: u64, index: u64) -> EntryId {
    EntryId { ballot: ballot(term, leader), index: LogIndex::new(index) }
}

fn ballot(term: u64, candidate: u64) -> Ballot {
    Ballot { term: Term::new(term), candidate: NodeId::new(candidate) }
}

/// Takes one variable-length number of [`codec`]'s format off the front: small ones are one byte,
/// larger ones a marker byte and 2, 4 or 8 little-endian bytes.
fn split_number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let width = match first {
        0..=250 => return Some((u64::from(*first), rest)),
        251 => 2,
        252 => 4,
        253 => 8,
        _ => return None,
    };
    let (number, rest) = rest.split_at_checked(width)?;
    let number = number.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte));
    Some((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_read_from_markers_and_records() {
        for (term, leader, index) in [(1, 2, 0), (250, 251, 65_535), (65_536, 1 << 40, u64::MAX)] {
            let expected = Some(entry(term, leader, index));
            let marker = codec::encode(&(term, leader, index)).unwrap();
            assert_eq!(entry_of_marker(&marker), expected);
            let record = codec::encode(&(term, leader, index, "content")).unwrap();
            assert_eq!(entry_of_record(&record), expected);
        }
        assert_eq!(entry_of_record(&[251, 0]), None);
        assert_eq!(entry_of_marker(&[1, 2]), None);
    }

    #[test]
    fn votes_are_read() {
        let vote = codec::encode(&(7_u64, 300_u64, true)).unwrap();
        assert_eq!(vote_of_bytes(&vote), Some((ballot(7, 300), true)));
    }
}
