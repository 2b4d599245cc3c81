//! What happened in a simulated run, and when.

use std::sync::{Arc, Mutex};

use madsim::time::TimeHandle;

/// Clones share one trace.
#[derive(Clone, Default)]
pub(crate) struct Trace {
    events: Arc<Mutex<Vec<(u128, String)>>>,
}

impl Trace {
    /// Adds an event at the present simulated time.
    pub(crate) fn note(&self, event: String) {
        let at_ns = TimeHandle::current().elapsed().as_nanos();
        self.events.lock().unwrap().push((at_ns, event));
    }

    pub(crate) fn events(&self) -> Vec<(u128, String)> {
        self.events.lock().unwrap().clone()
    }
}
