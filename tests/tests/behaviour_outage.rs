//! One of three real brokers is gone for a while: the others' records go on. Both front-ends at once, and one test, since
//! it is about what happens in a second.

use std::time::Duration;

use felice_blocking::Producer;
use felice_tests::behaviour::outage::{Gone, Outage, Timeout};
use felice_tests::kafka::Kafka;
use felice_tests::require_kafka;

/// How much of their rate the other two must keep, in percent.
const KEPT_PERCENT: u64 = 80;

#[test]
fn one_of_three_brokers_is_gone() {
    require_kafka!();
    let kafka = Kafka::builder().brokers(3).property("auto.create.topics.enable", "false").start();
    let lasts = |seconds| Duration::from_secs(seconds);
    let outages = match std::env::var("FELICE_SOAK_SECONDS") {
        Ok(seconds) => {
            let lasts = lasts(seconds.parse().expect("FELICE_SOAK_SECONDS is a number"));
            let both = [Timeout::Later, Timeout::Sooner];
            [Gone::Killed, Gone::Paused]
                .into_iter()
                .flat_map(|gone| both.map(|timeout| Outage { gone, lasts, timeout }))
                .collect()
        }
        Err(_) => vec![
            Outage { gone: Gone::Killed, lasts: lasts(12), timeout: Timeout::Later },
            Outage { gone: Gone::Paused, lasts: lasts(12), timeout: Timeout::Sooner },
        ],
    };
    let kept = |outage: &Outage| {
        let loads = [outage.loads::<Producer>(&kafka), outage.loads::<felice_smol::Producer>(&kafka)];
        outage.run(&kafka, loads.as_flattened())
    };
    let kept: Vec<Vec<u64>> = outages.iter().map(kept).collect();
    let least = kept.iter().flatten().min();
    assert!(
        least >= Some(&KEPT_PERCENT),
        "the loads kept {kept:?} % of their rate at the brokers that are there"
    );
}
