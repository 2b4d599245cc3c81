//! What goes wrong, and when.
//!
//! A [`Schedule`] is drawn from the seed before the run begins. Its events name their targets by
//! role (the leader, another one), which is resolved when the event strikes. A schedule can be
//! written down, played again, and played with some of its events left out.

mod clock;
mod crash;
mod disk;
mod draw;
mod links;
mod members;
mod operator;
mod target;

use std::sync::Arc;
use std::time::Duration;

use aspen_core::runtime::sim::sleep;
use madsim::runtime::Handle;
use madsim::task::JoinHandle;
use serde::{Deserialize, Serialize};

pub(crate) use clock::ClockChange;
pub(crate) use crash::{CrashAll, CrashOne, Pause, PowerCut, Rolling, SyncFailure};
pub(crate) use disk::{BitRot, DiskFull, DiskSlow, LoseDisk};
pub(crate) use links::{Direction, Isolate, KindTrouble, Split, Swizzle, Weather};
pub(crate) use members::{AddNode, RemoveNode, SetVoters};
pub(crate) use operator::{Snapshot, Transfer, is_unknown_node};
pub(crate) use target::{Target, Which};

use super::trace;
use super::world::World;

/// Something that goes wrong for a while.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    CrashOne(CrashOne),
    CrashAll(CrashAll),
    Rolling(Rolling),
    PowerCut(PowerCut),
    SyncFailure(SyncFailure),
    Pause(Pause),
    DiskFull(DiskFull),
    DiskSlow(DiskSlow),
    LoseDisk(LoseDisk),
    BitRot(BitRot),
    ClockChange(ClockChange),
    Isolate(Isolate),
    Split(Split),
    Swizzle(Swizzle),
    Weather(Weather),
    KindTrouble(KindTrouble),
    AddNode(AddNode),
    RemoveNode(RemoveNode),
    SetVoters(SetVoters),
    Transfer(Transfer),
    Snapshot(Snapshot),
}

impl Fault {
    /// What it is called.
    pub(crate) fn name(&self) -> String {
        let text = format!("{self:?}");
        text.split('(').next().unwrap_or_default().to_owned()
    }

    /// Begins, lasts, and ends.
    async fn strike(&self, world: &Arc<World>, lasts: Duration) {
        match self {
            Self::CrashOne(fault) => fault.strike(world, lasts).await,
            Self::CrashAll(fault) => fault.strike(world, lasts).await,
            Self::Rolling(fault) => fault.strike(world, lasts).await,
            Self::PowerCut(fault) => fault.strike(world, lasts).await,
            Self::SyncFailure(fault) => fault.strike(world, lasts).await,
            Self::Pause(fault) => fault.strike(world, lasts).await,
            Self::DiskFull(fault) => fault.strike(world, lasts).await,
            Self::DiskSlow(fault) => fault.strike(world, lasts).await,
            Self::LoseDisk(fault) => fault.strike(world).await,
            Self::BitRot(fault) => fault.strike(world, lasts).await,
            Self::ClockChange(fault) => fault.strike(world, lasts).await,
            Self::Isolate(fault) => fault.strike(world, lasts).await,
            Self::Split(fault) => fault.strike(world, lasts).await,
            Self::Swizzle(fault) => fault.strike(world, lasts).await,
            Self::Weather(fault) => fault.strike(world, lasts).await,
            Self::KindTrouble(fault) => fault.strike(world, lasts).await,
            Self::AddNode(fault) => fault.strike(world).await,
            Self::RemoveNode(fault) => fault.strike(world).await,
            Self::SetVoters(fault) => fault.strike(world, lasts).await,
            Self::Transfer(fault) => fault.strike(world).await,
            Self::Snapshot(fault) => fault.strike(world).await,
        }
    }
}

/// One fault's time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Event {
    /// When it begins, in simulated milliseconds after the clients begin.
    pub(crate) at_ms: u64,
    /// How long it lasts.
    pub(crate) lasts_ms: u64,
    pub(crate) fault: Fault,
}

/// Everything that goes wrong in a run, in the order of its beginnings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pub(crate) events: Vec<Event>,
}

impl Schedule {
    /// Lets everything go wrong at its time; answers once every fault has begun and ended, at the
    /// latest when the cluster is to heal.
    pub(crate) async fn play(self, world: Arc<World>) {
        let mut passed_ms = 0;
        let mut running: Vec<JoinHandle<()>> = Vec::new();
        let nemesis = Handle::current().create_node().name("nemesis").build();
        for event in self.events {
            world.hold(Duration::from_millis(event.at_ms.saturating_sub(passed_ms))).await;
            if world.is_healing() {
                break;
            }
            passed_ms = event.at_ms;
            let world = world.clone();
            running.push(nemesis.spawn(async move {
                trace::note("fault begins", format!("{:?}", event.fault));
                event.fault.strike(&world, Duration::from_millis(event.lasts_ms)).await;
                trace::note("fault ends", format!("{:?}", event.fault));
            }));
        }
        for fault in running {
            fault.await.expect("faults are not killed");
        }
        // What faults have set going gets a moment to show.
        sleep(Duration::from_millis(1)).await;
    }
}
