//! Being asked to end.

use aspen_core::runtime;
use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::exit::CliError;

/// The signals by which people and supervisors end a process, one after the other.
pub(super) struct Interrupts {
    arriving: mpsc::Receiver<Signal>,
}

/// Listens; from now on the signals do not end the process by themselves.
///
/// # Errors
/// When the operating system refuses.
pub(super) fn signals() -> Result<Interrupts, CliError> {
    let (arrived, arriving) = mpsc::channel(1);
    for (kind, number) in
        [(SignalKind::interrupt(), Signal::INT), (SignalKind::terminate(), Signal::TERM)]
    {
        let mut stream = signal(kind).map_err(CliError::io("cannot listen for signals"))?;
        let arrived = arrived.clone();
        runtime::spawn(async move {
            while stream.recv().await.is_some() && arrived.send(number).await.is_ok() {}
        });
    }
    Ok(Interrupts { arriving })
}

impl Interrupts {
    /// Signals from elsewhere.
    #[cfg(test)]
    pub(super) fn from(arriving: mpsc::Receiver<Signal>) -> Self {
        Self { arriving }
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Signal {
        match self.arriving.recv().await {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}
