//! Bytes from outside: every decoder answers hostile ones with an error that says what is wrong,
//! soon, without a panic, and with memory in proportion to what it was given.
#![cfg(not(madsim))]
#![allow(clippy::unwrap_used, clippy::panic)]

mod configuration;
mod data_dir;
mod heap;
mod hostile;
mod log_entries;
mod peer_messages;
mod requests;
mod snapshots;
mod tuples;
