//! `aspen ticket`

use aspen_client::Ticket;
use aspen_core::{ControlError, ControlRequest, ControlResponse, Rights, runtime};
use serde_json::{Value as Json, json};

use super::{TIMEOUT_DEFAULT, closing, connect, invalid_ticket, ticket_text};
use crate::args::GlobalArgs;
use crate::args::cluster::{TicketArgs, TicketCommand};
use crate::exit::CliError;
use crate::output::Output;

pub(super) async fn run(
    global: &GlobalArgs,
    args: TicketArgs,
    output: &mut Output,
) -> Result<(), CliError> {
    match args.command {
        None => {
            let client = connect(global, TIMEOUT_DEFAULT).await?;
            closing(client.clone(), async {
                match client.control(ControlRequest::Ticket).await? {
                    ControlResponse::Ticket(text) => print(&text, output),
                    other => Err(ControlError::Bug(format!("unexpected answer: {other:?}")).into()),
                }
            })
            .await
        }
        Some(TicketCommand::Inspect { text }) => inspect(global, text, output),
    }
}

fn print(ticket: &str, output: &mut Output) -> Result<(), CliError> {
    match output.is_json() {
        true => output.json(&json!({"ticket": ticket})),
        false => output.line(ticket),
    }
}

fn inspect(global: &GlobalArgs, text: Option<String>, output: &mut Output) -> Result<(), CliError> {
    let text = match text {
        Some(text) if text == "-" => std::io::read_to_string(std::io::stdin())
            .map_err(CliError::io("cannot read standard input"))?,
        Some(text) => text,
        None => ticket_text(global)?,
    };
    let ticket: Ticket = text.trim().parse().map_err(invalid_ticket)?;
    match output.is_json() {
        true => output.json(&ticket_json(&ticket)),
        false => print_ticket(&ticket, output),
    }
}

fn rights(rights: Rights) -> &'static str {
    match rights {
        Rights::Read => "read",
        Rights::Write => "write",
        Rights::Admin => "admin",
    }
}

fn print_ticket(ticket: &Ticket, output: &mut Output) -> Result<(), CliError> {
    output.line(format!("cluster {}", ticket.cluster))?;
    match &ticket.grant {
        None => output.line("no grant: good for joining, not for clients")?,
        Some(grant) => {
            let expiry = match grant.expires_ms() {
                None => "never expires".to_owned(),
                Some(at_ms) => expiry(at_ms, runtime::unix_time_ms()),
            };
            output.line(format!("rights {}, {expiry}", rights(grant.rights())))?;
        }
    }
    let rows = ticket.peers.iter().map(|peer| {
        let addresses: Vec<String> = peer.addresses.iter().map(ToString::to_string).collect();
        vec![peer.endpoint.to_string(), addresses.join(" ")]
    });
    output.table(&["peer", "addresses"], rows)
}

/// How far away the end of a grant is.
fn expiry(at_ms: u64, now_ms: u64) -> String {
    match at_ms.checked_sub(now_ms) {
        None => format!("expired {} s ago", (now_ms - at_ms) / 1_000),
        Some(left_ms) => format!("expires in {} s", left_ms / 1_000),
    }
}

fn ticket_json(ticket: &Ticket) -> Json {
    let peers: Vec<Json> = ticket
        .peers
        .iter()
        .map(|peer| json!({"endpoint": peer.endpoint.to_string(), "addresses": peer.addresses}))
        .collect();
    let grant = ticket.grant.as_ref();
    json!({
        "cluster_id": ticket.cluster.to_string(),
        "peers": peers,
        "rights": grant.map(|grant| rights(grant.rights())),
        "expires_unix_ms": grant.and_then(|grant| grant.expires_ms()),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use aspen_client::PeerAddress;
    use aspen_core::{ClusterId, EndpointKey};

    use super::*;
    use crate::output::tests::Captured;

    #[test]
    fn a_ticket_is_shown_without_a_connection() {
        let peer = PeerAddress {
            endpoint: EndpointKey::new([7; 32]),
            addresses: vec!["127.0.0.1:9".parse().unwrap()],
        };
        let ticket = Ticket { cluster: ClusterId::new([3; 16]), peers: vec![peer], grant: None };
        let sink = Captured::default();
        print_ticket(&ticket, &mut Output::new(false, Box::new(sink.clone()))).unwrap();
        let text = sink.text();
        assert!(text.contains("127.0.0.1:9") && text.contains("no grant"), "{text}");
        let json = ticket_json(&ticket);
        assert_eq!(json["cluster_id"], "03".repeat(16));
        assert_eq!(json["rights"], Json::Null);
    }

    #[test]
    fn expiry_is_told_from_now() {
        assert_eq!(expiry(5_000, 2_000), "expires in 3 s");
        assert_eq!(expiry(2_000, 5_000), "expired 3 s ago");
    }
}
