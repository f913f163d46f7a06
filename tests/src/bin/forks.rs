//! Forks while a producer is at work. `forks FRONT_END BOOTSTRAP TOPIC`: `threads_fork` looks at what is stored. With
//! `tasks` for a front-end: while tasks wait.

use std::process::ExitCode;

use felice_tests::behaviour::fork::program;
use felice_tests::behaviour::fork_tasks;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["blocking", bootstrap, topic] => program::<felice_blocking::Producer>(bootstrap, topic),
        ["smol", bootstrap, topic] => program::<felice_smol::Producer>(bootstrap, topic),
        ["tasks", bootstrap, topic] => fork_tasks::program(bootstrap, topic),
        _ => {
            eprintln!("usage: forks blocking|smol|tasks BOOTSTRAP TOPIC");
            ExitCode::FAILURE
        }
    }
}
