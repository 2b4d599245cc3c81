//! What can be chosen about an endpoint.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use aspen_core::NodeId;
use serde::{Deserialize, Serialize};

use crate::{Cookie, Reach, SecretKey};

/// Options that contradict each other.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {detail}")]
pub struct InvalidNetOptions {
    /// The field that is wrong.
    pub field: &'static str,
    /// What is wrong with it, and what to do.
    pub detail: String,
}

/// How quickly an endpoint notices and retries.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NetTimings {
    /// How often an idle connection sends a packet, in milliseconds. Less costs CPU per
    /// connection; more needs a longer `idle_timeout_ms`.
    pub keep_alive_ms: u64,
    /// After how long a silence a connection counts as dead, in milliseconds. Less notices a dead
    /// peer sooner; more survives longer stalls of a process or a link.
    pub idle_timeout_ms: u64,
    /// How long one attempt to connect may take, in milliseconds. Less fails over sooner; more
    /// reaches peers over slower links.
    pub connect_timeout_ms: u64,
    /// The pause after the first failed attempt, in milliseconds; it doubles up to
    /// `backoff_ms_max`. Less finds a restarted peer sooner; more spares the network.
    pub backoff_ms_min: u64,
    /// The longest pause between attempts, in milliseconds.
    pub backoff_ms_max: u64,
    /// How long a stranger may take to complete a handshake and prove itself, in milliseconds.
    /// Less frees what a stalled stranger holds sooner; more admits slower links.
    pub handshake_timeout_ms: u64,
}

impl Default for NetTimings {
    fn default() -> Self {
        Self {
            keep_alive_ms: 250,
            idle_timeout_ms: 1_000,
            connect_timeout_ms: 1_000,
            backoff_ms_min: 20,
            backoff_ms_max: 500,
            handshake_timeout_ms: 5_000,
        }
    }
}

impl NetTimings {
    /// Checks the relations between the fields.
    ///
    /// # Errors
    /// Names the field that breaks one.
    pub fn validate(&self) -> Result<(), InvalidNetOptions> {
        let positive = [
            ("keep_alive_ms", self.keep_alive_ms),
            ("connect_timeout_ms", self.connect_timeout_ms),
            ("backoff_ms_min", self.backoff_ms_min),
            ("handshake_timeout_ms", self.handshake_timeout_ms),
        ];
        if let Some((field, _)) = positive.into_iter().find(|(_, value)| *value == 0) {
            return Err(invalid(field, "must be at least 1"));
        }
        if self.idle_timeout_ms < 2 * self.keep_alive_ms {
            return Err(invalid(
                "idle_timeout_ms",
                "must be at least twice keep_alive_ms, or one lost packet ends a connection",
            ));
        }
        if self.backoff_ms_max < self.backoff_ms_min {
            return Err(invalid("backoff_ms_max", "must not be below backoff_ms_min"));
        }
        Ok(())
    }

    pub(crate) fn connect_timeout(&self) -> Duration {
        Duration::from_millis(self.connect_timeout_ms)
    }

    pub(crate) fn handshake_timeout(&self) -> Duration {
        Duration::from_millis(self.handshake_timeout_ms)
    }
}

/// What a node's endpoint needs to know.
#[derive(Clone, Debug)]
pub struct NodeNetOptions {
    /// The node's id.
    pub node: NodeId,
    /// Its key.
    pub secret: SecretKey,
    /// The cluster's cookie.
    pub cookie: Cookie,
    /// Where to listen. Port 0 lets the operating system choose; an unspecified address
    /// (`0.0.0.0`) listens on loopback only under [`Reach::Loopback`].
    pub listen: SocketAddr,
    /// The addresses that others are told; empty for those that the machine is found to have.
    pub advertise: Vec<SocketAddr>,
    /// Who can reach it.
    pub reach: Reach,
    /// How quickly it notices and retries.
    pub timings: NetTimings,
    /// How many connections of clients it accepts. A connection holds about 180 kB; more admits
    /// more clients.
    pub connections_max: usize,
    /// How many bytes of requests it reads and handles at a time, over all connections, of clients
    /// and again of members. Less bounds memory more tightly; more lets more large requests run at
    /// once.
    pub inbound_bytes_max: usize,
}

impl NodeNetOptions {
    /// The defaults: loopback only, a port that the operating system chooses.
    pub fn new(node: NodeId, secret: SecretKey, cookie: Cookie) -> Self {
        Self {
            node,
            secret,
            cookie,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            advertise: Vec::new(),
            reach: Reach::default(),
            timings: NetTimings::default(),
            connections_max: 10_000,
            inbound_bytes_max: 256 * 1024 * 1024,
        }
    }

    /// Checks the options.
    ///
    /// # Errors
    /// Names the field that is wrong.
    pub fn validate(&self) -> Result<(), InvalidNetOptions> {
        self.timings.validate()?;
        if self.connections_max == 0 {
            return Err(invalid("connections_max", "must be at least 1"));
        }
        if self.inbound_bytes_max < 2 * aspen_core::MESSAGE_BYTES_MAX {
            return Err(invalid("inbound_bytes_max", "must hold two messages (20 MiB)"));
        }
        Ok(())
    }
}

/// What a client's endpoint may be told.
#[derive(Clone, Debug, Default)]
pub struct ClientNetOptions {
    /// Its key; `None` draws one at random.
    pub secret: Option<SecretKey>,
    /// Which nodes it can reach: [`Reach::Loopback`] only those on this machine.
    pub reach: Reach,
    /// How quickly it notices and retries.
    pub timings: NetTimings,
}

/// The address to bind for a wish and a reach.
pub(crate) fn bind_address(
    listen: SocketAddr,
    reach: &Reach,
) -> Result<SocketAddr, InvalidNetOptions> {
    match reach {
        Reach::Loopback if listen.ip().is_loopback() => Ok(listen),
        Reach::Loopback if listen.ip().is_unspecified() => {
            Ok(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), listen.port()))
        }
        Reach::Loopback => Err(invalid(
            "listen",
            "is no loopback address, but reach is loopback; set reach to lan to serve others",
        )),
        Reach::Relay { url: None } => {
            Err(invalid("reach", "relay needs the url of a relay server"))
        }
        Reach::Lan | Reach::Relay { url: Some(_) } => Ok(listen),
    }
}

pub(crate) fn invalid(field: &'static str, detail: &str) -> InvalidNetOptions {
    InvalidNetOptions { field, detail: detail.to_owned() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use super::*;

    #[test]
    fn loopback_never_listens_to_others() {
        let bind = |listen: &str| bind_address(listen.parse().unwrap(), &Reach::Loopback);
        assert_eq!(bind("0.0.0.0:7").unwrap().to_string(), "127.0.0.1:7");
        assert_eq!(bind("[::1]:7").unwrap().to_string(), "[::1]:7");
        assert_eq!(bind("10.0.0.1:7").unwrap_err().field, "listen");
        let relay = Reach::Relay { url: None };
        assert_eq!(bind_address("0.0.0.0:7".parse().unwrap(), &relay).unwrap_err().field, "reach");
    }

    #[test]
    fn timings_that_contradict_each_other_name_the_field() {
        assert!(NetTimings::default().validate().is_ok());
        let short = NetTimings { idle_timeout_ms: 300, ..NetTimings::default() };
        assert_eq!(short.validate().unwrap_err().field, "idle_timeout_ms");
        let zero = NetTimings { connect_timeout_ms: 0, ..NetTimings::default() };
        assert_eq!(zero.validate().unwrap_err().field, "connect_timeout_ms");
        let inverted = NetTimings { backoff_ms_max: 1, ..NetTimings::default() };
        assert_eq!(inverted.validate().unwrap_err().field, "backoff_ms_max");
    }
}
