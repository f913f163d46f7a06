//! After `fork`: the parent's records are stored once each, and in the child everything that would wait is refused.

use std::process::{Command, Stdio};

use felice_tests::behaviour::{Target, fork};

#[test]
fn blocking() {
    forks("blocking");
}

#[test]
fn smol() {
    forks("smol");
}

#[test]
fn tasks() {
    let target = Target::simulated();
    target.create_topic("forked", 3);
    let program = [env!("CARGO_BIN_EXE_forks"), "tasks", &target.bootstrap(), "forked"];
    let status = Command::new(program[0]).args(&program[1..]).status().expect("it is built");
    assert!(status.success(), "{status}: see above");
}

/// Processes of their own: a test binary's other threads must not be in the child.
fn forks(front_end: &str) {
    let target = Target::simulated();
    target.create_topic("forked", 3);
    let program = Command::new(env!("CARGO_BIN_EXE_forks"))
        .args([front_end, &target.bootstrap(), "forked"])
        .stderr(Stdio::inherit())
        .output()
        .expect("it is built");
    let said = String::from_utf8_lossy(&program.stdout);
    assert!(program.status.success(), "{}: see above", program.status);
    let stored: usize = said
        .strip_prefix(fork::STORED)
        .and_then(|count| count.trim().parse().ok())
        .expect("it says how many records are stored");
    let read = target.read("forked");
    let by =
        |whose: &str| read.iter().filter(|record| record.value.as_deref() == Some(whose.as_bytes())).count();
    assert_eq!((by("parent") + by("child"), read.len()), (stored, stored), "nothing else is stored");
    assert_eq!(by("child"), fork::FORKS, "one by each child's own producer");
}
