//! The client against a scripted cluster in this process.
#![allow(clippy::unwrap_used, clippy::panic)]

mod fake;
mod outages;
mod reads;
mod routing;
mod watches;
mod writes;
