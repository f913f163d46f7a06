//! Whatever a broker sends: no panic, every record one outcome, every block back.

use super::answers;
use super::rig::{Rig, TOPIC};
use crate::config::SenderConfig;
use crate::id::TopicPartition;
use crate::random::Random;
use core::time::Duration;
use std::collections::BTreeMap;
use std::vec::Vec;

const SEEDS: u64 = 1000;
const STEPS: usize = 120;

/// An answer as it should be, or nearly, or not at all.
fn mutated(random: &mut Random, mut body: Vec<u8>) -> Vec<u8> {
    match random.below(6) {
        0 => body.truncate(random.below(body.len() as u32 + 1) as usize),
        1 => body.extend((0..random.below(9)).map(|byte| byte as u8)),
        2 | 3 => {
            for _ in 0..=random.below(4) {
                let at = random.below(body.len() as u32) as usize;
                body[at] = [0, 1, 0x7F, 0x80, 0xFF, random.below(256) as u8][random.below(6) as usize];
            }
        }
        _ => {}
    }
    body
}

/// What a proper broker would answer, with an error now and then.
fn proper(random: &mut Random, api: i16, body: &[u8]) -> Vec<u8> {
    const CODES: [i16; 14] = [0, 0, 0, 0, 2, 3, 6, 7, 10, 19, 45, 47, 87, 59];
    match api {
        0 => {
            let sent = answers::parse_produce(body);
            let answer = |(partition, _): &(i32, Vec<u8>)| {
                (*partition, CODES[random.below(14) as usize], i64::from(random.below(1_000)))
            };
            answers::produce(&sent.iter().map(answer).collect::<Vec<_>>())
        }
        3 => {
            let brokers = [(1, "one", 9092), (2, "two", 9093)];
            let leaders: Vec<i32> = (0..3).map(|_| random.below(3) as i32).collect();
            answers::metadata_with(
                &brokers,
                &leaders,
                CODES[random.below(6) as usize],
                random.below(5) as i32,
            )
        }
        18 => answers::api_versions(),
        _ => answers::producer_id(i64::from(random.below(9)), [0, 0, 14, 15][random.below(4) as usize]),
    }
}

fn run(seed: u64) {
    let random = &mut Random::new(seed);
    let timeout = Duration::from_secs(60);
    let config = SenderConfig {
        seed,
        delivery_timeout: timeout,
        idempotence: !seed.is_multiple_of(4),
        ..SenderConfig::default()
    };
    let mut rig = Rig::new(config);
    let mut accepted: BTreeMap<usize, u32> = BTreeMap::new();
    for _ in 0..STEPS {
        match random.below(10) {
            0..=3 if accepted.len() < super::rig::BLOCKS => {
                let (partition, count) = (random.below(3) as i32, 1 + random.below(4));
                let key = TopicPartition { topic: TOPIC, partition };
                if rig.sender.reserve(rig.now, key) {
                    let values: Vec<Vec<u8>> =
                        (0..count).map(|index| std::vec![7; index as usize * 40]).collect();
                    let batch = rig.records(key, &values);
                    rig.sender.enqueue(rig.now, batch);
                    accepted.insert(accepted.len(), count);
                }
                rig.turn();
            }
            4 if !rig.connecting.is_empty() => {
                rig.connect();
            }
            5 => {
                let slots: Vec<u16> = rig.connections.keys().copied().collect();
                if let Some(&slot) = slots.get(random.below(8) as usize) {
                    rig.break_connection(slot);
                }
            }
            6 => rig.advance(Duration::from_millis(u64::from(random.below(3_000)))),
            _ => {
                let slots: Vec<u16> = rig.connections.keys().copied().collect();
                for slot in slots {
                    if let Some(request) = rig.next_request(slot) {
                        let body = proper(random, request.api, &request.body);
                        let hostile = seed.is_multiple_of(2) && request.api != 18;
                        let body = if hostile { mutated(random, body) } else { body };
                        let _ = rig.try_answer(slot, &request, &body);
                        rig.turn();
                    }
                }
            }
        }
    }
    rig.sender.close(rig.now);
    rig.turn();
    assert!(rig.sender.is_idle(), "seed {seed}");
    let (given, back) = rig.blocks_given();
    assert_eq!(back, given, "seed {seed}: blocks");
    let mut covered: BTreeMap<usize, Vec<u32>> = BTreeMap::new();
    for done in &rig.completed {
        covered.entry(done.batch.slot()).or_default().extend(done.first..done.first + done.count);
    }
    for (slot, count) in accepted {
        let outcomes = covered.remove(&slot).unwrap_or_default();
        assert_eq!(outcomes, (0..count).collect::<Vec<_>>(), "seed {seed}: batch {slot}");
    }
    assert!(covered.is_empty(), "seed {seed}: outcomes of nobody");
}

#[test]
fn every_record_has_one_outcome_and_every_block_comes_back() {
    for seed in 1..=SEEDS {
        run(seed);
    }
}
