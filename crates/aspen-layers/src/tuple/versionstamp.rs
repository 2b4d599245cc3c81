//! Versionstamps as elements of tuples.

use std::fmt;

use aspen_core::Versionstamp;

/// A versionstamp with a number that orders what one transaction stamps: 80 + 16 bits.
///
/// Incomplete until the commit, which alone knows the transaction's stamp; incomplete ones sort
/// after all others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TupleVersionstamp {
    transaction: Option<Versionstamp>,
    user: u16,
}

impl TupleVersionstamp {
    /// The stamp of a transaction that has committed.
    pub const fn complete(transaction: Versionstamp, user: u16) -> Self {
        Self { transaction: Some(transaction), user }
    }

    /// The stamp of the transaction that will write it.
    pub const fn incomplete(user: u16) -> Self {
        Self { transaction: None, user }
    }

    /// The transaction's stamp; `None` when it is incomplete.
    pub const fn transaction(&self) -> Option<Versionstamp> {
        self.transaction
    }

    /// The number within the transaction.
    pub const fn user(&self) -> u16 {
        self.user
    }
}

impl Ord for TupleVersionstamp {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let order = |stamp: &Self| (stamp.transaction.is_none(), stamp.transaction, stamp.user);
        order(self).cmp(&order(other))
    }
}

impl PartialOrd for TupleVersionstamp {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for TupleVersionstamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.transaction {
            Some(transaction) => write!(f, "stamp {transaction}+{}", self.user),
            None => write!(f, "stamp ?+{}", self.user),
        }
    }
}

impl fmt::Debug for TupleVersionstamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TupleVersionstamp({self})")
    }
}
