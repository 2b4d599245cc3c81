//! The order of a recorder's events.

use aspen_core::runtime::{self, Instant};

use super::Moment;

/// Gives each event its [`Moment`].
#[derive(Debug)]
pub(super) struct Timeline {
    started: Instant,
    events: u64,
}

impl Timeline {
    /// Starts now.
    pub(super) fn new() -> Self {
        Self { started: runtime::now(), events: 0 }
    }

    /// The moment of an event that happens now.
    pub(super) fn next(&mut self) -> Moment {
        let at = runtime::now().saturating_duration_since(self.started);
        let moment = Moment::new(self.events, at);
        self.events += 1;
        moment
    }
}
