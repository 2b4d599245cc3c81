//! Child processes that are run to their end.

use crate::failure::{Failure, Outcome};
use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How the names of variables begin that speak of this program's package.
const ABOUT_XTASK: [&str; 4] = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_CRATE_", "CARGO_BIN_"];

/// `cargo` itself, the same one that runs this task, in the workspace's root.
pub(crate) fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // What cargo tells this program about its own package would reach build scripts, which would
    // run again, with all that depends on them, whenever somebody calls cargo without it.
    for (name, _) in std::env::vars_os() {
        if ABOUT_XTASK.iter().any(|start| name.to_string_lossy().starts_with(start)) {
            command.env_remove(name);
        }
    }
    command.args(arguments).current_dir(crate::workspace::root());
    command
}

/// Runs `command` with its output on the terminal; fails when it does not exit with 0.
pub(crate) fn run(command: &mut Command) -> Outcome {
    let line = printable(command);
    eprintln!("$ {line}");
    let status = command.status().map_err(|error| Failure::of(format!("`{line}`"), error))?;
    if status.success() { Ok(()) } else { Err(Failure::new(format!("`{line}` ended: {status}"))) }
}

/// Runs `command` and returns what it printed; fails when it does not exit with 0 within `limit`,
/// with what it said on standard error.
pub(crate) fn output_within(command: &mut Command, limit: Duration) -> Outcome<String> {
    let line = printable(command);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().map_err(|error| Failure::of(format!("`{line}`"), error))?;
    let (output, errors) = (collect(child.stdout.take()), collect(child.stderr.take()));
    let status = wait_within(&mut child, limit);
    let (output, errors) = (joined(output), joined(errors));
    match status {
        Some(status) if status.success() => Ok(output),
        Some(status) => Err(Failure::of(format!("`{line}` ended: {status}"), errors.trim())),
        None => Err(Failure::new(format!("`{line}` took longer than {limit:?}"))),
    }
}

/// Reads a pipe on a thread of its own: a child that fills a pipe nobody reads never ends.
fn collect(pipe: Option<impl Read + Send + 'static>) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            // What was read before an error is still worth showing.
            let _ = pipe.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

fn joined(reader: JoinHandle<String>) -> String {
    reader.join().unwrap_or_default()
}

/// The child's status, or `None` after it was killed for taking too long.
fn wait_within(child: &mut Child, limit: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let _ = child.kill();
    let _ = child.wait();
    None
}

/// Whether `program` can be started at all.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok()
}

/// The command as a person would type it, without quoting.
pub(crate) fn printable(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
    let name = words.first().map_or("", |path| path.rsplit('/').next().unwrap_or(path));
    std::iter::once(name)
        .chain(words.iter().skip(1).map(AsRef::as_ref))
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_command_that_fails_is_a_failure_that_names_it() {
        let failure = run(Command::new("false").arg("--why")).unwrap_err().to_string();
        assert!(failure.contains("`false --why`"), "{failure}");
    }

    #[test]
    fn output_is_returned_and_errors_are_in_the_failure() {
        let limit = Duration::from_secs(60);
        let shell = |script| output_within(Command::new("sh").args(["-c", script]), limit);
        assert_eq!(shell("echo out").unwrap(), "out\n");
        let failure = shell("echo reason >&2; exit 3").unwrap_err().to_string();
        assert!(failure.contains("reason"), "{failure}");
    }

    #[test]
    fn a_command_that_hangs_is_ended() {
        let sleep = output_within(Command::new("sleep").arg("600"), Duration::from_millis(50));
        assert!(sleep.unwrap_err().to_string().contains("took longer"));
    }

    #[test]
    fn a_missing_program_is_not_installed() {
        assert!(!is_installed("no-such-program-anywhere"));
    }
}
