//! Which runtime carries consensus. The only line that changes under a simulator: it supplies its
//! own type here with `cfg(madsim)`, and everything else goes through [`aspen_core::runtime`].

/// The runtime of openraft's tasks, timers and channels.
pub(crate) type Runtime = openraft_rt_tokio::TokioRuntime;
