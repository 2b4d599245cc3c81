//! The ticket of the cluster to join, in a file.

use std::path::Path;
use std::time::Duration;

use aspen_core::runtime;
use aspen_net::Ticket;

use crate::join::{JoinFailure, Patience};

/// Reads a ticket from a file that another process may still have to write.
pub(super) async fn await_ticket(path: &Path, timeout: Duration) -> Result<Ticket, JoinFailure> {
    let mut patience = Patience::of(timeout);
    loop {
        let last = match read_ticket(path).await {
            Ok(ticket) => return Ok(ticket),
            Err(cause) => cause,
        };
        if !patience.pause().await {
            return Err(JoinFailure::TicketFile(path.display().to_string(), last));
        }
    }
}

/// Reads a ticket from a file.
pub(super) async fn read_ticket(path: &Path) -> Result<Ticket, String> {
    let path = path.to_owned();
    let text = runtime::spawn_blocking(move || std::fs::read_to_string(path)).await;
    let text = text.and_then(|text| text).map_err(|error| error.to_string())?;
    text.trim().parse().map_err(|error| format!("{error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use aspen_core::ClusterId;

    use super::*;

    #[tokio::test]
    async fn a_ticket_file_may_come_late_but_not_never() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("ticket");
        let error = await_ticket(&path, Duration::ZERO).await.unwrap_err().to_string();
        assert!(error.contains("ticket"), "{error}");
        let ticket = Ticket { cluster: ClusterId::new([1; 16]), peers: vec![], grant: None };
        let text = ticket.to_string();
        let late = runtime::spawn(async move {
            std::fs::write(&path, text).unwrap();
            path
        });
        let path = late.await.unwrap();
        assert_eq!(await_ticket(&path, Duration::from_secs(60)).await.unwrap(), ticket);
    }
}
