//! Runnable programs that show felice. Each stands in `src/bin`; this library holds the rooms of the larger ones.
//! The quickstart is there for either front-end.
//!
//! | program | shows |
//! |---|---|
//! | `quickstart`, `quickstart-smol` | this machine's telemetry on its way into a broker, by all three patterns of sending |
//! | `outage` | records that outlive a cut link and a killed process: the proof, in one command |
//! | `spool` | what is in the directory of a spool, and whether it is as it was written |
//! | `fire_and_forget`, `sync_get`, `callback` | one pattern each for plain threads, as the README prints them |
//! | `smol_fire_and_forget`, `smol_await`, `smol_callback` | the same for async code |

pub mod broker;
pub mod front_end;
pub mod input;
pub mod options;
pub mod outage;
pub mod patterns;
pub mod progress;
pub mod quickstart;
pub mod spool;
pub mod table;
pub mod tally;
pub mod telemetry;

/// The README's programs and fragments compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;
