#![allow(clippy::unwrap_used, clippy::panic)]

mod concurrency;
mod files;
mod model;
mod snapshots;
mod support;
mod writing;
