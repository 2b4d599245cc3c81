//! Clocks that are wrong.

use std::time::Duration;

use aspen_core::runtime::sim::Skew;
use serde::{Deserialize, Serialize};

use super::Target;
use crate::sim::world::World;

/// A node's wall clock jumps and both its clocks run at another speed; later the speed is right
/// again and the jump is taken back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ClockChange {
    pub(crate) target: Target,
    /// By how much the wall clock jumps, in milliseconds.
    pub(crate) wall_ms: i64,
    /// How much faster the clocks run, in millionths.
    pub(crate) rate_ppm: i32,
}

impl ClockChange {
    pub(super) async fn strike(&self, world: &World, lasts: Duration) {
        let Some(node) = self.target.find(&world.cluster) else { return };
        let Some(machine) = world.cluster.machine(node) else { return };
        machine.set_clock(Skew { wall_ms: self.wall_ms, rate_ppm: self.rate_ppm });
        world.hold(lasts).await;
        machine.set_clock(Skew::default());
    }
}
