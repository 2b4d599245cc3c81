//! What can be wrong with a configuration.

use std::path::PathBuf;

/// A configuration that cannot be used; the text names the setting and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {}: {detail}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why, in words.
        detail: String,
    },
    /// A name that no setting has; a typing error would otherwise be a silently ignored wish.
    #[error("{origin} has no setting `{name}`; see `aspen-node --help` for the names")]
    Unknown {
        /// The layer that names it.
        origin: String,
        /// The name as given.
        name: String,
    },
    /// A value that the setting cannot take.
    #[error("{origin}: `{name}` {detail}")]
    Value {
        /// The layer that gives it.
        origin: String,
        /// The setting.
        name: String,
        /// What is wrong.
        detail: String,
    },
    /// A value, or a combination of values, that makes no working node.
    #[error("setting `{name}` {detail}")]
    Invalid {
        /// The setting.
        name: &'static str,
        /// What is wrong and what to do.
        detail: String,
    },
}

impl ConfigError {
    pub(super) fn invalid(name: &'static str, detail: impl Into<String>) -> Self {
        Self::Invalid { name, detail: detail.into() }
    }
}
