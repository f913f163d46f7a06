//! What every contender of the benchmark has in common: the command line, the payloads, the meter, and the line that it
//! reports. Figures are comparable only because this is the same for all; `go/main.go` and `java/Bench.java` say the same
//! in their languages.

mod meter;
mod options;
mod payloads;

pub use meter::Meter;
pub use options::{Mode, Options};
pub use payloads::{Keys, Payloads};
