//! TCP is a stream: the machine does the same however its reads and writes are cut, and one socket that takes nothing
//! does not stop the others.

use super::answers;
use super::rig::Rig;
use crate::config::SenderConfig;
use core::time::Duration;
use std::string::String;
use std::vec::Vec;

/// Two brokers, an error answer, a broken connection and a reconnect; every read and write cut to `limit` bytes.
fn trace(limit: usize) -> Vec<String> {
    let mut rig = Rig::new(SenderConfig::default());
    rig.read_limit = limit;
    for slot in 0..3 {
        rig.write_limit.insert(slot, limit);
    }
    let brokers = [(1, "one", 9092), (2, "two", 9093)];
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&brokers, &[1, 2]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(!rig.offer(1, 1));
    rig.connect();
    rig.shake_hands(1);
    for round in 0..3 {
        assert!(rig.offer(0, 2) && rig.offer(1, 2));
        let (zero, _) = rig.produced(0);
        let (one, _) = rig.produced(1);
        let error = if round == 1 { 19 } else { 0 };
        rig.answer(0, &zero, &answers::produce(&[(0, error, 2 * round)]));
        rig.answer(1, &one, &answers::produce(&[(1, 0, 2 * round)]));
        rig.advance(Duration::from_secs(2));
        if error != 0 {
            let (again, _) = rig.produced(0);
            rig.answer(0, &again, &answers::produce(&[(0, 0, 2 * round)]));
        }
    }
    assert!(rig.offer(0, 3));
    let _ = rig.produced(0);
    rig.break_connection(0);
    rig.advance(Duration::from_secs(2));
    rig.connect();
    rig.shake_hands(0);
    while let Some(request) = rig.next_request(1) {
        rig.answer(1, &request, &answers::metadata(&brokers, &[1, 2]));
    }
    rig.advance(Duration::from_secs(2));
    let (again, _) = rig.produced(0);
    rig.answer(0, &again, &answers::produce(&[(0, 0, 6)]));
    assert!(rig.sender.is_idle());
    rig.trace
}

#[test]
fn the_trace_is_the_same_at_one_byte_at_a_time() {
    let whole = trace(usize::MAX);
    assert!(whole.len() > 25);
    for limit in [1, 2, 3, 7, 61, 100] {
        assert_eq!(trace(limit), whole, "{limit} bytes at a time");
    }
}

#[test]
fn a_socket_that_is_never_writable_does_not_stop_the_other_broker() {
    let mut rig = Rig::new(SenderConfig::default());
    let brokers = [(1, "one", 9092), (2, "two", 9093)];
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&brokers, &[1, 2]));
    let request = rig.request(0, 22);
    rig.answer(0, &request, &answers::producer_id(7, 0));
    assert!(!rig.offer(1, 1));
    rig.connect();
    rig.shake_hands(1);
    rig.write_limit.insert(0, 0);
    assert!(rig.offer(0, 1));
    for round in 0..20 {
        assert!(rig.offer(1, 1), "round {round}");
        let (request, _) = rig.produced(1);
        rig.answer(1, &request, &answers::produce(&[(1, 0, round)]));
    }
    assert_eq!(rig.outcomes().len(), 20);
}
