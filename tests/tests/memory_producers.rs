//! What producers leave behind in their process; a binary of its own, since it measures the whole of it.

use felice_blocking::Producer;
use felice_tests::behaviour::memory;

#[test]
fn ten_thousand_producers_leave_nothing() {
    memory::ten_thousand_producers_leave_nothing::<Producer>();
}
