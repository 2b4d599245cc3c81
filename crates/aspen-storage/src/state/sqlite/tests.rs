#![allow(clippy::unwrap_used, clippy::panic)]

mod concurrency;
mod crash;
mod files;
mod model;
mod pins;
mod query;
mod snapshots;
mod support;
mod upgrade;
mod writing;
