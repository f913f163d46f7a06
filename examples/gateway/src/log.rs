//! Lines for whoever reads the log: `key=value`, one event a line, on standard error. An event that repeats is told once a second, with
//! how often it was not told, so that no trouble can fill a disk.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::io::Write as _;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use time::OffsetDateTime;

/// So often at most is one kind of warning told.
const PAUSE: Duration = Duration::from_secs(1);

/// When each kind of warning was told last, and how often it was not told since.
static TOLD: Mutex<BTreeMap<&'static str, (Instant, u64)>> = Mutex::new(BTreeMap::new());

/// Something that happens in the course of things.
pub(crate) fn info(event: &'static str, fields: &[(&str, &dyn Display)]) {
    write(&line("info", event, fields, 0));
}

/// Something that somebody should look at, once a second at most.
pub(crate) fn warn(event: &'static str, fields: &[(&str, &dyn Display)]) {
    let untold = {
        let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match told.get_mut(event) {
            Some((last, untold)) if now.duration_since(*last) < PAUSE => {
                *untold += 1;
                return;
            }
            Some(known) => std::mem::replace(known, (now, 0)).1,
            None => {
                told.insert(event, (now, 0));
                0
            }
        }
    };
    write(&line("warn", event, fields, untold));
}

/// Something without which the gateway does not do what it is for.
pub(crate) fn error(event: &'static str, fields: &[(&str, &dyn Display)]) {
    write(&line("error", event, fields, 0));
}

fn write(line: &str) {
    // Behind a status line that was not ended. Nobody may be listening.
    let begin = if crate::status::is_shown() { "\r\x1b[K" } else { "" };
    let _ = writeln!(std::io::stderr().lock(), "{begin}{line}");
}

fn line(level: &str, event: &str, fields: &[(&str, &dyn Display)], untold: u64) -> String {
    let mut line = format!("time={} level={level} event={event}", now());
    for (name, value) in fields {
        let _ = write!(line, " {name}={}", Value(&value.to_string()));
    }
    if untold > 0 {
        let _ = write!(line, " not_told={untold}");
    }
    line
}

fn now() -> String {
    let now = OffsetDateTime::from(SystemTime::now());
    let (year, month, day) = now.to_calendar_date();
    let (hour, minute, second) = now.to_hms();
    let (month, millis) = (u8::from(month), now.millisecond());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millis:03}Z")
}

/// A value: quoted where it has to be, and never with a control character of somebody else's.
struct Value<'v>(&'v str);

impl Display for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_plain = |c: char| c.is_alphanumeric() || "._-+:/,@[]%".contains(c);
        if !self.0.is_empty() && self.0.chars().all(is_plain) {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

#[test]
fn values_are_quoted_where_they_must_be() {
    let line = line("warn", "x", &[("a", &"plain:1"), ("b", &"two words\n\x1b"), ("c", &"")], 3);
    let (time, rest) = line.split_once(' ').unwrap();
    assert!(time.starts_with("time=2") && time.ends_with('Z'));
    assert_eq!(rest, r#"level=warn event=x a=plain:1 b="two words\n\u{1b}" c="" not_told=3"#);
}
