//! What a real cluster of three brokers goes through, each once, the front-ends in turn; in the soak each with both, and more
//! of what other tests have too. One test on one cluster: most of the time is its start.

use felice_blocking::Producer as Blocking;
use felice_smol::Producer as Smol;
use felice_tests::behaviour::{links, moves, on, recreated, soak, trouble};
use felice_tests::require_kafka;

/// Each with the front-ends that are named first, in the soak with the others, too.
macro_rules! scenarios {
    ($cluster:expr; $($room:ident::$scenario:ident with [$($first:ident),*] [$($other:ident),*];)*) => {$(
        $(on::target(stringify!($scenario), $cluster, $room::$scenario::<$first>);)*
        if soak::is_on() {
            $(on::target(stringify!($scenario), $cluster, $room::$scenario::<$other>);)*
        }
    )*};
}

#[test]
fn a_cluster_in_trouble() {
    require_kafka!();
    let cluster = trouble::cluster();
    scenarios! { &cluster;
        trouble::rolling_restart with [Blocking] [Smol];
        trouble::each_leader_killed with [Smol] [Blocking];
        trouble::a_broker_paused with [Blocking] [Smol];
        trouble::too_few_in_sync with [Smol] [Blocking];
        trouble::a_quota with [Blocking] [Smol];
        recreated::topic_recreated with [Smol] [Blocking];
        trouble::closed_when_idle with [Smol] [Blocking];
        links::a_silent_broker with [Smol] [Blocking];
        links::a_storm with [Blocking, Smol] [];
        moves::leaders_are_moved with [] [Blocking, Smol];
        moves::partitions_are_reassigned with [] [Blocking, Smol];
        trouble::all_brokers_down with [Blocking] [Smol];
    }
}
