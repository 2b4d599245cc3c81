//! The command line: a flag for each setting, made from the same table as the settings themselves.

use std::ffi::OsString;
use std::path::PathBuf;

use aspen_node::{Setting, settings};
use clap::{Arg, ArgAction, ArgMatches, Command as Program};

/// What the person asked for.
pub(crate) struct Flags {
    pub(crate) command: Command,
    /// The configuration file.
    pub(crate) config: Option<PathBuf>,
    /// Settings given as flags: name and text.
    pub(crate) settings: Vec<(&'static str, String)>,
}

/// What to do.
pub(crate) enum Command {
    /// Run the node.
    Serve,
    /// Print the effective configuration.
    PrintConfig,
    /// Check a data directory.
    Check {
        /// The directory.
        dir: PathBuf,
    },
}

impl Flags {
    /// Reads the command line; help, version and mistakes end the process, as clap does it.
    pub(crate) fn parse(
        arguments: impl IntoIterator<Item = OsString>,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let matches = program().get_matches_from(arguments);
        let command = match matches.subcommand() {
            Some(("check", check)) => {
                Command::Check { dir: path(check, "dir").unwrap_or_default() }
            }
            _ if matches.get_flag("print-config") => Command::PrintConfig,
            _ => Command::Serve,
        };
        let given = settings().iter().filter_map(|setting| {
            let text = matches.get_one::<String>(setting.name())?;
            Some((setting.name(), text.clone()))
        });
        Ok(Self { command, config: path(&matches, "config"), settings: given.collect() })
    }
}

fn path(matches: &ArgMatches, name: &str) -> Option<PathBuf> {
    matches.get_one::<PathBuf>(name).cloned()
}

fn program() -> Program {
    let path = clap::value_parser!(PathBuf);
    let check = Program::new("check")
        .about("Check the files of a node that does not run; exit code 1 when something is wrong")
        .arg(Arg::new("dir").long("dir").required(true).value_parser(path.clone()));
    Program::new("aspen-node")
        .about("One node of an Aspen cluster")
        .after_help(
            "Every setting can also be given in the configuration file (by its name with \
             underscores) and in the environment (ASPEN_ and its name in capitals). Flags override \
             the environment, which overrides the file.",
        )
        .version(env!("CARGO_PKG_VERSION"))
        .subcommand_negates_reqs(true)
        .args_conflicts_with_subcommands(true)
        .subcommand(check)
        .arg(
            Arg::new("config")
                .long("config")
                .env("ASPEN_CONFIG")
                .value_name("FILE")
                .value_parser(path)
                .help("A TOML file with settings"),
        )
        .arg(
            Arg::new("print-config")
                .long("print-config")
                .action(ArgAction::SetTrue)
                .help("Print the effective configuration as TOML, without the cookie, and exit"),
        )
        .args(settings().iter().map(argument))
}

fn argument(setting: &Setting) -> Arg {
    let argument = Arg::new(setting.name())
        .long(setting.flag())
        .value_name(setting.placeholder())
        .help(setting.doc());
    match setting.is_flag() {
        true => argument.num_args(0..=1).require_equals(true).default_missing_value("true"),
        false => argument.allow_hyphen_values(true),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    fn parse(arguments: &[&str]) -> Flags {
        let program = ["aspen-node"].iter().chain(arguments);
        Flags::parse(program.map(OsString::from)).unwrap()
    }

    #[test]
    fn the_program_is_consistent() {
        program().debug_assert();
    }

    #[test]
    fn settings_are_flags() {
        let flags = parse(&["--id", "1", "--ops-listen", "127.0.0.1:1", "--bootstrap"]);
        let expected = [("id", "1"), ("bootstrap", "true"), ("ops_listen", "127.0.0.1:1")];
        let expected = expected.map(|(name, text)| (name, text.to_owned()));
        assert_eq!(flags.settings, expected);
        assert!(matches!(flags.command, Command::Serve));
        assert_eq!(parse(&["--bootstrap=false"]).settings, [("bootstrap", "false".to_owned())]);
    }

    #[test]
    fn a_directory_can_be_checked() {
        match parse(&["check", "--dir", "/x"]).command {
            Command::Check { dir } => assert_eq!(dir, PathBuf::from("/x")),
            _ => panic!("another command"),
        }
        assert!(matches!(parse(&["--print-config"]).command, Command::PrintConfig));
    }
}
