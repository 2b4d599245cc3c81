//! Why a task ended early.

use std::fmt;

/// One sentence for the person at the terminal: what failed, and where they can look.
#[derive(Debug)]
pub(crate) struct Failure(String);

/// The result of a task or of a part of one.
pub(crate) type Outcome<T = ()> = Result<T, Failure>;

impl Failure {
    /// A failure described by `message`.
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    /// A failure of `action`, with what the system said about it.
    pub(crate) fn of(action: impl fmt::Display, cause: impl fmt::Display) -> Self {
        Self(format!("{action}: {cause}"))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
