//! The `aspen` command as this program's client.

use super::status::Status;
use crate::exec::output_within;
use crate::failure::{Failure, Outcome};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long one question may take; longer than what the client is told to wait for a cluster
/// without a leader, so that its reason is heard.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// Runs `aspen` with one ticket.
pub(crate) struct Client {
    program: PathBuf,
    ticket: String,
}

#[derive(Deserialize)]
struct TicketAnswer {
    ticket: String,
}

impl Client {
    /// A client for the ticket in `file`; `None` when there is no ticket yet.
    pub(crate) fn with_ticket_file(program: &Path, file: &Path) -> Option<Self> {
        let ticket = std::fs::read_to_string(file).ok()?.trim().to_string();
        (!ticket.is_empty()).then(|| Self { program: program.to_path_buf(), ticket })
    }

    /// The ticket it uses.
    pub(crate) fn ticket(&self) -> &str {
        &self.ticket
    }

    /// `aspen` with the ticket in its environment, where other users cannot read it, and
    /// `arguments`.
    pub(crate) fn command<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env("ASPEN_TICKET", &self.ticket);
        command
    }

    /// What the cluster says about its nodes and groups.
    pub(crate) fn status(&self) -> Outcome<Status> {
        let json = self.ask(["--timeout", "5s", "--json", "cluster", "status"])?;
        serde_json::from_str(&json).map_err(|error| Failure::of("status is not as expected", error))
    }

    /// A ticket that names every node that serves now.
    pub(crate) fn fresh_ticket(&self) -> Outcome<String> {
        let json = self.ask(["--json", "ticket"])?;
        let answer: TicketAnswer = serde_json::from_str(&json)
            .map_err(|error| Failure::of("the new ticket is not as expected", error))?;
        Ok(answer.ticket)
    }

    /// Runs one short command and returns what it printed.
    pub(crate) fn ask<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Outcome<String> {
        output_within(&mut self.command(arguments), ANSWER_WITHIN)
    }
}
