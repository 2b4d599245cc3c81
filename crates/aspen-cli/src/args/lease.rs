//! `aspen lease …`

use std::time::Duration;

use aspen_core::LeaseId;
use clap::Subcommand;

use super::parse_duration;

/// Grant leases, keep them alive and end them.
#[derive(Debug, Subcommand)]
pub(crate) enum LeaseCommand {
    /// Grant a lease and print its id.
    Grant {
        /// How long it lives unless it is kept alive: seconds, or with a unit (1500ms, 10s, 2m).
        #[arg(value_parser = parse_duration)]
        ttl: Duration,
        /// Its id; drawn unless given.
        #[arg(long, value_parser = parse_lease)]
        id: Option<LeaseId>,
    },
    /// Give a lease its whole time again, once; exit code 3 when there is none.
    KeepAlive {
        /// Its id.
        #[arg(value_parser = parse_lease)]
        id: LeaseId,
    },
    /// End a lease and delete its keys; exit code 3 when there is none.
    Revoke {
        /// Its id.
        #[arg(value_parser = parse_lease)]
        id: LeaseId,
    },
    /// Show how long a lease has left; exit code 3 when there is none.
    Ttl {
        /// Its id.
        #[arg(value_parser = parse_lease)]
        id: LeaseId,
        /// Name its keys too.
        #[arg(long)]
        keys: bool,
    },
    /// List all leases, but those of keys with a TTL of their own.
    List,
}

/// Parses a lease's id.
pub(crate) fn parse_lease(text: &str) -> Result<LeaseId, String> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a lease's id, a number from 1".to_owned()),
        Ok(id) => Ok(LeaseId::new(id)),
    }
}
