//! Connections to the members.

use etcd_client::{Client, Error};

/// At most this many connections, spread evenly: one connection's framing is a bottleneck for
/// hundreds of clients, and a connection for each costs more than it brings.
const CONNECTIONS_MAX: usize = 12;

/// One client per closed loop; loops share connections.
pub async fn open(endpoints: &[String], clients: usize) -> Result<Vec<Client>, Error> {
    let mut connections = Vec::new();
    for endpoint in endpoints.iter().cycle().take(clients.clamp(1, CONNECTIONS_MAX)) {
        connections.push(Client::connect([endpoint], None).await?);
    }
    Ok(connections.iter().cycle().take(clients).cloned().collect())
}
