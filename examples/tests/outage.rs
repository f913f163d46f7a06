//! The example `outage` as a newcomer runs it: the program itself, its table, its exit status.

use std::process::Command;

use felice_tests::require_kafka;

/// Runs it, and gives sent, spooled, arrived, lost, duplicated, out of order of both runs.
fn outage(arguments: &[&str], broker: &str) -> Vec<Vec<u64>> {
    let output = Command::new(env!("CARGO_BIN_EXE_outage")).args(arguments).output().unwrap();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{stdout}{stderr}");
    assert!(stdout.starts_with(broker), "{stdout}");
    let rows = ["first", "second"].map(|run| {
        let line = stdout.lines().find(|line| line.starts_with(run)).unwrap_or_else(|| panic!("{stdout}"));
        line.split_whitespace().skip(1).map(|cell| cell.replace(',', "").parse().unwrap()).collect()
    });
    rows.into()
}

fn check(rows: &[Vec<u64>], records: u64) {
    let [first, second] = rows else { panic!("{rows:?}") };
    assert!(first[1] >= 2 * records && second[1] >= records, "{rows:?}");
    assert!(first[0] >= first[2] && first[2] >= first[1], "what was not durable may have come: {rows:?}");
    assert_eq!(second[..3], [second[0]; 3], "all of it has come");
    assert_eq!((&first[3..], &second[3..]), (&[0; 3][..], &[0; 3][..]));
}

#[test]
fn nothing_is_lost_or_twice_on_the_simulated_cluster() {
    check(&outage(&["--simulated", "--records", "2000"], "broker: simulated"), 2000);
}

#[test]
fn nothing_is_lost_or_twice_on_real_kafka() {
    require_kafka!();
    check(&outage(&["--records", "2000"], "broker: real, Apache Kafka 4"), 2000);
}

#[test]
fn what_is_wrong_is_said() {
    for (arguments, why) in [
        (&["--record"][..], "there is no option --record"),
        (&["--records", "many"], "--records takes a number from 100 to 1000000"),
        (&["--records"], "--records takes a number"),
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_outage")).args(arguments).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.contains(why), "{stderr}");
    }
    let help = Command::new(env!("CARGO_BIN_EXE_outage")).arg("--help").output().unwrap();
    assert!(help.status.success() && String::from_utf8(help.stdout).unwrap().contains("--simulated"));
}
