//! Ctrl-C as something a loop can ask about.

use crate::failure::{Failure, Outcome};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set by the signals that ask a program to end. From its creation on they no longer end this
/// process by themselves: whoever made it has to look at it.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// Starts to collect the signals.
    pub(crate) fn install() -> Outcome<Self> {
        let flag = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::flag::register(signal, Arc::clone(&flag))
                .map_err(|error| Failure::of("cannot handle signals", error))?;
        }
        Ok(Self(flag))
    }

    /// Whether a signal arrived.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Whether a signal arrived since the last call of this function.
    pub(crate) fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }

    /// A failure when a signal arrived, for tasks that have nothing to finish.
    pub(crate) fn check(&self) -> Outcome {
        if self.is_set() { Err(Failure::new("interrupted")) } else { Ok(()) }
    }
}
