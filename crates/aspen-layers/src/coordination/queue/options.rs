//! How a queue treats its messages.

use std::time::Duration;

use aspen_core::{InvalidRequest, validate_ttl};

use crate::coordination::coordinator::milliseconds;

/// How many messages of a queue may be in flight. Each delivery looks through them for those whose
/// time is over; beyond this nothing is delivered until one is acknowledged or times out.
pub const QUEUE_IN_FLIGHT_MAX: usize = 1_000;

const _: () = assert!(2 * QUEUE_IN_FLIGHT_MAX <= aspen_core::SCAN_RESULTS_MAX as usize);

/// How a queue treats its messages. All of its users should say the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueOptions {
    /// How long a message that is delivered stays invisible to others, from 1 s. A longer time
    /// suits longer work; a shorter one delivers sooner again what a dead taker had.
    pub visibility: Duration,
    /// How often a message is delivered before it becomes a dead letter, at least once.
    pub attempts_max: u32,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { visibility: Duration::from_secs(30), attempts_max: 5 }
    }
}

impl QueueOptions {
    /// Checks the bounds.
    ///
    /// # Errors
    /// Names the option that is out of bounds.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        validate_ttl(milliseconds(self.visibility))?;
        match self.attempts_max {
            0 => Err(InvalidRequest::new("attempts_max must be at least 1")),
            _ => Ok(()),
        }
    }
}
