//! Every allocation of the process is counted, over all of its threads, while records go to a broker outside of it.

use felice_blocking::Producer;
use felice_tests::behaviour::memory;
use felice_tests::counting::{Counting, allocations};
use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn a_million_records_allocate_nothing() {
    require_kafka!();
    memory::nothing_is_allocated::<Producer>(Kafka::shared(), allocations);
    println!("{} allocations in the whole life of the process", allocations());
}
