//! Structured logs on standard error.

use tracing_subscriber::EnvFilter;

use crate::{Config, ConfigError, LogFormat};

/// Starts logging as configured; does nothing when the process logs already.
///
/// # Errors
/// When `log_filter` is no filter.
pub fn start_logging(config: &Config) -> Result<(), ConfigError> {
    let filter = EnvFilter::try_new(&config.log_filter).map_err(|error| ConfigError::Invalid {
        name: "log_filter",
        detail: format!("is `{}`: {error}", config.log_filter),
    })?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Starting twice fails, and means that the embedding program has its own logs.
    let _ = match config.log_format {
        LogFormat::Text => builder.with_ansi(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}
