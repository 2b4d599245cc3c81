//! Coordination over the reference store, as its users see it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod barriers;
mod election;
mod errors;
mod fencing;
mod lock;
mod numbers;
mod process;
mod queue;
mod rate_limiter;
mod read_write_lock;
mod semaphore;
