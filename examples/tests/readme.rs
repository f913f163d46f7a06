//! The README says what is so: its programs are those in `src/bin`, its settings exist, its links lead somewhere. The
//! table of faults in ARCHITECTURE.md names tests that there are.

use std::fs;
use std::path::Path;
use std::time::Duration;

use felice_blocking::Producer;

const README: &str = include_str!("../../README.md");
const ARCHITECTURE: &str = include_str!("../../ARCHITECTURE.md");

/// All of them, and in this order: each pattern for plain threads, then for async code.
#[test]
fn programs_are_printed_as_they_are() {
    let programs = [
        include_str!("../src/bin/fire_and_forget.rs"),
        include_str!("../src/bin/smol_fire_and_forget.rs"),
        include_str!("../src/bin/sync_get.rs"),
        include_str!("../src/bin/smol_await.rs"),
        include_str!("../src/bin/callback.rs"),
        include_str!("../src/bin/smol_callback.rs"),
    ];
    let mut rest = README;
    for program in programs {
        let block = format!("```rust,no_run\n{program}```\n");
        let Some((_, after)) = rest.split_once(&block) else {
            panic!("the README does not print this, or not here:\n{program}");
        };
        rest = after;
    }
}

/// Name, builder's methods, default and Java's default of each row of the table of settings.
fn settings() -> Vec<[String; 4]> {
    let rows = README.lines().skip_while(|line| !line.starts_with("| Kafka's name |")).skip(2);
    let rows = rows.take_while(|line| line.starts_with('|'));
    let cells = |row: &str| {
        let mut cells = row.split('|').skip(1).map(|cell| cell.trim().replace('`', ""));
        std::array::from_fn(|_| cells.next().unwrap())
    };
    rows.map(cells).collect()
}

#[test]
fn settings_are_known_and_their_defaults_fit_together() {
    let settings = settings();
    assert_eq!(settings.len(), 33);
    let properties = settings.iter().map(|[name, _, default, _]| {
        let value = if name == "bootstrap.servers" { "127.0.0.1:9092" } else { default.as_str() };
        (name.as_str(), value)
    });
    let producer = Producer::from_properties(properties.clone()).unwrap();
    producer.close(Duration::ZERO).unwrap();
    let producer = felice_smol::Producer::from_properties(properties).unwrap();
    smol::block_on(producer.close(Duration::ZERO)).unwrap();
}

/// What the table says of Java is what Kafka's own classes say; `tests/java/ConfigGolden.java` asked them.
#[test]
fn javas_names_and_defaults_are_kafkas() {
    let golden = include_str!("../../tests/golden/config_java431.tsv");
    let of_java = |name: &str| {
        let mut lines = golden.lines().filter_map(|line| line.strip_prefix("producer\t")?.split_once('\t'));
        lines.find(|(known, _)| *known == name).map(|(_, default)| default)
    };
    for [name, _, _, javas] in settings() {
        match of_java(&name) {
            None => assert_eq!(javas, "", "{name} is felice's own"),
            // Java's producers count themselves.
            Some("") => assert_eq!((name.as_str(), javas.as_str()), ("client.id", "producer-1, ..")),
            Some(default) => assert_eq!(javas, default, "{name}"),
        }
    }
}

/// The table names every method that sets a value, and no other.
#[test]
fn settings_have_the_methods_that_the_table_names() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let builder = fs::read_to_string(root.join("core/host/src/config/builder.rs")).unwrap();
    let simple = builder.lines().filter_map(|line| line.split_once(" => |s| ").map(|(declared, _)| declared));
    let mut declared: Vec<&str> = simple.filter_map(|declared| declared.trim().split(':').next()).collect();
    declared.extend(["bootstrap_servers", "partitioner", "topic_compression_type"]);
    // Those of TLS, of SASL, of the spool and of transactions have tables of their own.
    let apart = ["ssl_", "sasl_", "spool_", "transaction"];
    declared.retain(|method| !apart.iter().any(|part| method.starts_with(part)));
    declared.sort_unstable();
    let settings = settings();
    let mut named: Vec<&str> = settings.iter().flat_map(|[_, methods, ..]| methods.split(", ")).collect();
    // lz4's only level is for files that are shared with Kafka's clients.
    named.retain(|method| !method.is_empty());
    named.sort_unstable();
    assert_eq!(named, declared);
}

#[test]
fn commands_name_programs_that_there_are() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let named = README.split("--bin").skip(1).filter_map(|rest| rest.split_whitespace().next());
    let named: Vec<&str> = named.map(|name| name.trim_matches(['`', ',', '.'])).collect();
    assert!(named.contains(&"quickstart") && named.contains(&"quickstart-smol"), "{named:?}");
    for name in named {
        let is_there = |path: String| root.join(path).exists();
        let program = |folder: &str| is_there(format!("{folder}/src/bin/{name}.rs"));
        let package = is_there(format!("examples/{name}/src/main.rs"));
        assert!(program("examples") || program("tests") || package, "{name}");
    }
}

#[test]
fn links_to_files_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let links = README.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    let files: Vec<&str> = links.filter(|link| !link.contains("://") && !link.starts_with('#')).collect();
    assert!(files.len() >= 5);
    for file in files {
        let (file, _) = file.split_once('#').unwrap_or((file, ""));
        assert!(root.join(file).exists(), "{file}");
    }
}

/// How the table of faults shortens the folders of tests.
const FOLDERS: [(&str, &str); 6] = [
    ("sender/", "core/src/sender/tests/"),
    ("accumulator/", "core/src/accumulator/tests/"),
    ("core/", "core/src/"),
    ("host/", "core/host/src/"),
    ("behaviour/", "tests/src/behaviour/"),
    ("tests/", "tests/tests/"),
];

#[test]
fn tests_that_the_table_of_faults_names_are_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let read = |file: &str| fs::read_to_string(root.join(file)).unwrap_or_else(|_| panic!("{file}"));
    let suite = read("tests/src/behaviour/mod.rs")
        + &read("tests/tests/behaviour_blocking.rs")
        + &read("tests/tests/behaviour_trouble.rs");
    let section = ARCHITECTURE.split("\n## Faults").nth(1).unwrap().split("\n## ").next().unwrap();
    let quoted = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    let mut named = 0;
    for (place, test) in quoted.filter_map(|quoted| quoted.rsplit_once("::")) {
        let Some((short, folder)) = FOLDERS.iter().find(|(short, _)| place.starts_with(short)) else {
            continue;
        };
        let code = read(&format!("{folder}{}.rs", &place[short.len()..]));
        let is_there = ["(", "<", ": "].iter().any(|end| {
            code.contains(&format!("fn {test}{end}")) || code.contains(&format!("    {test}{end}"))
        });
        assert!(is_there, "{place}::{test}");
        let scenario = format!("{}::{test}", &place[short.len()..]);
        assert!(*short != "behaviour/" || suite.contains(&scenario), "{scenario} is run by nobody");
        named += 1;
    }
    assert!(named > 150, "{named}");
}
