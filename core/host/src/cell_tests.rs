use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;

use felice_core::error::{ErrorCode, ErrorKind, Persisted};

use super::*;
use crate::error::ProduceError;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn cell() -> Cell {
    Cell::new("t".into(), Home::here(), None)
}

fn tracked() -> Cell {
    Cell::new("t".into(), Home::here(), Some(Arc::new(Failures::new(Box::new(|_: ProduceError| ())))))
}

fn stored(first: u32, count: u32, base_offset: i64) -> Outcome {
    Outcome { partition: 3, first, count, result: Ok(Ack { base_offset, log_append_time: None }) }
}

fn failed(first: u32, count: u32) -> Outcome {
    let kind = ErrorKind::Broker(ErrorCode::MESSAGE_TOO_LARGE);
    let failure = Failure { kind, persisted: Persisted::No, attempts: 1, last_cause: None };
    Outcome { partition: 3, first, count, result: Err(failure) }
}

fn complete(cell: &Cell, outcome: Outcome, whole: bool) -> u32 {
    let mut wakers = Vec::new();
    let dropped = cell.complete(outcome, whole, &mut wakers);
    wakers.into_iter().for_each(Waker::wake);
    dropped
}

#[test]
fn an_outcome_wakes_each_waiter_once() {
    let cell = cell();
    let counts: Vec<Arc<Count>> = (0..5).map(|_| Arc::default()).collect();
    let mut keys = [None; 5];
    for (index, count) in counts.iter().enumerate() {
        let waker = Waker::from(Arc::clone(count));
        for _ in 0..3 {
            assert_eq!(cell.outcome_or_wait(index as u32, &waker, &mut keys[index]), None);
        }
    }
    // One of them waits no more, and one has another waker now.
    cell.forget(keys[1].unwrap());
    let other = Arc::new(Count::default());
    assert_eq!(cell.outcome_or_wait(2, &Waker::from(Arc::clone(&other)), &mut keys[2]), None);

    complete(&cell, stored(0, 5, 100), true);
    let woken: Vec<usize> = counts.iter().map(|count| count.0.load(Ordering::Relaxed)).collect();
    assert_eq!((woken, other.0.load(Ordering::Relaxed)), (vec![1, 0, 0, 1, 1], 1));
    assert_eq!(cell.outcome(4), Some(stored(0, 5, 100)));
}

#[test]
fn the_parts_of_a_split_batch_have_outcomes_of_their_own() {
    let cell = cell();
    let (early, late) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let (mut early_key, mut late_key) = (None, None);
    let early_waker = Waker::from(Arc::clone(&early));
    let late_waker = Waker::from(Arc::clone(&late));
    assert!(cell.outcome_or_wait(7, &late_waker, &mut late_key).is_none());
    assert!(cell.outcome_or_wait(1, &early_waker, &mut early_key).is_none());

    complete(&cell, failed(0, 4), false);
    assert_eq!(cell.outcome(3), Some(failed(0, 4)));
    assert_eq!(cell.outcome(4), None);
    // Both were woken; the late one waits again, under the key that was its own before anybody came between.
    assert!(cell.outcome_or_wait(7, &late_waker, &mut late_key).is_none());
    let newcomer = Arc::new(Count::default());
    let mut newcomer_key = None;
    assert!(cell.outcome_or_wait(6, &Waker::from(Arc::clone(&newcomer)), &mut newcomer_key).is_none());
    assert_ne!(newcomer_key, late_key);

    complete(&cell, stored(4, 4, 50), false);
    let woken = |count: &Arc<Count>| count.0.load(Ordering::Relaxed);
    assert_eq!((woken(&early), woken(&late), woken(&newcomer)), (1, 2, 1));
    assert_eq!(cell.outcome(7), Some(stored(4, 4, 50)));
}

#[test]
fn handles_dropped_before_a_failure_are_counted_and_later_ones_are_told() {
    let cell = tracked();
    for index in [0, 1, 70, 130] {
        assert_eq!(cell.drop_unobserved(index), None);
    }
    assert_eq!(complete(&cell, failed(0, 100), false), 3);
    assert_eq!(complete(&cell, stored(100, 50, 9), false), 0, "success needs no telling");
    assert_eq!(cell.drop_unobserved(50), Some(failed(0, 100)));
    assert_eq!(cell.drop_unobserved(101), Some(stored(100, 50, 9)));
}

#[test]
fn a_renewed_cell_remembers_nothing() {
    let mut cell = tracked();
    let waker = Waker::from(Arc::new(Count::default()));
    cell.outcome_or_wait(0, &waker, &mut None);
    cell.drop_unobserved(1);
    complete(&cell, failed(0, 2), true);
    cell.renew(&"u".into());
    assert_eq!((&**cell.topic(), cell.outcome(0)), ("u", None));
    let mut key = None;
    cell.outcome_or_wait(0, &waker, &mut key);
    assert_eq!(key, Some(0));
    assert_eq!(complete(&cell, failed(0, 2), true), 0);
}

#[test]
fn threads_that_wait_while_the_outcome_is_set_all_hear_of_it() {
    for _ in 0..300 {
        let cell = Arc::new(cell());
        std::thread::scope(|scope| {
            for index in 0..3 {
                let cell = Arc::clone(&cell);
                scope.spawn(move || {
                    struct Unpark(std::thread::Thread);
                    impl Wake for Unpark {
                        fn wake(self: Arc<Self>) {
                            self.0.unpark();
                        }
                    }
                    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                    let mut key = None;
                    while cell.outcome_or_wait(index, &waker, &mut key).is_none() {
                        std::thread::park();
                    }
                });
            }
            complete(&cell, stored(0, 3, 0), true);
        });
    }
}

#[test]
fn handles_are_counted_in_whatever_order_they_are_dropped() {
    let orders: [&[u32]; 4] = [&[0, 1, 2, 3, 4], &[4, 3, 2, 1, 0], &[1, 0, 3, 2, 4], &[0, 2, 3, 4]];
    for order in orders {
        for told in 0..=order.len() {
            let cell = tracked();
            let (before, after) = order.split_at(told);
            before.iter().for_each(|index| assert_eq!(cell.drop_unobserved(*index), None));
            let counted = complete(&cell, failed(0, 5), true);
            let reported = after.iter().filter(|index| cell.drop_unobserved(**index).is_some()).count();
            assert_eq!((counted as usize, reported), (told, order.len() - told), "{order:?}");
        }
    }
}
