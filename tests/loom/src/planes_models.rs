//! User threads and the driver around the lock of `Shared`: memory, flush, callbacks, the end.

use std::task::Poll;
use std::time::Duration;

use felice_core::record::ProducerRecord;
use loom::thread::spawn;

use crate::host::{Closing, Flushing, SendError, Sending, Shared};
use crate::model;
use crate::parker;
use crate::planes::{Planes, get, send};
use crate::sync::Arc;
use crate::sync::atomic::{AtomicU32, Ordering};

/// Of such records two fill the memory of [`Planes`], and there is no room for a third.
const LARGE: [u8; 7_000] = [7; 7_000];

fn fill(shared: &Shared) {
    while Sending::handle(shared).attempt(&ProducerRecord::new("t", &LARGE)).is_ok() {}
}

fn flush(shared: &Shared) {
    let mut flushing = Flushing::new(shared);
    parker::wait(None, |context| flushing.poll(context)).expect("there is no deadline").expect("no callback");
}

fn close(shared: &Shared) {
    shared.begin_close(Duration::ZERO).expect("this is no callback");
    let mut closing = Closing::new(shared);
    parker::wait(None, |context| closing.poll(context));
    shared.join_callbacks();
}

/// Memory comes back once, and suffices for both. Red where it wakes nobody, where who was served does not pass the turn
/// on, and where a newcomer takes its place under another holding of the lock than it was refused under.
#[test]
fn memory_that_comes_back_is_given_to_all_who_wait() {
    model(1, || {
        let planes = Planes::new();
        fill(&planes.shared);
        let left = Arc::new(AtomicU32::new(2));
        let users = [0, 1].map(|_| {
            let (shared, left) = (Arc::clone(&planes.shared), Arc::clone(&left));
            spawn(move || {
                let delivery = send(&shared, &LARGE).expect("there is room in the end");
                if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                    close(&shared);
                }
                assert!(get(delivery).is_err());
            })
        });
        planes.drive(1);
        users.into_iter().for_each(|user| user.join().unwrap());
    });
}

/// Red where who gives up does not pass the turn on.
#[test]
fn who_waits_for_memory_no_more_passes_the_turn_on() {
    model(1, || {
        let planes = Planes::new();
        fill(&planes.shared);
        let shared = Arc::clone(&planes.shared);
        let gives_up = spawn(move || {
            let mut sending = Sending::handle(&shared);
            let record = ProducerRecord::new("t", &LARGE);
            parker::wait(None, |context| Poll::Ready(sending.poll(Some(context), &record).is_ready()));
        });
        let shared = Arc::clone(&planes.shared);
        let waits = spawn(move || {
            let delivery = send(&shared, &LARGE).expect("there is room in the end");
            close(&shared);
            assert!(get(delivery).is_err());
        });
        planes.drive(1);
        gives_up.join().unwrap();
        waits.join().unwrap();
    });
}

/// Red where the callbacks' thread says that it waits after it has looked, or a flush is not woken by the last of them.
#[test]
fn a_flush_returns_when_the_callbacks_have_run() {
    model(1, || {
        let planes = Planes::new();
        let shared = Arc::clone(&planes.shared);
        let user = spawn(move || {
            let called = Arc::new(AtomicU32::new(0));
            for round in 1..=2 {
                let called = Arc::clone(&called);
                let count = Arc::clone(&called);
                let callback = move |_| {
                    count.fetch_add(1, Ordering::Relaxed);
                };
                let mut sending = Sending::closure(&shared, callback);
                sending.attempt(&ProducerRecord::new("t", "value")).expect("there is room");
                flush(&shared);
                assert_eq!(called.load(Ordering::Relaxed), round);
            }
            close(&shared);
        });
        planes.drive(u32::MAX);
        user.join().unwrap();
    });
}

/// Red where an end that has come already is waited for.
#[test]
fn whoever_closes_each_record_has_its_outcome_and_each_close_returns() {
    model(1, || {
        let planes = Planes::new();
        let users = [0, 1].map(|_| {
            let shared = Arc::clone(&planes.shared);
            spawn(move || {
                match send(&shared, b"value") {
                    Ok(delivery) => assert!(get(delivery).is_err()),
                    Err(error) => assert_eq!(error, SendError::Closed),
                }
                close(&shared);
            })
        });
        planes.drive(u32::MAX);
        users.into_iter().for_each(|user| user.join().unwrap());
    });
}

/// Red where those who wait for an outcome, for memory or for the end are not woken.
#[test]
fn a_driver_that_dies_leaves_nobody_waiting() {
    model(1, || {
        let mut planes = Planes::new();
        let held = send(&planes.shared, &LARGE).expect("there is room");
        fill(&planes.shared);
        let gets = spawn(move || assert!(get(held).is_err()));
        let shared = Arc::clone(&planes.shared);
        let sends = spawn(move || {
            assert_eq!(send(&shared, &LARGE).err(), Some(SendError::Closed));
            flush(&shared);
            close(&shared);
        });
        planes.turn(false);
        drop(planes);
        gets.join().unwrap();
        sends.join().unwrap();
    });
}
