//! Endpoints of one process talk to each other over loopback.
#![cfg(not(madsim))]
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod clients;
mod hostile;
mod joins;
mod peers;
mod restarts;
mod support;
