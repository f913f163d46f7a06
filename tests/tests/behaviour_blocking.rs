//! The behaviour suite with the blocking front-end.

use felice_blocking::Producer;
use felice_tests::{behaviour_of_every_front_end, behaviour_tests};

behaviour_of_every_front_end!(Producer);

// Dropping waits here, and so would a handle in a callback.
behaviour_tests! { Producer:
    callbacks::one_must_not_wait on [simulated, real];
    ending::dropping_delivers on [simulated, real];
    ending::dropping_gives_up on [simulated];
    ending::short_lives on [simulated, real];
}

mod one_send_and_the_end_of_main {
    use std::path::Path;

    use felice_tests::behaviour::{Target, ending, on};

    fn scenario(target: &Target) {
        let program = Path::new(env!("CARGO_BIN_EXE_one_send"));
        ending::one_send_and_the_end_of_main::<super::Producer>(target, program);
    }

    #[test]
    fn simulated() {
        on::simulated("one_send_and_the_end_of_main", scenario);
    }

    #[test]
    fn real() {
        on::real("one_send_and_the_end_of_main", scenario);
    }
}
