//! A sharded store over reference stores, as its users see it.
#![allow(clippy::unwrap_used, clippy::panic)]

mod model;
mod outages;
mod places;
mod reads;
mod support;
mod watches;
mod writes;
