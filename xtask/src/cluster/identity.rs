//! Processes that another command started: whether they still run, and how they are told to stop.

use crate::failure::{Failure, Outcome};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::path::Path;
use std::time::{Duration, Instant};

/// How long a killed process may take to disappear: its files and memory are freed first.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// Whether process `pid` runs and one of its arguments is `marker` or a path that ends with it.
/// The marker matters: after a reboot or a long time, the number in an old pid file may belong to
/// a stranger, which must not be killed. A process that ended and was not waited for has no
/// arguments.
pub(crate) fn is_running(pid: u32, marker: &str) -> bool {
    if !Path::new("/proc/self/cmdline").exists() {
        return raw(pid).is_some_and(|pid| test_kill_process(pid).is_ok());
    }
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line);
    line.split('\0').any(|argument| match argument.strip_suffix(marker) {
        Some(before) => before.is_empty() || before.ends_with('/'),
        None => false,
    })
}

/// Asks the process to end.
pub(crate) fn terminate(pid: u32) -> Outcome {
    send(pid, Signal::TERM)
}

/// Ends the process at once.
pub(crate) fn kill(pid: u32) -> Outcome {
    send(pid, Signal::KILL)
}

/// Waits until the process has ended.
pub(crate) fn wait_until_gone(pid: u32, marker: &str) -> Outcome {
    let deadline = Instant::now() + GONE_WITHIN;
    while is_running(pid, marker) {
        if Instant::now() > deadline {
            return Err(Failure::new(format!(
                "process {pid} is still there after {GONE_WITHIN:?}"
            )));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}

fn send(pid: u32, signal: Signal) -> Outcome {
    let target = raw(pid).ok_or_else(|| Failure::new(format!("{pid} is no process id")))?;
    match kill_process(target, signal) {
        Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
        Err(error) => Err(Failure::of(format!("cannot signal process {pid}"), error)),
    }
}

fn raw(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_known_by_its_command_line_and_can_be_ended() {
        let mut child = Command::new("sleep").arg("86399").spawn().unwrap();
        // Right after the start the child may still carry the parent's command line.
        while !is_running(child.id(), "86399") {
            std::thread::yield_now();
        }
        assert!(!is_running(child.id(), "6399"));
        kill(child.id()).unwrap();
        wait_until_gone(child.id(), "86399").unwrap();
        child.wait().unwrap();
        terminate(child.id()).unwrap();
    }
}
