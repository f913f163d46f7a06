//! The behaviour suite with the blocking front-end.

use felice_blocking::Producer;
use felice_tests::behaviour_tests;

behaviour_tests! { Producer:
    patterns::fire_and_forget on [simulated, real];
    patterns::synchronous on [simulated, real];
    patterns::kept_handles on [simulated, real];
    patterns::callbacks on [simulated, real];
    patterns::tokens on [simulated, real];

    acks::each_setting_stores_every_record on [simulated, real];

    keys::keys_land_where_java_puts_them on [simulated, real];
    keys::null_keys_are_spread on [simulated, real];

    order::many_batches on [simulated, real];
    order::five_in_flight_and_no_more on [simulated];
    order::what_can_be_repeated_is on [simulated];
    order::one_partition_of_a_request_fails on [simulated];
    order::leaders_move on [simulated];
    order::refused_batches on [simulated];
    order::an_answer_that_never_comes on [simulated];

    serializers::a_failing_one_refuses_its_record on [simulated, real];
    serializers::a_panicking_one_is_the_callers on [simulated, real];
    serializers::a_slow_one_holds_nobody_up on [simulated, real];
    serializers::one_that_sends_is_no_harm on [simulated, real];

    callbacks::a_panicking_one_is_contained on [simulated, real];
    callbacks::a_slow_one_does_not_stop_the_network on [simulated, real];
    callbacks::one_may_send on [simulated, real];
    callbacks::one_must_not_wait on [simulated, real];
    callbacks::send_in_one_does_not_wait_for_memory on [simulated];

    refusals::a_record_too_large on [simulated, real];
    refusals::an_unknown_topic on [simulated, real];
    refusals::an_unknown_partition on [simulated, real];
    refusals::a_closed_producer on [simulated, real];
    refusals::a_full_buffer on [simulated];
    refusals::waiting_for_memory on [simulated, real];
    refusals::invalid_settings on [simulated];

    unreachable::unresolvable on [simulated];
    unreachable::refusing on [simulated];
    unreachable::silent on [simulated];
    unreachable::one_of_many_works on [simulated, real];

    ending::dropping_delivers on [simulated, real];
    ending::dropping_gives_up on [simulated];
    ending::close_says_how_many_failed on [simulated];
    ending::flush_waits_for_all on [simulated, real];
    ending::partitions_are_known on [simulated];
    ending::short_lives on [simulated, real];

    undelivered::is_heard_of_once on [simulated];
    undelivered::races_are_heard_of_once on [simulated];
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
