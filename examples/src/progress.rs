//! A progress bar on standard error: redrawn in place on a terminal, one plain line at the end elsewhere.

use std::io::{IsTerminal, stderr};
use std::time::{Duration, Instant};

use crate::table::grouped;

/// Faster than the eye is a waste of writes.
const REDRAW: Duration = Duration::from_millis(40);
/// All of it fits into 80 columns.
const CELLS: usize = 22;
/// A bar's cells, from an eighth to a full one.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// One step of the program, on its way.
#[derive(Debug)]
pub struct Progress {
    name: &'static str,
    total: usize,
    begun: Instant,
    drawn: Option<Instant>,
    style: Style,
}

/// What standard error can show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    /// A file or a pipe: no control characters.
    Plain,
    /// A terminal whose user wants no colours (<https://no-color.org>).
    Bar,
    /// A terminal.
    Coloured,
}

impl Progress {
    /// Begins a step of `total` things.
    #[must_use]
    pub fn begin(name: &'static str, total: usize) -> Self {
        let mut progress = Self { name, total, begun: Instant::now(), drawn: None, style: Style::detect() };
        progress.set(0);
        progress
    }

    /// Whether [`set`](Self::set) would draw: for steps that have to find out how far they are.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.style != Style::Plain && self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW)
    }

    /// `done` of them are done.
    pub fn set(&mut self, done: usize) {
        if !self.is_due() {
            return;
        }
        self.drawn = Some(Instant::now());
        self.draw(done, "");
    }

    /// The step is over; `note` says something about it.
    pub fn end(mut self, done: usize, note: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        self.total = self.total.min(done.max(1));
        let note = format!("{seconds:.2} s  {note}");
        if self.style == Style::Plain {
            eprintln!("{}: {}, {note}", self.name, grouped(done as u64));
        } else {
            self.draw(done, &note);
            eprintln!();
        }
    }

    fn draw(&self, done: usize, note: &str) {
        let bar = bar(done, self.total);
        let bar = if self.style == Style::Coloured { format!("\x1b[32m{bar}\x1b[0m") } else { bar };
        eprint!("\r\x1b[K{:<15} {bar} {:>9}  {note}", self.name, grouped(done as u64));
    }
}

impl Style {
    fn detect() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        if !stderr().is_terminal() || std::env::var_os("TERM").is_some_and(|term| term == "dumb") {
            Self::Plain
        } else if set("NO_COLOR") {
            Self::Bar
        } else {
            Self::Coloured
        }
    }
}

/// The bar itself, always as wide.
fn bar(done: usize, total: usize) -> String {
    let eighths = (done.min(total) * CELLS * 8).checked_div(total).unwrap_or_default();
    let mut bar = String::from("│");
    bar.extend((0..eighths / 8).map(|_| EIGHTHS[7]));
    if let part @ 1.. = eighths % 8 {
        bar.push(EIGHTHS[part - 1]);
    }
    bar.extend((eighths.div_ceil(8)..CELLS).map(|_| ' '));
    bar.push('│');
    bar
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_grows_by_eighths_and_keeps_its_width() {
        for done in 0..=177 {
            let bar = bar(done, 176);
            assert_eq!(bar.chars().count(), CELLS + 2);
            let full = bar.chars().filter(|&c| c == '█').count();
            assert_eq!(full, done.min(176) / 8);
        }
        assert_eq!(bar(12, 176).trim_end_matches([' ', '│']), "│█▌");
        assert_eq!(bar(0, 0), format!("│{}│", " ".repeat(CELLS)));
    }
}
