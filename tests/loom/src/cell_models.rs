//! A batch's outcome on its way from the driver to whoever waits for it, or has dropped its handle.

use std::task::{Poll, Waker};

use felice_core::error::{ErrorCode, ErrorKind, Failure, Persisted};
use felice_core::event::Ack;
use felice_core::id::{BatchId, Ticket, TopicId};
use felice_core::time::Timestamp;
use loom::thread::spawn;

use crate::host::callback::Failures;
use crate::host::cell::{Cell, Outcome};
use crate::host::delivery::{Delivery, Interest, Sizes, Table};
use crate::host::fork::Home;
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, Ordering};
use crate::{model, parker};

fn stored(first: u32, count: u32, base_offset: i64) -> Outcome {
    Outcome { partition: 3, first, count, result: Ok(Ack { base_offset, log_append_time: None }) }
}

fn failed() -> Outcome {
    let kind = ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE);
    let failure = Failure { kind, persisted: Persisted::No, attempts: 1, last_cause: None };
    Outcome { partition: 3, first: 0, count: 1, result: Err(failure) }
}

/// As the driver does: the wakers outside the lock.
fn tell(cell: &Cell, outcome: Outcome, whole: bool) -> u32 {
    let mut wakers = Vec::new();
    let dropped = cell.complete(outcome, whole, &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
    dropped
}

/// As a handle does.
fn wait(cell: &Cell, index: u32) -> Outcome {
    let mut key = None;
    let outcome = parker::wait(None, |context| {
        cell.outcome_or_wait(index, context.waker(), &mut key).map_or(Poll::Pending, Poll::Ready)
    });
    key.into_iter().for_each(|key| cell.forget(key));
    outcome.expect("without a deadline there is an outcome")
}

/// Red without the second look, and where the waiters are taken before the outcome is set.
#[test]
fn who_waits_is_told() {
    model(3, || {
        let cell = Arc::new(Cell::new("t".into(), Home::here(), None));
        let waiters = [0, 1].map(|index| {
            let cell = Arc::clone(&cell);
            spawn(move || wait(&cell, index))
        });
        tell(&cell, stored(0, 2, 7), true);
        assert_eq!(waiters.map(|waiter| waiter.join().unwrap()), [stored(0, 2, 7); 2]);
    });
}

/// Red where a waiter that was woken for another part is not registered again.
#[test]
fn who_waits_for_a_part_is_told_that_part() {
    model(3, || {
        let cell = Arc::new(Cell::new("t".into(), Home::here(), None));
        let waiters = [0, 1].map(|index| {
            let cell = Arc::clone(&cell);
            spawn(move || wait(&cell, index))
        });
        tell(&cell, stored(0, 1, 7), false);
        tell(&cell, stored(1, 1, 9), false);
        let told = waiters.map(|waiter| waiter.join().unwrap());
        assert_eq!(told, [stored(0, 1, 7), stored(1, 1, 9)]);
    });
}

/// Red where the dropped handle looks before it takes the lock.
#[test]
fn a_failure_whose_handle_is_dropped_is_heard_of_once() {
    model(None, || {
        let heard = Arc::new(AtomicU32::new(0));
        let hook = {
            let heard = Arc::clone(&heard);
            let hook = move |_| {
                heard.fetch_add(1, Ordering::Relaxed);
            };
            Failures::new(Box::new(hook))
        };
        let mut table = Table::new(1, 1, Some(Arc::new(hook)));
        let delivery = accept(&mut table);
        let dropping = spawn(move || drop(delivery));
        let mut entry = table.take(0, 1);
        let mut wakers = Vec::new();
        // The callbacks' thread is told so many.
        let counted = entry.complete(failed(), &mut wakers);
        dropping.join().unwrap();
        assert_eq!(heard.load(Ordering::Relaxed) + counted, 1);
    });
}

/// Red where a handle that is dropped in its turn looks for the outcome first, and where one that was dropped before its
/// turn is passed a second time.
#[test]
fn handles_dropped_in_any_order_are_counted_once() {
    model(None, || {
        let hook = Failures::new(Box::new(|_| ()));
        let cell = Arc::new(Cell::new("t".into(), Home::here(), Some(Arc::new(hook))));
        let drop_one = |index| {
            let cell = Arc::clone(&cell);
            spawn(move || u32::from(cell.drop_unobserved(index).is_some()))
        };
        let (first, second) = (drop_one(0), drop_one(1));
        let counted = tell(&cell, Outcome { count: 2, ..failed() }, true);
        let reported = first.join().unwrap() + second.join().unwrap();
        assert_eq!(counted + reported, 2);
    });
}

/// Red where the cell of a batch that is done stays with its slot. To make one new that a handle holds, safe code does not
/// offer.
#[test]
fn a_cell_that_is_used_again_tells_each_handle_its_own_outcome() {
    model(None, || {
        let mut table = Table::new(1, 1, None);
        let get = |delivery| spawn(move || get(delivery));
        let first = get(accept(&mut table));
        finish(&mut table, 7);
        let second = get(accept(&mut table));
        finish(&mut table, 9);
        assert_eq!((first.join().unwrap(), second.join().unwrap()), (7, 9));
    });
}

fn accept(table: &mut Table) -> Delivery {
    let ticket = Ticket { batch: BatchId::new(0, 0), index: 0 };
    let sizes = Sizes::of(None, Some(b"value"));
    let topic = (TopicId(0), &"t".into());
    let time = Timestamp::from_millis(0);
    let handle = table.accept(ticket, false, topic, Interest::Handle, sizes, time);
    let (cell, index) = handle.expect("a handle was wanted");
    Delivery::new(cell, index, sizes, time)
}

fn get(mut delivery: Delivery) -> i64 {
    let outcome = parker::wait(None, |context| delivery.poll_outcome(context));
    outcome.expect("without a deadline there is an outcome").expect("it is stored").offset()
}

/// As the engine does: the batch is taken, told, and given back.
fn finish(table: &mut Table, base_offset: i64) {
    let mut entry = table.take(0, 1);
    let mut wakers = Vec::new();
    entry.complete(stored(0, 1, base_offset), &mut wakers);
    wakers.drain(..).for_each(Waker::wake);
    table.give_back(0, entry, &mut wakers);
}
