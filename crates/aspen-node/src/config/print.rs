//! The effective configuration as text.

use super::settings::SecretText;
use super::{Config, ConfigError};

impl Config {
    /// The configuration as a TOML file that gives it again, except for the cookie, which is not
    /// shown.
    ///
    /// # Errors
    /// When a path is not Unicode.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        let mut shown = self.clone();
        if !shown.cookie.is_empty() {
            shown.cookie = SecretText::new("(redacted)");
        }
        toml::to_string(&shown).map_err(|error| ConfigError::Value {
            origin: "configuration".into(),
            name: "dir".into(),
            detail: format!("cannot be printed: {error}"),
        })
    }
}
