//! `aspen completions`

use clap::CommandFactory;

use crate::args::Cli;
use crate::exit::CliError;
use crate::output::Output;

pub(super) fn run(shell: clap_complete::Shell, output: &mut Output) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "aspen", &mut script);
    output.raw_line(script.strip_suffix(b"\n").unwrap_or(&script))
}
