//! Recipes by which processes agree on who does what, and when.
//!
//! A [`Coordinator`] makes them, each by its name:
//!
//! * held by one, or by some: [`Lock`], [`ReadWriteLock`], [`Semaphore`], [`Election`];
//! * waited for together: [`Barrier`], [`DoubleBarrier`];
//! * numbers: [`Counter`], [`Sequence`], [`RateLimiter`];
//! * work handed over: [`Queue`].
//!
//! What is held hangs on a lease of its own, which its guard keeps alive: a holder that dies, or a
//! waiter whose write has an unknown outcome, leaves nothing behind for longer than its TTL. A
//! holder that is paused beyond that does not know in time; whoever is acted upon must compare
//! [`FencingToken`]s (Kleppmann, "How to do distributed locking", 2016).
//!
//! Every primitive has its keys in one partition of the key space: `PREFIX KIND/NAME 00 …`
//! (`docs/format.md`).

/// The guide, whose examples are compiled and run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide/coordination.md")]
struct Guide;

mod barrier;
mod coordinator;
mod counter;
mod double_barrier;
mod election;
mod error;
mod fencing_token;
mod guard;
mod line;
mod lock;
mod queue;
mod rate_limiter;
mod read_write_lock;
mod semaphore;
mod sequence;
mod space;
mod tenure;
mod waiting;

pub use barrier::Barrier;
pub use coordinator::{COORDINATION_PREFIX_BYTES_MAX, Coordinator};
pub use counter::Counter;
pub use double_barrier::{DOUBLE_BARRIER_MEMBERS_MAX, DoubleBarrier, DoubleBarrierGuard};
pub use election::{Election, Leader, Leadership};
pub use error::CoordinationError;
pub use fencing_token::FencingToken;
pub use guard::Guard;
pub use lock::{Lock, LockHolder};
pub use queue::{
    DeadLetter, Message, MessageId, QUEUE_IN_FLIGHT_MAX, Queue, QueueOptions, QueueStatus,
};
pub use rate_limiter::{RATE_PERMITS_MAX, RateDecision, RateLimit, RateLimiter};
pub use read_write_lock::ReadWriteLock;
pub use semaphore::{SEMAPHORE_PERMITS_MAX, Semaphore};
pub use sequence::{SEQUENCE_BLOCK_MAX, Sequence};
pub use space::COORDINATION_NAME_BYTES_MAX;
