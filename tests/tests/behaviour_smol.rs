//! The behaviour suite with the smol front-end, its I/O as a task: as a thread it is the blocking front-end's.
//!
//! Dropping its producer waits for nothing, and a future can be awaited in a callback: what is promised there instead is
//! in `smol_room.rs`.

use felice_tests::behaviour::Driven;
use felice_tests::behaviour_of_every_front_end;

behaviour_of_every_front_end!(Driven);
