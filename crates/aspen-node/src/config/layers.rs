//! How the layers become one configuration.

use std::path::Path;

use serde::Deserialize;
use toml::{Table, Value};

use super::settings::Setting;
use super::{Config, ConfigError, Kind, SETTINGS};

/// What the names of our environment variables begin with.
const ENVIRONMENT_PREFIX: &str = "ASPEN_";

/// Variables that share the prefix and belong to others: the client's ticket and what it logs, and
/// the name of the configuration file, which is read before the layers.
const ENVIRONMENT_OTHER: &[&str] = &["ASPEN_TICKET", "ASPEN_LOG", "ASPEN_CONFIG"];

/// Layers of settings; each overrides the ones before it.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    merged: Table,
}

impl Layers {
    /// Only the defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a TOML file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or has an unknown name or a bad value.
    pub fn file(self, path: &Path) -> Result<Self, ConfigError> {
        let wrong = |detail: String| ConfigError::File { path: path.to_owned(), detail };
        let text = std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let table = text.parse::<Table>().map_err(|error| wrong(error.to_string()))?;
        let origin = format!("configuration file {}", path.display());
        table.into_iter().try_fold(self, |layers, (name, value)| layers.set(&origin, &name, value))
    }

    /// Adds environment variables: those named `ASPEN_…`.
    ///
    /// # Errors
    /// When one of them has an unknown name or a bad value.
    pub fn environment(
        self,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        variables.into_iter().try_fold(self, |layers, (variable, text)| {
            let Some(name) = variable.strip_prefix(ENVIRONMENT_PREFIX) else { return Ok(layers) };
            if ENVIRONMENT_OTHER.contains(&variable.as_str()) {
                return Ok(layers);
            }
            let name = name.to_ascii_lowercase();
            if known(&name).is_none() {
                return Err(ConfigError::Unknown {
                    origin: "the environment".into(),
                    name: variable,
                });
            }
            layers.text("environment", &name, &text)
        })
    }

    /// Adds settings given as text, such as flags.
    ///
    /// # Errors
    /// When one of them has an unknown name or a bad value.
    pub fn texts<'a>(
        self,
        origin: &str,
        settings: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, ConfigError> {
        settings.into_iter().try_fold(self, |layers, (name, text)| layers.text(origin, name, text))
    }

    /// The configuration that the layers give; not validated as a whole yet.
    ///
    /// # Errors
    /// None that [`Layers::file`] and the others have not reported before.
    pub fn build(self) -> Result<Config, ConfigError> {
        Config::deserialize(self.merged).map_err(|error| ConfigError::Value {
            origin: "configuration".into(),
            name: "?".into(),
            detail: error.message().to_owned(),
        })
    }

    fn text(self, origin: &str, name: &str, text: &str) -> Result<Self, ConfigError> {
        let kind = known(name).map_or(Kind::Text, |setting| setting.kind);
        let value = parse(kind, text).ok_or_else(|| ConfigError::Value {
            origin: origin.to_owned(),
            name: name.to_owned(),
            detail: format!("cannot be `{text}`; it needs {}", expected(kind)),
        })?;
        self.set(origin, name, value)
    }

    /// Sets one value, after checking it alone, so that an error names its layer.
    fn set(mut self, origin: &str, name: &str, value: Value) -> Result<Self, ConfigError> {
        if known(name).is_none() {
            return Err(ConfigError::Unknown { origin: origin.to_owned(), name: name.to_owned() });
        }
        let alone = Table::from_iter([(name.to_owned(), value.clone())]);
        Config::deserialize(alone).map_err(|error| ConfigError::Value {
            origin: origin.to_owned(),
            name: name.to_owned(),
            detail: format!("cannot be used: {}", error.message()),
        })?;
        self.merged.insert(name.to_owned(), value);
        Ok(self)
    }
}

fn known(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|setting| setting.name == name)
}

fn parse(kind: Kind, text: &str) -> Option<Value> {
    match kind {
        Kind::Text => Some(Value::String(text.to_owned())),
        Kind::Integer => text.replace('_', "").parse().ok().map(Value::Integer),
        Kind::Flag => match text {
            "true" | "1" => Some(Value::Boolean(true)),
            "false" | "0" => Some(Value::Boolean(false)),
            _ => None,
        },
    }
}

fn expected(kind: Kind) -> &'static str {
    match kind {
        Kind::Text => "text",
        Kind::Integer => "a whole number",
        Kind::Flag => "`true` or `false`",
    }
}
