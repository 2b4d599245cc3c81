#![allow(clippy::unwrap_used, clippy::panic)]

mod golden;
mod hostile;
mod round_trip;
