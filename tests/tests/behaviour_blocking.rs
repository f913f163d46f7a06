//! The behaviour suite with the blocking front-end.

use felice_blocking::Producer;
use felice_tests::behaviour_tests;

behaviour_tests! { Producer:
    patterns::fire_and_forget on [simulated, real];
    patterns::synchronous on [simulated, real];
    patterns::kept_handles on [simulated, real];
    patterns::callbacks on [simulated, real];
    patterns::tokens on [simulated, real];
}
