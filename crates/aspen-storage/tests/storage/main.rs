//! Every state machine against the reference model, with the same random commands.
#![allow(clippy::unwrap_used, clippy::panic)]

mod canaries;
mod check;
mod equivalence;
mod model;
mod plan;
mod read_limit;
mod stories;
mod subject;
