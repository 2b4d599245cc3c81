//! Ports for systems that do not choose their own.

use crate::failure::{Failure, Outcome};
use std::net::TcpListener;

/// `count` different ports of the loopback address that nobody listens on now. They are held until
/// all are found; another program can still take one before it is used, which then fails loudly.
pub(super) fn free_ports(count: usize) -> Outcome<Vec<u16>> {
    let bind = |_| TcpListener::bind(("127.0.0.1", 0));
    let listeners: Result<Vec<_>, _> = (0..count).map(bind).collect();
    let ports =
        listeners.and_then(|held| held.iter().map(|l| Ok(l.local_addr()?.port())).collect());
    ports.map_err(|error| Failure::of("cannot find free ports", error))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ports_differ() {
        let ports: BTreeSet<u16> = free_ports(6).unwrap().into_iter().collect();
        assert_eq!(ports.len(), 6);
    }
}
