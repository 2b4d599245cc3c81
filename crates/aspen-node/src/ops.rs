//! The operations listener: `/health`, `/ready` and `/metrics` over HTTP, for monitoring systems.

mod http;
mod prometheus;
mod report;
mod sample;

pub(crate) use http::serve;
pub(crate) use prometheus::{Exposition, Sample};
pub(crate) use report::{GroupSample, Number, Report};
