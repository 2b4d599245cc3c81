//! How a command ends: messages and exit codes.

use std::io;

use aspen_client::ConnectError;
use aspen_core::{
    Applied, ControlError, ErrorKind, InvalidRequest, ReadError, SqlError, WatchError, WriteError,
};
use aspen_layers::coordination::CoordinationError;

/// The exit codes, as `--help` documents them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// The cluster, the network or a file failed.
    Failed,
    /// The command line, a file's content or a limit is violated.
    Invalid,
    /// A key is absent, a compare failed, or what was read has changed.
    Negative,
    /// The ticket's rights do not allow it.
    Denied,
    /// The write may have happened.
    Unknown,
    /// A command that was run under a lock ended so.
    Command(u8),
}

impl ExitStatus {
    pub(crate) const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Invalid => 2,
            Self::Negative => 3,
            Self::Denied => 4,
            Self::Unknown => 5,
            Self::Command(code) => code,
        }
    }

    fn of_kind(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Invalid,
            ErrorKind::Conflict => Self::Negative,
            ErrorKind::Denied => Self::Denied,
            ErrorKind::Retry
            | ErrorKind::Refresh
            | ErrorKind::Unavailable
            | ErrorKind::Corrupt
            | ErrorKind::Bug => Self::Failed,
        }
    }
}

/// What ends a command before its normal end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    #[error("{0}")]
    Invalid(String),
    /// The answer is no; what there is to say was printed.
    #[error("the answer is no")]
    Negative,
    /// The reader of our output went away; nobody is left to talk to.
    #[error("the pipe is closed")]
    PipeClosed,
    #[error("{context}: {source}")]
    Io { context: String, source: io::Error },
    #[error("{0}")]
    Failed(String),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error(transparent)]
    Control(#[from] ControlError),
    #[error(transparent)]
    Watch(#[from] WatchError),
    #[error(transparent)]
    Coordination(#[from] CoordinationError),
    /// A command that was run has failed; it has said why.
    #[error("the command ended with code {0}")]
    Command(u8),
    #[error(transparent)]
    Sql(#[from] SqlError),
    /// An error with where it happened, for instance a line of a file.
    #[error("{context}: {source}")]
    At { context: String, source: Box<CliError> },
}

impl CliError {
    /// Wraps an I/O error with what was being done.
    pub(crate) fn io(context: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let context = context.into();
        move |source| match source.kind() {
            io::ErrorKind::BrokenPipe => Self::PipeClosed,
            _ => Self::Io { context, source },
        }
    }

    /// Adds where the error happened.
    pub(crate) fn at(self, context: impl Into<String>) -> Self {
        Self::At { context: context.into(), source: Box::new(self) }
    }

    pub(crate) fn status(&self) -> ExitStatus {
        match self {
            Self::Invalid(_) => ExitStatus::Invalid,
            Self::Negative => ExitStatus::Negative,
            Self::PipeClosed | Self::Io { .. } | Self::Failed(_) => ExitStatus::Failed,
            Self::Connect(error) => ExitStatus::of_kind(error.kind()),
            Self::Read(error) => ExitStatus::of_kind(error.kind()),
            Self::Write(error) if error.applied == Applied::Maybe => ExitStatus::Unknown,
            Self::Write(error) => ExitStatus::of_kind(error.kind()),
            Self::Control(ControlError::Timeout(_)) => ExitStatus::Unknown,
            Self::Control(error) => ExitStatus::of_kind(error.kind()),
            Self::Watch(error) => ExitStatus::of_kind(error.kind()),
            Self::Coordination(error) if error.may_have_applied() => ExitStatus::Unknown,
            Self::Coordination(error) => ExitStatus::of_kind(error.kind()),
            Self::Command(code) => ExitStatus::Command(*code),
            Self::Sql(error) => ExitStatus::of_kind(error.kind()),
            Self::At { source, .. } => source.status(),
        }
    }

    /// What to print; nothing when it was printed or nobody reads it.
    pub(crate) fn message(&self) -> Option<String> {
        match self {
            Self::Negative | Self::PipeClosed | Self::Command(_) => None,
            Self::At { source, .. } => source.message().map(|_| self.to_string()),
            other => Some(other.to_string()),
        }
    }
}

impl From<InvalidRequest> for CliError {
    fn from(error: InvalidRequest) -> Self {
        Self::Invalid(error.to_string())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use aspen_core::{Rejection, Revision, WriteFailure};

    use super::*;

    fn code(error: impl Into<CliError>) -> u8 {
        error.into().status().code()
    }

    #[test]
    fn failures_map_to_the_documented_codes() {
        let horizon = Revision::new(5);
        assert_eq!(code(ReadError::Timeout(String::new())), 1);
        assert_eq!(code(ReadError::Invalid(InvalidRequest::new("x"))), 2);
        assert_eq!(code(ReadError::Compacted { requested: Revision::new(1), horizon }), 3);
        assert_eq!(code(ReadError::Denied(String::new())), 4);
        assert_eq!(code(ControlError::Timeout(String::new())), 5);
        assert_eq!(code(ControlError::Denied(String::new())), 4);
        assert_eq!(code(ConnectError::NoPeers), 2);
        assert_eq!(code(SqlError::InvalidSql(String::new())), 2);
        assert_eq!(code(SqlError::TimedOut { limit_ms: 1 }), 1);
        assert_eq!(code(SqlError::Read(ReadError::Denied(String::new()))), 4);
        assert_eq!(code(CliError::Negative), 3);
    }

    #[test]
    fn an_unknown_outcome_outranks_the_reason() {
        let timeout = || WriteFailure::Timeout(String::new());
        assert_eq!(code(WriteError::maybe_applied(timeout())), 5);
        assert_eq!(code(WriteError::not_applied(timeout())), 1);
        assert_eq!(code(WriteError::maybe_applied(WriteFailure::Denied(String::new()))), 5);
        assert_eq!(code(WriteError::not_applied(Rejection::SessionExpired)), 2);
        let located = CliError::from(WriteError::maybe_applied(timeout())).at("lines 1 to 5");
        assert_eq!(located.status().code(), 5);
        assert!(located.message().unwrap().starts_with("lines 1 to 5: "));
    }

    #[test]
    fn a_closed_pipe_is_quiet() {
        let error = CliError::io("writing")(io::ErrorKind::BrokenPipe.into());
        assert_eq!((error.message(), error.status().code()), (None, 1));
    }
}
