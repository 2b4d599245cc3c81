//! Configuration: one table of settings, filled in layers: defaults, file, environment, flags.

mod error;
mod layers;
mod print;
mod settings;
#[cfg(test)]
mod tests;
mod validate;

pub use error::ConfigError;
pub use layers::Layers;
pub use settings::{Config, LogFormat, ReachSetting, SecretText, Setting, settings};
pub(crate) use settings::{Kind, SETTINGS};
