//! The seam's answers under simulation, and what a harness sets for one simulated run.
//!
//! madsim has one clock, one random source and no disks. What a run needs beyond it lives here, in
//! tables of the thread that runs the simulation: how each node's clocks differ ([`set_clock`]),
//! how long blocking work takes ([`set_blocking_time`]), which rare paths are taken ([`buggify`])
//! and which bugs are planted ([`planted`]). Run each seed on a thread of its own: then the tables
//! start empty and the standard library's hash maps start from the seed.

pub(super) mod backend;
mod blocking;
mod clock;
mod faults;
mod sleep;

pub use blocking::set_blocking_time;
pub use clock::{Skew, set_clock};
pub use faults::{
    buggified, buggify, buggify_at, buggify_everywhere, buggify_nowhere, plant, planted,
    planted_reached, uproot,
};
pub use sleep::{Sleep, sleep, sleep_until};

pub use madsim::task::NodeId;
