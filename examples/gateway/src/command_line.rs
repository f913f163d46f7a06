//! What the command line says.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

const EXIT_CODES: &str = "\
Exit status:
  0  ended as asked: everything that was taken in is acknowledged, or in the spool
  1  something that the gateway cannot work without has failed
  2  the command line or the file of settings is wrong
  3  lines that were taken in are neither acknowledged nor in the spool
  4  check has found something that is to be mended

SIGTERM and SIGINT end the gateway: sources stop, and what is held is sent, for drain_timeout_ms at most. A second one
does not wait. SIGHUP reads the file again; a broken one is refused, and the old settings stay.";

/// The program's command line.
pub(crate) fn command() -> Command {
    let file =
        || Arg::new("file").value_name("FILE.toml").required(true).value_parser(value_parser!(PathBuf));
    Command::new("gateway")
        .about("Lines from standard input, files, TCP and UDP into Kafka, through a spool")
        .subcommand_required(true)
        .arg_required_else_help(true)
        .after_help(EXIT_CODES)
        .subcommand(Command::new("run").about("Takes lines in and sends them").arg(file()).after_help(EXIT_CODES))
        .subcommand(
            Command::new("check")
                .about("Looks whether the file is right, and whether its sources and the cluster can be reached")
                .arg(file())
                .arg(Arg::new("send").long("send").action(ArgAction::SetTrue).help(
                    "Also write one record to each topic, which says that it is a check: only that proves the right to write, \
                     and that the clocks agree",
                ))
                .after_help(EXIT_CODES),
        )
}

/// The file of settings.
pub(crate) fn file(arguments: &ArgMatches) -> &Path {
    arguments.get_one::<PathBuf>("file").map_or(Path::new(""), PathBuf::as_path)
}

#[test]
fn the_command_line_is_one() {
    command().debug_assert();
}
