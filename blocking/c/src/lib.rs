//! felice for C: `include/felice.h` as functions.
//!
//! [`door`] is what a linker sees, and the only place in felice with `unsafe` of its own: it turns pointers into values of
//! Rust and back, and does nothing else with them. [`error`] is what a function says when it cannot do its work. What is
//! behind the door is `felice-blocking` as every program in Rust has it: nothing is decided here, nothing is kept here
//! but a thread's last error, and no panic leaves.

pub mod door;
pub mod error;
