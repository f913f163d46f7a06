//! The behaviour suite's transactions, with both front-ends.

mod blocking {
    use felice_blocking::Producer;
    use felice_tests::behaviour_tests;

    behaviour_tests! { Producer:
        transactions::committed_or_not_at_all on [simulated, real];
        transactions::older_protocol on [simulated];
        transactions::fenced on [simulated, real];
        transactions::a_failed_record on [simulated, real];
        transactions::wrong_order on [simulated];
        transactions::coordinators_in_trouble on [simulated];
        transactions::refused_by_coordinators on [simulated];
        transactions::offsets on [simulated, real];
        transactions::closed_within on [simulated];
    }
}

mod smol {
    use felice_smol::Producer;
    use felice_tests::behaviour_tests;

    behaviour_tests! { Producer:
        transactions::committed_or_not_at_all on [simulated, real];
        transactions::older_protocol on [simulated];
        transactions::fenced on [simulated, real];
        transactions::a_failed_record on [simulated, real];
        transactions::wrong_order on [simulated];
        transactions::coordinators_in_trouble on [simulated];
        transactions::refused_by_coordinators on [simulated];
        transactions::offsets on [simulated, real];
        transactions::closed_within on [simulated];
    }
}
