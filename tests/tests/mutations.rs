//! The deliberate bugs in `mutations/bugs` still fit the code that they are bugs of. What they show is told by
//! `mutations/run`, which takes too long for every day.

use std::fs;
use std::path::{Path, PathBuf};

/// One place that a patch changes: the lines that must be there, and those that come instead.
struct Hunk {
    file: String,
    before: String,
    after: String,
}

/// The hunks of a patch, in the form that `git diff` gives.
fn hunks(patch: &str) -> Vec<Hunk> {
    let mut hunks = Vec::new();
    for section in patch.split("\ndiff --git ").skip(1) {
        let file = section.lines().find_map(|line| line.strip_prefix("+++ b/")).unwrap_or_default();
        for hunk in section.split("\n@@ ").skip(1) {
            let side = |signs: &str| -> String {
                let lines = hunk.lines().skip(1).filter_map(|line| line.split_at_checked(1));
                lines.filter(|(sign, _)| signs.contains(sign)).flat_map(|(_, text)| [text, "\n"]).collect()
            };
            hunks.push(Hunk { file: file.to_owned(), before: side(" -"), after: side(" +") });
        }
    }
    hunks
}

/// Why a patch does not fit the workspace in `root`.
fn misfit(patch: &str, root: &Path) -> Option<String> {
    if !patch.starts_with("# ") {
        return Some("its first line is not a comment that says what it breaks".into());
    }
    let hunks = hunks(patch);
    if hunks.is_empty() {
        return Some("it changes nothing".into());
    }
    hunks.iter().find_map(|Hunk { file, before, after }| {
        let text = fs::read_to_string(root.join(file)).unwrap_or_default();
        let times = text.matches(before.as_str()).count();
        (times != 1 || before == after).then(|| format!("in {file} there is {times} times:\n{before}"))
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn every_deliberate_bug_fits_the_code() {
    let folder = root().join("tests/mutations/bugs");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 10, "there are {} bugs", paths.len());
    for path in paths {
        let patch = fs::read_to_string(&path).unwrap();
        assert_eq!(misfit(&patch, &root()), None, "{} is to be drawn anew", path.display());
    }
}

#[test]
fn a_bug_that_does_not_fit_is_told() {
    let patch = |line: &str| {
        format!(
            "# A bug.\ndiff --git a/x b/x\n--- a/x\n+++ b/core/src/lib.rs\n@@ -1 +1 @@\n-{line}\n+other\n"
        )
    };
    let first = fs::read_to_string(root().join("core/src/lib.rs")).unwrap();
    let first = first.lines().next().unwrap();
    assert_eq!(misfit(&patch(first), &root()), None);
    assert!(misfit(&patch("no such line"), &root()).is_some());
    assert!(misfit(&patch(first)[2..], &root()).is_some());
    assert!(misfit("# A bug that is none.\n", &root()).is_some());
}
