//! Which runtime carries consensus: tokio, or the simulator. Everything else of this crate goes
//! through [`aspen_core::runtime`].

#[cfg(madsim)]
mod instant;
#[cfg(madsim)]
mod random;
#[cfg(madsim)]
mod sim;
#[cfg(madsim)]
mod timeout;
#[cfg(madsim)]
mod watch;

/// The runtime of openraft's tasks, timers and channels.
#[cfg(not(madsim))]
pub(crate) type Runtime = openraft_rt_tokio::TokioRuntime;
#[cfg(madsim)]
pub(crate) type Runtime = sim::SimRuntime;
