//! `aspen lock …`, `aspen elect …`

use std::ffi::OsString;
use std::time::Duration;

use clap::Args;

use super::parse_duration;

/// How to hold something and wait for it.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct HoldArgs {
    /// How long it stays held when this process dies or cannot reach the cluster: seconds, or with
    /// a unit.
    #[arg(long, default_value = "10s", value_parser = parse_duration)]
    pub(crate) ttl: Duration,
    /// Wait at most so long, for ever unless given; exit code 3 when the time is over.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) wait: Option<Duration>,
}

/// `lock`
#[derive(Debug, Args)]
pub(crate) struct LockArgs {
    /// The lock's name.
    pub(crate) name: OsString,
    #[command(flatten)]
    pub(crate) hold: HoldArgs,
    /// Do not wait; exit code 3 when somebody has the lock or waits for it.
    #[arg(long, conflicts_with = "wait")]
    pub(crate) no_wait: bool,
    /// What to run while the lock is held. Without one, the token is printed and the lock held
    /// until an interrupt.
    #[arg(last = true)]
    pub(crate) command: Vec<OsString>,
}

/// `elect`
#[derive(Debug, Args)]
pub(crate) struct ElectArgs {
    /// The election's name.
    pub(crate) name: OsString,
    /// What the leader proclaims.
    #[arg(required_unless_present = "observe")]
    pub(crate) value: Option<OsString>,
    /// Print the leader and every later one instead of standing for election.
    #[arg(long, conflicts_with = "value")]
    pub(crate) observe: bool,
    /// End after so many leaders.
    #[arg(long, value_name = "COUNT", conflicts_with = "value")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) events: Option<u64>,
    #[command(flatten)]
    pub(crate) hold: HoldArgs,
}
