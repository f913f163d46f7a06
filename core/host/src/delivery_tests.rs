use std::sync::Mutex;

use felice_core::error::{ErrorKind, Failure, Persisted};
use felice_core::event::Ack;
use felice_core::id::{BatchId, TopicId, TopicPartition};

use super::*;

const SIZES: Sizes = Sizes { key: -1, value: 4 };
const TIME: Timestamp = Timestamp::from_millis(77);

fn ticket(slot: usize, index: u32) -> Ticket {
    Ticket { batch: BatchId::new(slot, 0), index }
}

fn accept(table: &mut Table, ticket: Ticket, pending: bool) -> Delivery {
    let handle = table.accept(ticket, pending, (TopicId(0), &"t".into()), Interest::Handle, SIZES, TIME);
    let (cell, index) = handle.unwrap();
    Delivery::new(cell, index, SIZES, TIME)
}

fn stored(first: u32, count: u32, base_offset: i64) -> Outcome {
    Outcome { partition: 3, first, count, result: Ok(Ack { base_offset, log_append_time: None }) }
}

fn failed(count: u32) -> Outcome {
    let failure =
        Failure { kind: ErrorKind::Closed, persisted: Persisted::Possibly, attempts: 2, last_cause: None };
    Outcome { partition: 3, first: 0, count, result: Err(failure) }
}

/// A batch leaves, has its outcome, and is done.
fn finish(table: &mut Table, slot: usize, outcome: Outcome) -> u32 {
    let mut entry = table.take(slot, outcome.first + outcome.count);
    let dropped = entry.complete(outcome, &mut Vec::new());
    table.give_back(slot, entry, &mut Vec::new());
    dropped
}

#[test]
fn a_cell_is_used_again_when_no_handle_holds_it() {
    let mut table = Table::new(4, 0, None);
    for round in 0..10 {
        drop(accept(&mut table, ticket(2, 0), false));
        let mut kept = accept(&mut table, ticket(2, 1), false);
        finish(&mut table, 2, stored(0, 2, round * 2));
        assert_eq!(kept.try_get().unwrap().unwrap().offset(), round * 2 + 1);
    }
    assert_eq!(table.cells(), 1);
    let mut kept = accept(&mut table, ticket(2, 0), false);
    finish(&mut table, 2, stored(0, 1, 100));
    let mut next = accept(&mut table, ticket(2, 0), false);
    finish(&mut table, 2, stored(0, 1, 200));
    assert_eq!(table.cells(), 2, "one per batch at most");
    assert_eq!(kept.try_get().unwrap().unwrap().offset(), 100);
    assert_eq!(next.try_get().unwrap().unwrap().offset(), 200);
    assert!(table.epochs.is_empty());
}

#[test]
fn a_handle_has_the_records_own_metadata() {
    let mut table = Table::new(1, 0, None);
    let sizes = Sizes::of(Some(b"key"), None);
    let handle = table.accept(ticket(0, 5), false, (TopicId(0), &"t".into()), Interest::Handle, sizes, TIME);
    let (cell, index) = handle.unwrap();
    let mut handle = Delivery::new(cell, index, sizes, TIME);
    assert!(handle.try_get().is_none());
    assert!(format!("{handle:?}").contains("None"));
    finish(&mut table, 0, stored(0, 6, 40));
    let metadata = handle.try_get().unwrap().unwrap();
    assert_eq!((metadata.topic(), metadata.partition(), metadata.offset()), ("t", 3, 45));
    assert_eq!((metadata.serialized_key_size(), metadata.serialized_value_size()), (3, -1));
    assert_eq!(metadata.timestamp(), TIME);
    assert!(size_of::<Delivery>() <= 48, "{}", size_of::<Delivery>());
}

#[test]
fn a_reassigned_record_takes_its_handle_along_and_a_flush_waits_for_it() {
    let mut table = Table::new(4, 0, None);
    let mut wakers = Vec::new();
    let mut first = accept(&mut table, ticket(0, 0), true);
    let mut second = accept(&mut table, ticket(0, 1), true);
    let (flush, mut key) = (table.epochs.mark(), None);
    let context = Context::from_waker(Waker::noop());
    let other = accept(&mut table, ticket(2, 0), false);

    let partition = TopicPartition { topic: TopicId(0), partition: 3 };
    let moves = [(ticket(0, 0), ticket(1, 0)), (ticket(0, 1), ticket(2, 1))];
    for (from, to) in moves {
        assert!(table.epochs.poll(flush, &context, &mut key).is_pending());
        table.reassign(&Reassigned { from, to, partition }, &mut wakers);
    }
    finish(&mut table, 1, stored(0, 1, 10));
    assert_eq!(first.try_get().unwrap().unwrap().offset(), 10);
    assert!(table.epochs.poll(flush, &context, &mut key).is_pending(), "the second is still held");
    finish(&mut table, 2, stored(0, 2, 20));
    assert_eq!(second.try_get().unwrap().unwrap().offset(), 21);
    assert!(table.epochs.poll(flush, &context, &mut key).is_ready());
    drop(other);
    assert!(table.epochs.is_empty());
}

#[test]
fn callbacks_are_found_by_index_also_where_a_batch_was_split() {
    let mut table = Table::new(1, 0, None);
    for index in 0..6 {
        let interest = Interest::Observer(Observer::Token(index.into()));
        assert!(
            table.accept(ticket(0, index), false, (TopicId(0), &"t".into()), interest, SIZES, TIME).is_none()
        );
    }
    let mut entry = table.take(0, 6);
    let indexes = |observers: Observers| observers.iter().map(|one| one.index).collect::<Vec<_>>();
    assert_eq!(indexes(entry.observers(&stored(2, 2, 0))), [2, 3]);
    assert_eq!(indexes(entry.observers(&stored(4, 2, 0))), [4, 5]);
    assert_eq!(indexes(entry.observers(&stored(0, 2, 0))), [0, 1]);
    table.give_back(0, entry, &mut Vec::new());
    assert_eq!(table.cells(), 0, "nobody asked for a handle");
}

#[test]
fn a_dropped_handles_failure_is_reported_once() {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    let hook =
        Failures::new(Box::new(move |error: ProduceError| sink.lock().unwrap().push(error.to_string())));
    let mut table = Table::new(1, 0, Some(Arc::new(hook)));
    let mut handles: Vec<Delivery> =
        (0..4).map(|index| accept(&mut table, ticket(0, index), false)).collect();
    drop(handles.pop());
    assert_eq!(finish(&mut table, 0, failed(4)), 1, "for the callbacks' thread to tell");
    assert!(heard.lock().unwrap().is_empty());
    assert!(handles[0].try_get().unwrap().is_err());
    drop(handles);
    let heard = heard.lock().unwrap();
    assert_eq!(heard.len(), 2, "those that nobody asked");
    assert_eq!(
        heard[0],
        "record for t-3 failed: the producer was closed; sent 2 times; it may be in the log"
    );
}
