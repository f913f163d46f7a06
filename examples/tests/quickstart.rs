//! The quickstarts as a newcomer runs them: the programs themselves, their table, their exit status.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

const PATTERNS: [&str; 3] = ["fire-and-forget", "sync get", "callback"];

/// One for each front-end; what it is called and which crate it says it uses.
#[derive(Clone, Copy)]
struct Quickstart {
    program: &'static str,
    front_end: &'static str,
}

const QUICKSTARTS: [Quickstart; 2] = [
    Quickstart { program: env!("CARGO_BIN_EXE_quickstart"), front_end: "felice-blocking" },
    Quickstart { program: env!("CARGO_BIN_EXE_quickstart-smol"), front_end: "felice-smol" },
];

fn run(quickstart: Quickstart, arguments: &[&str], input: &[u8]) -> Output {
    let mut program = Command::new(quickstart.program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read closes the pipe: then it is no matter that writing fails.
    let _ = program.stdin.take().unwrap().write_all(input);
    program.wait_with_output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let control = text.chars().find(|c| c.is_control() && *c != '\n');
    assert_eq!(control, None, "a pipe is no terminal: {text:?}");
    text
}

/// The table's first line, and records, acknowledged and failed of each pattern.
fn table(output: &Output) -> (String, Vec<[u64; 3]>) {
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{stdout}{stderr}");
    let mut lines = stdout.lines().skip_while(|line| !line.starts_with("broker: "));
    let broker = lines.next().unwrap_or_else(|| panic!("{stdout}")).to_owned();
    assert_eq!(
        lines.next().unwrap().split_whitespace().collect::<String>(),
        "patternrecordsacknowledgedfailedrecords/sp50p99offsets"
    );
    let row = |pattern: &str| {
        let line =
            stdout.lines().find(|line| line.starts_with(pattern)).unwrap_or_else(|| panic!("{stdout}"));
        let mut cells = line[pattern.len()..].split_whitespace().map(|cell| cell.replace(',', ""));
        std::array::from_fn(|_| cells.next().unwrap().parse().unwrap())
    };
    (broker, PATTERNS.map(row).into())
}

#[test]
fn telemetry_goes_into_the_simulated_cluster() {
    for quickstart in QUICKSTARTS {
        let output = run(quickstart, &["--records", "300", "--partitions", "2"], b"");
        let (broker, rows) = table(&output);
        assert!(broker.contains("simulated") && broker.contains("127.0.0.1:"), "{broker}");
        assert_eq!(rows, [[100, 100, 0]; 3]);
        let stderr = text(&output.stderr);
        assert!(stderr.contains("simulated Kafka cluster inside this program"), "{stderr}");
        assert!(stderr.contains(r#"{"sensor":"load","time_ms":"#), "{stderr}");
        assert!(stderr.contains(&format!("(2 partitions) with {}:", quickstart.front_end)), "{stderr}");
        let stdout = text(&output.stdout);
        let counted = "300 records acknowledged; the simulated cluster counted 300 in its logs";
        assert!(stdout.contains(counted), "{stdout}");
    }
}

#[test]
fn lines_come_from_standard_input_and_from_a_file() {
    let lines = b"one\n\x1b[31mtwo\n\nthree\nfour\nfive\n";
    let path = std::env::temp_dir().join(format!("felice-quickstart-{}", std::process::id()));
    std::fs::write(&path, lines).unwrap();
    for quickstart in QUICKSTARTS {
        let (_, rows) = table(&run(quickstart, &["--input", "-"], lines));
        assert_eq!(rows, [[2, 2, 0], [2, 2, 0], [1, 1, 0]]);
        let arguments = ["--input", path.to_str().unwrap(), "--records", "1"];
        let (_, rows) = table(&run(quickstart, &arguments, b""));
        assert_eq!(rows, [[1, 1, 0], [0, 0, 0], [0, 0, 0]]);
    }
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn records_that_fail_are_counted_and_the_exit_status_is_1() {
    let mut lines = vec![b'x'; 300_000]; // more than max.request.size, which is a quarter of 1 MiB
    lines.extend(b"\nshort\nshort\n");
    for quickstart in QUICKSTARTS {
        let output = run(quickstart, &["--input", "-"], &lines);
        let stdout = text(&output.stdout);
        assert_eq!(output.status.code(), Some(1), "{stdout}");
        let row = stdout.lines().find(|line| line.starts_with("fire-and-forget")).unwrap();
        assert_eq!(row.split_whitespace().collect::<Vec<_>>()[1..4], ["1", "0", "1"]);
        let failure = "fire-and-forget, first failure: record not accepted:";
        let counted = "2 records acknowledged; the simulated cluster counted 2 in its logs";
        assert!(stdout.contains(failure) && stdout.contains(counted), "{stdout}");
    }
}

#[test]
fn what_is_wrong_is_said_before_anything_is_sent() {
    for quickstart in QUICKSTARTS {
        for (arguments, status, why) in [
            (&["--records", "none"][..], 2, "--records takes a number"),
            (&["--input", "/no/such/file"], 1, "/no/such/file: "),
            (&["--input", "-"], 1, "there is nothing to send"),
            (&["--bootstrap", "127.0.0.1:1"], 1, "no broker answers at 127.0.0.1:1: "),
            (&["--bootstrap", "localhost"], 1, "no broker answers at localhost: a port is missing"),
            (&["--topic", "no/such/name"], 1, "topic no/such/name: a topic's name has"),
        ] {
            let output = run(quickstart, arguments, b"");
            let stderr = text(&output.stderr);
            assert_eq!(output.status.code(), Some(status), "{stderr}");
            assert!(stderr.contains(why), "{stderr}");
            assert!(output.stdout.is_empty());
        }
        let help = run(quickstart, &["--help"], b"");
        assert!(help.status.success() && text(&help.stdout).contains("--bootstrap"));
    }
}

#[test]
fn real_kafka_takes_every_record_and_creates_the_topic_by_itself() {
    require_kafka!();
    let kafka = Kafka::builder().start(); // as it is by default: topics are created when they are asked for
    let bootstrap = kafka.bootstrap();
    for quickstart in QUICKSTARTS {
        let topic = quickstart.front_end;
        let arguments = ["--bootstrap", &bootstrap, "--records", "300", "--topic", topic];
        let (broker, rows) = table(&run(quickstart, &arguments, b""));
        let version = "speaks Produce up to version 13, as Apache Kafka does since 4.1";
        assert_eq!(broker, format!("broker: real, {version}, {bootstrap}"));
        assert_eq!(rows, [[100, 100, 0]; 3]);
        let records = kafka.oracle().read(topic);
        assert_eq!(records.len(), 300);
        for record in records {
            let (key, value) = (text(&record.key.unwrap()), text(&record.value.unwrap()));
            assert!(value.starts_with(&format!("{{\"sensor\":\"{key}\",\"time_ms\":")), "{key}: {value}");
        }
    }
}
