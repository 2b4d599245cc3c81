//! What can be tuned about a client.

use std::time::Duration;

use aspen_core::{InvalidRequest, SESSION_IDLE_MS_MIN, SESSION_WINDOW_MAX};
use aspen_net::Reach;
#[cfg(not(madsim))]
use aspen_net::Ticket;
use serde::{Deserialize, Serialize};

/// How a [`crate::Client`] behaves. `Default` fits a cluster on one continent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClientOptions {
    /// The deadline of one read, scan or write with all its retries, in milliseconds. Longer rides
    /// out longer outages; shorter tells the caller sooner. Failovers take up to 6 s. From
    /// [`SESSION_IDLE_MS_MIN`] on, a write that is retried for so long may lose its session when
    /// the cluster has too many, and then cannot say whether it happened. While nodes answer that
    /// they are unavailable, 8 s are enough (1 s when their disk is full), and the error says so.
    pub request_timeout_ms: u64,
    /// The deadline of one attempt at one node, in milliseconds; large requests and pages get more
    /// by their size. Longer suits slow disks and links;
    /// shorter leaves a node that hangs sooner. Attempts also end when the connection is lost,
    /// which a dead node shows within about 1 s.
    pub attempt_timeout_ms: u64,
    /// The deadline of a control request that changes something, in milliseconds. Adding a node
    /// waits until it has caught up: longer suits large stores, shorter reports a stuck node
    /// sooner.
    pub control_timeout_ms: u64,
    /// The first pause between attempts, in milliseconds; each further one doubles. Longer spares a
    /// struggling cluster; shorter notices its recovery sooner.
    pub backoff_ms_min: u64,
    /// The longest pause between attempts, in milliseconds. The same trade.
    pub backoff_ms_max: u64,
    /// How many writes may be in flight at once, `1..SESSION_WINDOW_MAX`; more wait. More fill
    /// larger batches; fewer bound the memory and the latency under overload.
    pub writes_in_flight_max: usize,
    /// How many reads and scans may be in flight at once; more wait. The same trade.
    pub reads_in_flight_max: usize,
    /// How old the client's picture of nodes and leaders may grow while it is in use, in
    /// milliseconds; any failure refreshes it at once. Shorter finds new nodes sooner and costs one
    /// small request each time.
    pub refresh_ms: u64,
    /// Which nodes the client's endpoint can reach. `None` takes loopback when the ticket names
    /// only addresses of this machine and the local network otherwise; a relay must be named.
    pub reach: Option<Reach>,
}

/// The default of [`ClientOptions::request_timeout_ms`].
const REQUEST_TIMEOUT_MS: u64 = 10_000;

// The retries of a write must find its session open.
const _: () = assert!(REQUEST_TIMEOUT_MS < SESSION_IDLE_MS_MIN);

impl Default for ClientOptions {
    fn default() -> Self {
        Self {
            request_timeout_ms: REQUEST_TIMEOUT_MS,
            attempt_timeout_ms: 3_000,
            control_timeout_ms: 60_000,
            backoff_ms_min: 20,
            backoff_ms_max: 250,
            writes_in_flight_max: 512,
            reads_in_flight_max: 4_096,
            refresh_ms: 30_000,
            reach: None,
        }
    }
}

impl ClientOptions {
    /// Checks every field and the relations between them.
    ///
    /// # Errors
    /// Names the field.
    pub fn validate(&self) -> Result<(), InvalidRequest> {
        let timings = [
            ("request_timeout_ms", self.request_timeout_ms),
            ("attempt_timeout_ms", self.attempt_timeout_ms),
            ("control_timeout_ms", self.control_timeout_ms),
            ("backoff_ms_min", self.backoff_ms_min),
            ("refresh_ms", self.refresh_ms),
            ("reads_in_flight_max", self.reads_in_flight_max as u64),
        ];
        if let Some((field, _)) = timings.iter().find(|(_, value)| *value == 0) {
            return Err(InvalidRequest::new(format!("{field} must be at least 1")));
        }
        if self.backoff_ms_max < self.backoff_ms_min {
            return Err(InvalidRequest::new("backoff_ms_max must be at least backoff_ms_min"));
        }
        let window = 1..SESSION_WINDOW_MAX;
        if !window.contains(&(self.writes_in_flight_max as u64)) {
            return Err(InvalidRequest::new(format!(
                "writes_in_flight_max must be in 1..{SESSION_WINDOW_MAX} (SESSION_WINDOW_MAX)"
            )));
        }
        Ok(())
    }

    /// The reach for the cluster that a ticket names.
    #[cfg(not(madsim))]
    pub(crate) fn reach_for(&self, ticket: &Ticket) -> Reach {
        let addresses = || ticket.peers.iter().flat_map(|peer| &peer.addresses);
        match &self.reach {
            Some(reach) => reach.clone(),
            None if addresses().all(|address| address.ip().is_loopback()) => Reach::Loopback,
            None => Reach::Lan,
        }
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        Duration::from_millis(self.request_timeout_ms)
    }

    pub(crate) fn attempt_timeout(&self) -> Duration {
        Duration::from_millis(self.attempt_timeout_ms)
    }

    pub(crate) fn control_timeout(&self) -> Duration {
        Duration::from_millis(self.control_timeout_ms)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_valid_and_errors_name_the_field() {
        ClientOptions::default().validate().unwrap();
        let too_many = ClientOptions { writes_in_flight_max: 1024, ..ClientOptions::default() };
        assert!(too_many.validate().unwrap_err().to_string().contains("writes_in_flight_max"));
        let zero = ClientOptions { attempt_timeout_ms: 0, ..ClientOptions::default() };
        assert!(zero.validate().unwrap_err().to_string().contains("attempt_timeout_ms"));
    }
}
