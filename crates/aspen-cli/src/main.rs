//! The `aspen` command.

fn main() -> std::process::ExitCode {
    aspen_cli::main()
}
