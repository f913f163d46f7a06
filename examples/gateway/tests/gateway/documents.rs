//! The pages say what is so: every setting, field, metric and exit status, and no others.

use std::collections::BTreeSet;
use std::process::Command;

const README: &str = include_str!("../../README.md");
const UNIT: &str = include_str!("../../gateway.service");

/// The names in backticks that begin the rows of a section's tables.
fn rows(section: &str) -> BTreeSet<String> {
    let text = README.split(&format!("\n## {section}\n")).nth(1).unwrap().split("\n## ").next().unwrap();
    let first = |row: &str| row.split('|').nth(1).unwrap_or_default().to_owned();
    let rows = text.lines().filter(|line| line.starts_with("| `")).map(first);
    rows.flat_map(|cell| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn all_settings_are_told() {
    let code = include_str!("../../src/config/file.rs");
    let fields = code.lines().filter_map(|line| line.trim().strip_prefix("pub(super) ")?.split_once(':'));
    let mut fields: BTreeSet<String> = fields.map(|(name, _)| name.replace("kind", "type")).collect();
    // They are tables, with rows of their own.
    assert!(fields.remove("producer") && fields.remove("source"));
    assert_eq!(fields, rows("Settings").into_iter().filter(|name| !name.starts_with('{')).collect());
}

#[test]
fn all_metrics_are_told() {
    let code = include_str!("../../src/counters.rs");
    let table = code.split("const COUNTERS").nth(1).unwrap().split("];").next().unwrap();
    let names = table
        .lines()
        .filter_map(|line| line.trim().trim_start_matches('(').strip_prefix('"')?.split_once("\","));
    let is_name = |name: &str| name.chars().all(|c| c == '_' || c.is_ascii_lowercase());
    let mut names: BTreeSet<String> =
        names.filter(|(name, _)| is_name(name)).map(|(name, _)| format!("gateway_{name}_total")).collect();
    assert!(names.len() >= 10, "{names:?}");
    names.extend(["gateway_connections", "gateway_source_up"].map(String::from));
    assert_eq!(names, rows("Looking after it"));
}

#[test]
fn help_and_page_tell_the_same_statuses() {
    let help = Command::new(env!("CARGO_BIN_EXE_gateway")).arg("--help").output().unwrap();
    assert!(help.status.success());
    let help = String::from_utf8(help.stdout).unwrap();
    for code in 0..=4 {
        assert!(
            help.contains(&format!("\n  {code}  ")) && README.contains(&format!("\n| {code} | ")),
            "{code}"
        );
    }
}

/// `TimeoutStopSec` must be longer than the drain limit, and the command is one.
#[test]
fn the_unit_leaves_time_to_end() {
    let value =
        |name: &str| UNIT.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('=')).unwrap();
    assert!(value("TimeoutStopSec").parse::<u32>().unwrap() > 10);
    assert!(value("ExecStart").ends_with("gateway run /etc/gateway/gateway.toml"));
    assert_eq!((value("Type"), value("RestartPreventExitStatus")), ("notify-reload", "2"));
}
