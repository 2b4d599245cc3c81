//! Writes: exactly once, through a session.

use std::sync::Arc;

use aspen_core::{
    ClientId, Command, GroupId, Rejection, Reply, TransactionOutcome, WriteCommand, WriteError,
    WriteFailure, runtime,
};

use crate::deadline::Deadline;
use crate::propose::{Answer, Proposing};
use crate::session::Session;
use crate::shared::{Shared, group_for};

impl Shared {
    /// Runs a write. See the trait for its meaning.
    pub(crate) async fn write(
        self: &Arc<Self>,
        command: WriteCommand,
    ) -> Result<TransactionOutcome, WriteError> {
        let transaction = command.into_transaction()?;
        match self.propose_once(Command::Transaction(transaction)).await? {
            Reply::Transaction(outcome) => Ok(outcome),
            other => Err(WriteError::maybe_applied(wrong_reply("Transaction", &other))),
        }
    }

    /// Runs a command exactly once; answers its reply, which is no rejection.
    pub(crate) async fn propose_once(
        self: &Arc<Self>,
        command: Command,
    ) -> Result<Reply, WriteError> {
        let deadline = Deadline::after(self.options.request_timeout());
        let _permit = deadline.limit(self.writes.acquire()).await.map_err(|_| {
            overloaded(&format!("{} writes are in flight", self.options.writes_in_flight_max))
        })?;
        self.propose_in_session(group_for(), command, deadline).await
    }

    /// Sends the command in the group's session; in a new one when the group has dropped the
    /// session before it can have seen this one.
    async fn propose_in_session(
        self: &Arc<Self>,
        group: GroupId,
        command: Command,
        deadline: Deadline,
    ) -> Result<Reply, WriteError> {
        loop {
            let session = self.session(group, deadline).await?;
            let write = deadline.limit(session.begin()).await.map_err(|_| {
                overloaded("an older write is stuck and holds the session's window")
            })?;
            let stamp = Some(write.stamp);
            let proposing = Proposing::new(self, group, stamp, command.clone(), deadline);
            let answer = proposing.run().await?;
            match answer {
                Answer {
                    reply: Reply::Rejected(Rejection::SessionExpired),
                    sent_before: false,
                } => {
                    self.sessions.discard(group, &session);
                }
                answer => {
                    if answer.reply == Reply::Rejected(Rejection::SessionExpired) {
                        self.sessions.discard(group, &session);
                    }
                    return outcome(answer);
                }
            }
        }
    }

    /// The group's session, opened when there is none.
    async fn session(
        self: &Arc<Self>,
        group: GroupId,
        deadline: Deadline,
    ) -> Result<Arc<Session>, WriteError> {
        if let Some(session) = self.sessions.current(group) {
            return Ok(session);
        }
        let _opening = deadline
            .limit(self.sessions.opening.lock())
            .await
            .map_err(|_| timed_out(deadline.describe(Some("opening a session"))))?;
        if let Some(session) = self.sessions.current(group) {
            return Ok(session);
        }
        let client = ClientId::new(runtime::random_bytes());
        self.open_session(group, client, deadline).await?;
        let session = Session::new(client);
        self.sessions.insert(group, session.clone());
        Ok(session)
    }

    /// Opens a session. Whatever becomes of it, the caller's write has not been sent.
    async fn open_session(
        self: &Arc<Self>,
        group: GroupId,
        client: ClientId,
        deadline: Deadline,
    ) -> Result<(), WriteError> {
        let command = Command::OpenSession { client };
        let answer = Proposing::new(self, group, None, command, deadline)
            .run()
            .await
            .map_err(|error| WriteError::not_applied(error.failure))?;
        match answer.reply {
            Reply::SessionOpen => Ok(()),
            Reply::Rejected(rejection) => Err(WriteError::not_applied(rejection)),
            other => Err(WriteError::not_applied(wrong_reply("OpenSession", &other))),
        }
    }
}

/// Turns a reply into the caller's result.
///
/// A rejection means that nothing happened, with two exceptions: a session that expired after an
/// earlier attempt was sent leaves the outcome unknown, and `ResultDropped` says that the write
/// *did* happen although its result is gone. Both are `Applied::Maybe`, which is the strongest that
/// the type can say; the failure inside tells them apart.
fn outcome(answer: Answer) -> Result<Reply, WriteError> {
    match answer.reply {
        Reply::Rejected(rejection) => Err(match &rejection {
            Rejection::ResultDropped { .. } => WriteError::maybe_applied(rejection),
            Rejection::SessionExpired | Rejection::OutsideWindow { .. } if answer.sent_before => {
                WriteError::maybe_applied(rejection)
            }
            _ => WriteError::not_applied(rejection),
        }),
        reply => Ok(reply),
    }
}

pub(crate) fn wrong_reply(command: &str, reply: &Reply) -> WriteFailure {
    WriteFailure::Bug(format!("unexpected reply to {command}: {reply:?}"))
}

fn overloaded(detail: &str) -> WriteError {
    WriteError::not_applied(WriteFailure::Overloaded(detail.to_owned()))
}

fn timed_out(detail: String) -> WriteError {
    WriteError::not_applied(WriteFailure::Timeout(detail))
}
