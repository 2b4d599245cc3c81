//! Leases: keys that go away with whoever holds them.
//!
//! * A lease is **granted** for a time to live (TTL) and ends when it is **revoked** or when nobody
//!   has **kept it alive** for that long. Keys are attached to it by a put and are deleted, all at
//!   one revision, when it ends.
//! * A key with a TTL of its own ([`crate::Operation::PutTtl`]) has a **private lease**, which ends
//!   as well when its key is overwritten, deleted or attached elsewhere.
//! * **Expiry is a committed command**: the leader's clock decides when to propose it, and no
//!   replica deletes anything before it is applied. A new leader does not know what the old one has
//!   promised, so it gives every lease its whole TTL anew: a lease may live longer than its TTL,
//!   never shorter.
//! * A holder counts from when it *sent* its last successful keep-alive and stops before the TTL
//!   has passed since; then no two holders overlap.

/// The guide, whose examples are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/leases.md")]
struct Guide;

mod guard;
mod request;
mod store;

use crate::{DELETE_RANGE_KEYS_MAX, InvalidRequest, LeaseId, Revision, TRANSACTION_OPERATIONS_MAX};

pub use guard::LeaseGuard;
pub use request::{
    KEEP_ALIVE_LEASES_MAX, LEASE_LIST_MAX, LeaseRequest, LeaseResponse, LeaseStatus,
};
pub use store::{LeaseGrant, LeaseRevocation, Leases};

/// The shortest TTL, in milliseconds. A shorter one would end leases during every change of leader
/// and ask for more keep-alives than a group has writes; a longer minimum would make short-lived
/// presence keys impossible.
pub const LEASE_TTL_MS_MIN: u64 = 1_000;

/// The longest TTL, in milliseconds: ten years. What is to live longer needs no lease, and
/// deadlines never overflow a clock.
pub const LEASE_TTL_MS_MAX: u64 = 10 * 365 * 24 * 60 * 60 * 1_000;

/// How many leases a group has at most, private ones included. Every replica holds each in memory,
/// at some 100 bytes, and the leader its deadline at as much again; more keys with a TTL of their
/// own cost that, fewer would refuse them.
pub const LEASE_COUNT_MAX: usize = 1_000_000;

/// How many keys one lease may have. All of them are deleted in one go, for which all other writes
/// wait; keys of one owner beyond that take a second lease.
pub const LEASE_KEYS_MAX: usize = 50_000;

/// How many leases one command may end. What they may delete together is bounded by
/// [`DELETE_RANGE_KEYS_MAX`]; those beyond it end with the next command.
pub const EXPIRE_LEASES_MAX: usize = 1_000;

const _: () = assert!(LEASE_KEYS_MAX <= DELETE_RANGE_KEYS_MAX);
const _: () = assert!(LEASE_TTL_MS_MIN < LEASE_TTL_MS_MAX);
const _: () = assert!(TRANSACTION_OPERATIONS_MAX <= 1 << PLACE_BITS);

/// Bits of a private lease's id that name its place in the transaction.
const PLACE_BITS: u32 = 14;

/// The bit of an id that only private leases have.
const PRIVATE_BIT: u64 = 1 << 63;

impl LeaseId {
    /// Asks the group's leader to draw an id. No lease has it.
    pub const UNCHOSEN: Self = Self::new(0);

    /// The lowest id of a private lease; clients choose ids below it.
    pub const PRIVATE_FIRST: Self = Self::new(PRIVATE_BIT);

    /// The lease of the key that the step at `place` of the transaction at `revision` sets.
    pub const fn private(revision: Revision, place: usize) -> Self {
        Self::new(PRIVATE_BIT | (revision.get() << PLACE_BITS) | place as u64)
    }

    /// Whether it is the lease of one key that has a TTL of its own.
    pub const fn is_private(self) -> bool {
        self.get() & PRIVATE_BIT != 0
    }

    /// The id that a random number means: never [`LeaseId::UNCHOSEN`], never a private one.
    pub const fn drawn(random: u64) -> Self {
        let id = random & !PRIVATE_BIT;
        Self::new(if id == 0 { 1 } else { id })
    }

    /// Checks that a client may name this id in a put or choose it.
    ///
    /// # Errors
    /// When the id is of a private lease.
    pub fn validate(self) -> Result<(), InvalidRequest> {
        match self.is_private() {
            true => Err(InvalidRequest::new(format!(
                "lease id {self} is reserved for keys with a TTL of their own; ids of leases lie \
                 below {}",
                Self::PRIVATE_FIRST
            ))),
            false => Ok(()),
        }
    }
}

/// Checks a TTL against its limits.
///
/// # Errors
/// Names the limit that is exceeded.
pub fn validate_ttl(ttl_ms: u64) -> Result<(), InvalidRequest> {
    let outside = |relation: &str, limit: u64, name: &str| {
        let detail = format!("a TTL of {ttl_ms} ms is {relation} the limit of {limit} ms ({name})");
        Err(InvalidRequest::new(detail))
    };
    match ttl_ms {
        0..LEASE_TTL_MS_MIN => outside("below", LEASE_TTL_MS_MIN, "LEASE_TTL_MS_MIN"),
        ttl if ttl > LEASE_TTL_MS_MAX => outside("above", LEASE_TTL_MS_MAX, "LEASE_TTL_MS_MAX"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ttl_out_of_bounds_names_the_limit() {
        let below = validate_ttl(LEASE_TTL_MS_MIN - 1).unwrap_err().to_string();
        assert!(below.contains("LEASE_TTL_MS_MIN") && below.contains("1000 ms"), "{below}");
        let above = validate_ttl(LEASE_TTL_MS_MAX + 1).unwrap_err().to_string();
        assert!(above.contains("LEASE_TTL_MS_MAX"), "{above}");
        validate_ttl(LEASE_TTL_MS_MIN).unwrap();
        validate_ttl(LEASE_TTL_MS_MAX).unwrap();
    }

    #[test]
    fn private_ids_are_apart_from_those_of_clients_and_from_each_other() {
        let first = LeaseId::private(Revision::new(7), 3);
        assert!(first.is_private());
        assert!(first.validate().is_err());
        assert_ne!(first, LeaseId::private(Revision::new(7), 4));
        let last = LeaseId::private(Revision::new(7), TRANSACTION_OPERATIONS_MAX);
        assert!(last < LeaseId::private(Revision::new(8), 0));
        for random in [0, 1, PRIVATE_BIT, u64::MAX] {
            let drawn = LeaseId::drawn(random);
            assert!(drawn != LeaseId::UNCHOSEN && drawn.validate().is_ok(), "{drawn}");
        }
    }
}
