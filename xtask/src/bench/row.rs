//! One measured row, as the systems' drivers print it.

use crate::failure::{Failure, Outcome};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The figures of one workload at one number of clients.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Row {
    /// `aspen` or the peer's name.
    pub(super) system: String,
    pub(super) workload: String,
    pub(super) clients: u64,
    pub(super) nodes: u64,
    pub(super) ops_per_s: f64,
    /// Latencies in microseconds.
    pub(super) p50_us: u64,
    pub(super) p99_us: u64,
    pub(super) max_us: u64,
    /// Operations that failed; they are in no other figure.
    pub(super) errors: u64,
    /// The largest resident set of any node while this row was measured, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) rss_mib_max: Option<u64>,
    /// What a driver says beyond this is passed on.
    #[serde(flatten)]
    pub(super) other: Map<String, Value>,
}

impl Row {
    /// The first JSON object in a driver's output.
    pub(super) fn parse(output: &str) -> Outcome<Self> {
        let line = output.lines().find(|line| line.trim_start().starts_with('{'));
        let line = line.ok_or_else(|| Failure::new("the driver printed no JSON object"))?;
        serde_json::from_str(line).map_err(|error| Failure::of(format!("`{line}`"), error))
    }

    /// Whether both rows measure the same thing, on different systems or not.
    pub(super) fn matches(&self, other: &Self) -> bool {
        (&self.workload, self.clients, self.nodes) == (&other.workload, other.clients, other.nodes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    const LINE: &str = r#"{"system":"aspen","workload":"put","clients":64,"nodes":3,
        "ops_per_s":1000.5,"p50_us":900,"p99_us":2000,"max_us":9000,"errors":0,"extra":"kept"}"#;

    #[test]
    fn a_row_is_found_among_other_lines_and_keeps_what_it_does_not_know() {
        let output = format!("loading\n{}\n", LINE.replace('\n', ""));
        let row = Row::parse(&output).unwrap();
        assert_eq!((row.clients, row.rss_mib_max), (64, None));
        let json = serde_json::to_string(&row).unwrap();
        assert!(json.contains(r#""extra":"kept""#) && !json.contains("rss"), "{json}");
    }

    #[test]
    fn output_without_a_row_is_a_failure() {
        assert!(Row::parse("nothing\n").is_err());
        assert!(Row::parse("{\"system\":1}\n").is_err());
    }
}
