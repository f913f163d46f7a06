//! What the program prints: one line of JSON for each event.

use std::io::{Write, stdout};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;

/// An event on its way to standard output. Its fields stay in their order, time and name first, as Kafka's do.
pub(super) struct Line(String);

impl Line {
    /// An event that is now.
    pub(super) fn new(name: &str) -> Self {
        Self("{".into()).with("timestamp", now_ms()).with("name", name)
    }

    /// The same, with one field more.
    pub(super) fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        if self.0.len() > 1 {
            self.0.push(',');
        }
        let value: Value = value.into();
        self.0.push_str(&format!("\"{field}\":{value}"));
        self
    }

    /// Prints it, whole: other threads print, too. Nobody may be reading any more, which is no reason to stop.
    pub(super) fn print(mut self) {
        self.0.push_str("}\n");
        let _ = stdout().lock().write_all(self.0.as_bytes());
    }
}

/// Milliseconds since 1970.
pub(super) fn now_ms() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_keep_their_order_and_texts_are_escaped() {
        let line = Line::new("it").with("key", None::<&str>).with("value", "a\"\n").with("rate", 0.0).0;
        let (time, rest) = line.split_once(',').unwrap();
        assert!(time.starts_with("{\"timestamp\":1"), "{time}");
        assert_eq!(rest, r#""name":"it","key":null,"value":"a\"\n","rate":0.0"#);
    }
}
