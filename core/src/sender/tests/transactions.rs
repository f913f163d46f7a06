//! Transactions of one producer, request by request, in both protocols.

use super::answers;
use super::rig::{Request, Rig, numbering};
use crate::config::{Acks, SenderConfig};
use crate::error::{Disconnect, ErrorCode, ErrorKind, TransactionCause, TransactionError};
use crate::event::{GroupMetadata, OffsetToCommit};
use core::time::Duration;
use std::vec;
use std::vec::Vec;

const ONE: [(i32, &str, i32); 1] = [(1, "one", 9092)];
const FIND: i16 = 10;
const IDENTITY: i16 = 22;
const PARTITIONS: i16 = 24;
const GROUP: i16 = 25;
const END: i16 = 26;
const OFFSETS: i16 = 28;

/// Behind a header's tagged fields: the throttle time, then what follows.
fn body(rest: &[&[u8]]) -> Vec<u8> {
    [&[0, 0, 0, 0, 0][..], &rest.concat(), &[0]].concat()
}

fn code(code: i16) -> Vec<u8> {
    body(&[&code.to_be_bytes()])
}

fn found() -> Vec<u8> {
    found_at(1, *b"one")
}

fn found_at(node: u8, host: [u8; 3]) -> Vec<u8> {
    body(&[&[2, 2, b'x', 0, 0, 0, node, 4], &host, &[0, 0, 0x23, 0x84, 0, 0, 0, 0]])
}

fn identity(code: i16, id: i64, epoch: i16) -> Vec<u8> {
    body(&[&code.to_be_bytes(), &id.to_be_bytes(), &epoch.to_be_bytes()])
}

/// The answer about partitions of topic `t`.
fn partitions(all: &[(i32, i16)]) -> Vec<u8> {
    let mut rest = vec![2, 2, b't', all.len() as u8 + 1];
    for (index, code) in all {
        rest.extend(index.to_be_bytes());
        rest.extend(code.to_be_bytes());
        rest.push(0);
    }
    rest.push(0);
    body(&[&rest])
}

/// What the broker speaks. Produce is as old as the rig reads it, which no real one is.
fn versions(v2: bool) -> Vec<u8> {
    let newest = if v2 { 5 } else { 4 };
    answers::api_versions_with_transactions(newest, if v2 { 2 } else { 1 })
}

/// A producer with the transactional id `x` that is connected and has producer id 7, epoch 3.
fn ready(v2: bool, leaders: &[i32]) -> Rig {
    let mut rig = Rig::new(SenderConfig::default());
    assert!(rig.sender.set_transactional_id("x", Duration::from_secs(60)));
    assert!(!rig.sender.begin_transaction(rig.now), "not before there is a producer id");
    assert!(rig.sender.init_transactions(rig.now));
    assert!(!rig.sender.init_transactions(rig.now));
    rig.turn();
    rig.connect();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &versions(v2));
    let request = rig.request(0, 3);
    rig.answer(0, &request, &answers::metadata(&ONE, leaders));
    let request = rig.request(0, FIND);
    rig.answer(0, &request, &found());
    let request = rig.request(0, IDENTITY);
    assert_eq!(tail(&request, 11), [&[0xff; 10][..], &[0]].concat(), "nobody was there before");
    rig.answer(0, &request, &identity(0, 7, 3));
    assert_eq!(ended(&mut rig), [Ok(())]);
    rig.sender.demand(false);
    rig
}

fn ended(rig: &mut Rig) -> Vec<Result<(), TransactionError>> {
    core::mem::take(&mut rig.ended)
}

fn tail(request: &Request, bytes: usize) -> &[u8] {
    &request.body[request.body.len() - bytes..]
}

/// Whether the request is for this producer's epoch: its id stands behind a transactional id of one letter.
fn is_under(request: &Request, epoch: i16) -> bool {
    let writes = [&[2, b'x'][..], &7_i64.to_be_bytes(), &epoch.to_be_bytes()].concat();
    request.body.windows(writes.len()).any(|window| window == writes)
}

/// The batches of the next Produce request, which has the transactional id.
fn produced(rig: &mut Rig) -> (Request, Vec<(i32, Vec<u8>)>) {
    let mut request = rig.request(0, 0);
    // The rig's reader takes requests without a transactional id.
    let at = 2 + 3;
    assert_eq!(request.body[at..at + 3], [0, 1, b'x']);
    let mut plain = request.body.clone();
    plain.splice(at..at + 3, [0xff, 0xff]);
    request.body = plain;
    let sent = answers::parse_produce(&request.body);
    for (_, batch) in &sent {
        assert_eq!(batch[22] & 0x10, 0x10, "the batch belongs to a transaction");
        assert_eq!(batch[43..51], 7_i64.to_be_bytes());
    }
    (request, sent)
}

fn stored(rig: &mut Rig, epoch: i16, sequence: i32) {
    let (request, sent) = produced(rig);
    assert_eq!(numbering(&sent[0].1), (epoch, sequence));
    let parts: Vec<_> = sent.iter().map(|(partition, _)| (*partition, 0, 40)).collect();
    rig.answer(0, &request, &answers::produce(&parts));
}

fn added(rig: &mut Rig, epoch: i16) {
    let request = rig.request(0, PARTITIONS);
    assert!(is_under(&request, epoch));
    rig.answer(0, &request, &partitions(&[(0, 0)]));
}

#[test]
fn older_a_partition_is_added_before_anything_is_sent_to_it() {
    let mut rig = ready(false, &[1]);
    for round in 0..3 {
        assert!(rig.sender.begin_transaction(rig.now));
        assert!(rig.offer(0, 2));
        assert!(!rig.next_is(0, 0), "nothing is sent before");
        added(&mut rig, 3);
        stored(&mut rig, 3, 2 * round);
        assert!(rig.sender.commit_transaction(rig.now));
        rig.turn();
        let request = rig.request(0, END);
        assert!(is_under(&request, 3) && request.version == 4);
        assert_eq!(tail(&request, 2), [1, 0], "it commits");
        rig.answer(0, &request, &code(0));
        assert_eq!(ended(&mut rig), [Ok(())]);
    }
}

#[test]
fn newer_each_transaction_has_its_epoch() {
    let mut rig = ready(true, &[1]);
    for epoch in 3..6 {
        assert!(rig.sender.begin_transaction(rig.now));
        assert!(rig.offer(0, 2));
        stored(&mut rig, epoch, 0);
        assert!(rig.sender.commit_transaction(rig.now));
        rig.turn();
        let request = rig.request(0, END);
        assert!(is_under(&request, epoch) && request.version == 5);
        rig.answer(0, &request, &identity(0, 7, epoch + 1));
        assert_eq!(ended(&mut rig), [Ok(())]);
    }
}

#[test]
fn an_end_waits_for_every_batch() {
    let mut rig = ready(true, &[1]);
    assert!(rig.sender.begin_transaction(rig.now));
    assert!(rig.offer(0, 2));
    let (request, _) = produced(&mut rig);
    assert!(rig.sender.commit_transaction(rig.now));
    rig.turn();
    assert!(!rig.next_is(0, END as u8));
    rig.answer(0, &request, &answers::produce(&[(0, 0, 40)]));
    assert!(rig.next_is(0, END as u8));
}

#[test]
fn what_is_empty_asks_nobody() {
    for v2 in [false, true] {
        let mut rig = ready(v2, &[1]);
        for commits in [true, false] {
            assert!(rig.sender.begin_transaction(rig.now) && !rig.sender.begin_transaction(rig.now));
            let ends = if commits {
                rig.sender.commit_transaction(rig.now)
            } else {
                rig.sender.abort_transaction(rig.now)
            };
            assert!(ends && !rig.sender.commit_transaction(rig.now));
            rig.turn();
            assert_eq!(ended(&mut rig), [Ok(())]);
            assert_eq!(rig.next_request(0), None);
        }
    }
}

/// A record that failed: what else is held fails, and the end is an abort. With the older protocol the epoch is raised
/// then, for what may be adrift.
#[test]
fn a_failed_record_aborts() {
    for v2 in [false, true] {
        let mut rig = ready(v2, &[1]);
        assert!(rig.sender.begin_transaction(rig.now));
        assert!(rig.offer(0, 1));
        if !v2 {
            added(&mut rig, 3);
        }
        let (request, _) = produced(&mut rig);
        rig.answer(0, &request, &answers::produce(&[(0, 87, -1)]));
        let error = rig.sender.transaction_error();
        let Some(TransactionError::Aborted(TransactionCause::Record(failure))) = error else {
            panic!("{error:?}")
        };
        assert_eq!(failure.kind, ErrorKind::Broker(ErrorCode::INVALID_RECORD));
        assert!(rig.offer(0, 1), "what must fail is taken");
        let outcomes = rig.outcomes();
        let kind = outcomes[1].1.unwrap_err().kind;
        assert_eq!((outcomes.len(), kind), (2, ErrorKind::TransactionAborted));
        assert!(rig.sender.commit_transaction(rig.now));
        rig.turn();
        let request = rig.request(0, END);
        assert_eq!(tail(&request, 2), [0, 0], "it aborts");
        if v2 {
            rig.answer(0, &request, &identity(0, 7, 4));
        } else {
            rig.answer(0, &request, &code(0));
            assert!(rig.ended.is_empty(), "not before the epoch is raised");
            let request = rig.request(0, IDENTITY);
            assert_eq!(tail(&request, 11), [0, 0, 0, 0, 0, 0, 0, 7, 0, 3, 0]);
            rig.answer(0, &request, &identity(0, 7, 4));
        }
        assert_eq!(ended(&mut rig), [Err(TransactionError::Aborted(TransactionCause::Record(failure)))]);
        assert!(rig.sender.begin_transaction(rig.now));
        assert!(rig.offer(0, 1));
        if !v2 {
            added(&mut rig, 4);
        }
        stored(&mut rig, 4, 0);
    }
}

/// The epoch is the coordinator's: a sequence that the broker does not expect ends the transaction instead of beginning a numbering.
#[test]
fn no_numbering_begins_within_a_transaction() {
    let mut rig = ready(true, &[1]);
    assert!(rig.sender.begin_transaction(rig.now));
    assert!(rig.offer(0, 1));
    stored(&mut rig, 3, 0);
    assert!(rig.offer(0, 1));
    let (request, _) = produced(&mut rig);
    rig.answer(0, &request, &answers::produce(&[(0, 45, -1)]));
    rig.advance(Duration::from_secs(5));
    assert!(!rig.next_is(0, 0), "it is not sent under other numbers");
    let failure = rig.outcomes()[1].1.unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Broker(ErrorCode::OUT_OF_ORDER_SEQUENCE_NUMBER));
    for (code, fatal) in [(47, false), (90, true), (53, true)] {
        let mut rig = ready(true, &[1]);
        assert!(rig.sender.begin_transaction(rig.now));
        assert!(rig.offer(0, 1));
        let (request, _) = produced(&mut rig);
        rig.answer(0, &request, &answers::produce(&[(0, code, -1)]));
        assert_eq!(rig.outcomes().len(), 1);
        let error = rig.sender.transaction_error();
        assert_eq!(matches!(error, Some(TransactionError::Fatal(_))), fatal, "{error:?}");
    }
}

#[test]
fn a_coordinator_that_moves_is_looked_for() {
    let mut rig = ready(false, &[1]);
    assert!(rig.sender.begin_transaction(rig.now));
    assert!(rig.offer(0, 1));
    let request = rig.request(0, PARTITIONS);
    rig.answer(0, &request, &partitions(&[(0, 16)]));
    assert_eq!(rig.next_request(0), None, "not before the backoff");
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, FIND);
    rig.answer(0, &request, &body(&[&[2, 2, b'x', 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 15, 0, 0]]));
    rig.advance(Duration::from_secs(1));
    let request = rig.request(0, FIND);
    rig.answer(0, &request, &found());
    for again in [51, 14] {
        let request = rig.request(0, PARTITIONS);
        rig.answer(0, &request, &partitions(&[(0, again)]));
        rig.advance(Duration::from_secs(1));
    }
    added(&mut rig, 3);
    stored(&mut rig, 3, 0);
    assert!(rig.sender.commit_transaction(rig.now));
    rig.turn();
    let request = rig.request(0, END);
    rig.answer(0, &request, &code(90));
    let fenced = TransactionError::Fatal(TransactionCause::Broker(ErrorCode::PRODUCER_FENCED));
    assert!(fenced.is_fenced());
    assert_eq!(ended(&mut rig), [Err(fenced)]);
    assert!(!rig.sender.begin_transaction(rig.now));
    assert_eq!(rig.sender.transaction_error(), Some(fenced));
}

/// It is not reached any more, and was asked nothing yet: there is no request to be lost with its connection.
#[test]
fn a_coordinator_that_is_away_is_looked_for() {
    let mut rig = ready(false, &[1]);
    assert!(rig.sender.begin_transaction(rig.now) && rig.offer(0, 1));
    let request = rig.request(0, PARTITIONS);
    rig.answer(0, &request, &partitions(&[(0, 16)]));
    rig.advance(Duration::from_secs(1));
    for _ in 0..3 {
        let request = rig.request(0, FIND);
        rig.answer(0, &request, &found_at(2, *b"two"));
        rig.advance(Duration::from_secs(2));
        assert_eq!(rig.next_request(0), None, "the one that was named is asked");
        let id = rig.connecting.pop_front().expect("it is connected to");
        rig.sender.handle_disconnected(rig.now, id, Disconnect::Refused);
        rig.turn();
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata(&ONE, &[1]));
    }
    let request = rig.request(0, FIND);
    rig.answer(0, &request, &found());
    added(&mut rig, 3);
}

#[test]
fn offsets_go_to_the_groups_coordinator() {
    for v2 in [false, true] {
        let mut rig = ready(v2, &[1]);
        let member =
            GroupMetadata { group_id: "g", generation_id: 4, member_id: "m", group_instance_id: None };
        let offsets = [OffsetToCommit { partition: 0, offset: 9, leader_epoch: None, metadata: "" }];
        let send = |rig: &mut Rig| rig.sender.send_offsets(rig.now, &member, "t", &offsets);
        assert!(!send(&mut rig), "no transaction is open");
        assert!(rig.sender.begin_transaction(rig.now));
        assert!(send(&mut rig) && !send(&mut rig));
        rig.turn();
        if !v2 {
            let request = rig.request(0, GROUP);
            rig.answer(0, &request, &code(0));
        }
        let request = rig.request(0, FIND);
        assert_eq!(tail(&request, 5), [0, 2, 2, b'g', 0], "a group's");
        rig.answer(0, &request, &found());
        let request = rig.request(0, OFFSETS);
        assert_eq!(request.version, if v2 { 5 } else { 4 });
        assert!(rig.ended.is_empty());
        rig.answer(0, &request, &partitions(&[(0, 0)]));
        assert_eq!(ended(&mut rig), [Ok(())]);
        assert!(send(&mut rig));
        rig.turn();
        let request = rig.request(0, if v2 { FIND } else { GROUP });
        let unknown_member =
            if v2 { body(&[&[2, 2, b'g', 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 30, 0, 0]]) } else { code(30) };
        rig.answer(0, &request, &unknown_member);
        let cause = TransactionCause::Broker(ErrorCode(30));
        assert_eq!(ended(&mut rig), [Err(TransactionError::Aborted(cause))]);
    }
}

#[test]
fn impossible_answers_close_the_connection() {
    let rig = || {
        let mut rig = ready(false, &[1, 1]);
        assert!(rig.sender.begin_transaction(rig.now) && rig.offer(0, 1));
        rig
    };
    // No partition at all, one that was not asked for, one twice, an unknown topic.
    for bad in [
        partitions(&[]),
        partitions(&[(1, 0)]),
        partitions(&[(0, 0), (0, 0)]),
        body(&[&[2, 2, b'u', 2, 0, 0, 0, 0, 0, 0, 0, 0]]),
    ] {
        let mut rig = rig();
        let request = rig.request(0, PARTITIONS);
        assert!(rig.try_answer(0, &request, &bad).is_err());
        rig.turn();
        assert!(!rig.connections.contains_key(&0));
    }
    let mut rig = ready(true, &[1]);
    assert!(rig.sender.begin_transaction(rig.now) && rig.offer(0, 1));
    stored(&mut rig, 3, 0);
    assert!(rig.sender.commit_transaction(rig.now));
    rig.turn();
    let request = rig.request(0, END);
    assert!(rig.try_answer(0, &request, &identity(0, -1, -1)).is_err());
}

/// A request whose connection breaks is asked again, and one that may have begun a transaction that the coordinator does not know is no
/// harm.
#[test]
fn a_lost_request_is_asked_again() {
    let mut rig = ready(false, &[1]);
    assert!(rig.sender.begin_transaction(rig.now) && rig.offer(0, 1));
    let _ = rig.request(0, PARTITIONS);
    rig.break_connection(0);
    assert!(rig.sender.abort_transaction(rig.now));
    rig.turn();
    assert_eq!(rig.outcomes().len(), 1, "what was not sent fails at once");
    rig.advance(Duration::from_secs(2));
    rig.connect();
    let request = rig.request(0, 18);
    rig.answer(0, &request, &versions(false));
    while rig.next_is(0, 3) {
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata(&ONE, &[1]));
    }
    let request = rig.request(0, FIND);
    rig.answer(0, &request, &found());
    let request = rig.request(0, END);
    assert_eq!(tail(&request, 2), [0, 0]);
    rig.answer(0, &request, &code(48));
    let request = rig.request(0, IDENTITY);
    rig.answer(0, &request, &identity(0, 7, 4));
    assert_eq!(rig.ended.len(), 1);
    assert!(rig.sender.begin_transaction(rig.now));
}

#[test]
fn too_many_partitions_abort() {
    // The rig has slots for eight.
    let mut rig = ready(true, &[1; 12]);
    assert!(rig.sender.begin_transaction(rig.now));
    for partition in 0..8 {
        assert!(rig.offer(partition, 1));
        stored(&mut rig, 3, 0);
    }
    assert!(rig.offer(8, 1), "it must fail");
    let error = Some(TransactionError::Aborted(TransactionCause::TooManyPartitions));
    assert_eq!(rig.sender.transaction_error(), error);
    assert!(rig.sender.abort_transaction(rig.now));
    rig.turn();
    let request = rig.request(0, END);
    rig.answer(0, &request, &identity(0, 7, 4));
    assert!(rig.sender.begin_transaction(rig.now));
    assert!(rig.offer(8, 1), "the places are free again");
    stored(&mut rig, 4, 0);
}

#[test]
fn without_the_right_settings_there_are_no_transactions() {
    let timeout = Duration::from_secs(60);
    for config in [
        SenderConfig { idempotence: false, ..SenderConfig::default() },
        SenderConfig { acks: Acks::Leader, ..SenderConfig::default() },
    ] {
        assert!(!Rig::new(config).sender.set_transactional_id("x", timeout));
    }
    let mut rig = Rig::new(SenderConfig::default());
    assert!(!rig.sender.set_transactional_id("", timeout));
    assert!(!rig.sender.set_transactional_id(&"x".repeat(129), timeout));
    assert!(!rig.sender.init_transactions(rig.now));
    // Kafka 2.1 has no epochs that can be raised.
    let mut rig = Rig::new(SenderConfig::default());
    assert!(rig.sender.set_transactional_id("x", timeout) && rig.sender.init_transactions(rig.now));
    rig.turn();
    rig.connect();
    rig.shake_hands(0);
    if rig.next_is(0, 3) {
        let request = rig.request(0, 3);
        rig.answer(0, &request, &answers::metadata(&ONE, &[1]));
    }
    assert_eq!(ended(&mut rig), [Err(TransactionError::Fatal(TransactionCause::Unsupported))]);
}
