//! What an operator does to a healthy cluster of real brokers: partitions move from one to another under load. Nobody
//! hears of it.

use super::stream::{PARTITIONS, Stream};
use super::{FrontEnd, Target, soak};

/// How often something moves: each partition twice.
const ROUNDS: i32 = 2 * PARTITIONS;

/// Only what moves while batches are in flight shows anything.
fn between() -> u64 {
    soak::records().div_ceil(ROUNDS as u64).max(500)
}

/// Another replica is elected, again and again.
pub fn leaders_are_moved<F: FrontEnd>(target: &Target) {
    let stream = Stream::<F>::new(target, "leaders-moved", |builder| builder.batch_size(300));
    let oracle = target.kafka().oracle();
    let sent = stream.send_during(|| {
        for partition in (0..ROUNDS).map(|round| round % PARTITIONS) {
            stream.goes_on(between());
            let leader = oracle.leader(&stream.topic, partition).expect("all brokers are up");
            oracle.move_leader(&stream.topic, partition, 1 + leader % 3);
        }
        stream.goes_on(between());
    });
    stream.finish(sent, 0);
}

/// The leader's replica goes to a broker that held nothing of the partition, again and again: the old one knows no such
/// partition any more.
pub fn partitions_are_reassigned<F: FrontEnd>(target: &Target) {
    let topic = format!("{}-reassigned", F::NAME);
    let oracle = target.kafka().oracle();
    oracle.create_topic_on(&topic, &[[1, 2], [2, 3], [3, 1]], &[]);
    let stream = Stream::<F>::to(target, topic, |builder| builder.batch_size(300));
    let sent = stream.send_during(|| {
        for partition in (0..ROUNDS).map(|round| round % PARTITIONS) {
            stream.goes_on(between());
            let state = oracle.describe(&stream.topic).swap_remove(partition as usize);
            let leader = state.leader.expect("all brokers are up");
            let stays = *state.replicas.iter().find(|&&replica| replica != leader).expect("there are two");
            oracle.reassign(&stream.topic, partition, &[6 - leader - stays, stays]);
        }
        stream.goes_on(between());
    });
    stream.finish(sent, 0);
}
