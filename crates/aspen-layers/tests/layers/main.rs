//! Tuples, subspaces and directories over the reference store, as their users see them.
#![allow(clippy::unwrap_used, clippy::panic)]

mod allocation;
mod directories;
mod generated;
mod golden;
mod guide;
mod hostile;
mod order;
mod stored;
mod support;
mod typed;
