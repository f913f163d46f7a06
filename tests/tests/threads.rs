//! Storms of 32 threads, many seeds of them; see `FELICE_STORM_SECONDS`.

use felice_tests::behaviour::storm::{seeds, storm};

#[test]
fn blocking() {
    seeds(8, storm::<felice_blocking::Producer>);
}

#[test]
fn smol() {
    seeds(8, storm::<felice_smol::Producer>);
}
