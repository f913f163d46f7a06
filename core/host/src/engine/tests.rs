use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use felice_core::error::{ErrorKind, Persisted};
use felice_core::event::TopicView;
use felice_core::record::ProducerRecord;

use super::*;
use crate::callback::{Callbacks, Failures};
use crate::config::Settings;
use crate::{Closing, Delivery, Flushing, Partitions, ProduceError, SendError, Sending};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

struct Room {
    shared: Arc<Shared>,
    engine: Engine,
    driver: Arc<Count>,
    undelivered: Arc<AtomicUsize>,
}

fn room(set: impl FnOnce(&mut Settings)) -> Room {
    let (driver, undelivered) = (Arc::new(Count::default()), Arc::new(AtomicUsize::new(0)));
    let counter = Arc::clone(&undelivered);
    let hook = Failures::new(Box::new(move |_: ProduceError| {
        counter.fetch_add(1, Ordering::Relaxed);
    }));
    let mut settings = Settings {
        bootstrap_servers: vec!["kafka:9092".into()],
        linger: Duration::ZERO,
        callbacks: Callbacks { failures: Some(Arc::new(hook)), ..Callbacks::default() },
        ..Settings::default()
    };
    set(&mut settings);
    let (shared, engine) = start(settings, Arc::clone(&driver).into()).unwrap();
    Room { shared, engine, driver, undelivered }
}

impl Room {
    fn send(&self, key: u32, value: &[u8]) -> Result<Delivery, SendError> {
        let record = ProducerRecord::new("t", value).key(key);
        match Sending::handle(&self.shared).poll(None, &record) {
            Poll::Ready(result) => result.map(Option::unwrap),
            Poll::Pending => panic!("without a context it never waits"),
        }
    }

    fn callback(&self, calls: &Arc<AtomicUsize>) {
        let calls = Arc::clone(calls);
        let closure = move |outcome: Result<_, ProduceError>| {
            assert!(outcome.is_err());
            calls.fetch_add(1, Ordering::Relaxed);
        };
        let record = ProducerRecord::new("t", "value");
        assert!(Sending::closure(&self.shared, closure).poll(None, &record).is_ready());
    }

    fn turn(&mut self, after: Duration) {
        let now = self.shared.clock().now() + after;
        self.engine.turn(now);
    }
}

fn polled<T>(mut poll: impl FnMut(&Context<'_>) -> Poll<T>) -> T {
    let context = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(result) = poll(&context) {
            return result;
        }
        std::thread::yield_now();
    }
}

#[test]
fn the_driver_is_woken_for_the_first_record_and_asked_to_connect() {
    let mut room = room(|_| ());
    room.turn(Duration::ZERO);
    assert_eq!((room.engine.poll_action(), room.engine.poll_timeout()), (None, None), "idle: no timer");
    for key in 0..10 {
        room.send(key, b"value").unwrap();
    }
    assert_eq!(room.driver.0.load(Ordering::Relaxed), 1, "not again before the driver has looked");
    room.turn(Duration::ZERO);
    let Some(Action::Connect(connection)) = room.engine.poll_action() else { panic!("it must connect") };
    let address = room.engine.address(connection).unwrap();
    assert_eq!((address.host, address.port), ("kafka", 9_092));
    assert!(room.engine.poll_timeout().is_some());
}

#[test]
fn closing_gives_up_at_its_deadline_and_everybody_hears() {
    let mut room = room(|_| ());
    let calls = Arc::default();
    let mut kept = room.send(1, b"kept").unwrap();
    drop(room.send(2, b"dropped").unwrap());
    room.callback(&calls);
    room.turn(Duration::ZERO);
    room.shared.begin_close(Duration::from_secs(10)).unwrap();
    assert_eq!(room.send(3, b"late").unwrap_err(), SendError::Closed);
    room.turn(Duration::from_secs(5));
    assert!(!room.engine.is_ended() && kept.try_get().is_none());
    room.turn(Duration::from_secs(11));
    assert!(room.engine.is_ended());
    let error = kept.try_get().unwrap().unwrap_err();
    assert_eq!((error.kind(), error.persisted()), (ErrorKind::Closed, Persisted::No), "{error}");
    assert_eq!(polled(|context| Closing::new(&room.shared).poll(context)), 3);
    room.shared.join_callbacks();
    assert_eq!((calls.load(Ordering::Relaxed), room.undelivered.load(Ordering::Relaxed)), (1, 1));
}

#[test]
fn a_snapshot_takes_no_lock_that_a_sender_waits_for() {
    let room = room(|_| ());
    room.send(1, b"value").unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let shared = Arc::clone(&room.shared);
    let held = room.shared.lock();
    let thread = std::thread::spawn(move || drop(told.send(shared.metrics())));
    // Long: the machine may be busy.
    let metrics = heard.recv_timeout(Duration::from_secs(60)).expect("it waits for nobody");
    drop(held);
    assert_eq!((metrics.record_accepted_total, metrics.records.record_error_total), (1, 0));
    let total = metrics.buffer_total_bytes;
    assert!((1..total).contains(&metrics.buffer_available_bytes), "{metrics:?}");
    thread.join().unwrap();
}

#[test]
fn closing_without_records_ends_at_once() {
    let mut room = room(|_| ());
    room.shared.begin_close(Duration::from_secs(10)).unwrap();
    room.turn(Duration::ZERO);
    assert!(room.engine.is_ended());
    assert_eq!(polled(|context| Closing::new(&room.shared).poll(context)), 0);
}

#[test]
fn a_driver_that_dies_leaves_nobody_waiting() {
    let mut room = room(|_| ());
    let calls = Arc::default();
    let mut early = room.send(1, b"pending, as the topic is unknown").unwrap();
    room.turn(Duration::ZERO);
    let record = ProducerRecord::new("t", "in a batch").partition(0);
    let Poll::Ready(Ok(Some(mut open))) = Sending::handle(&room.shared).poll(None, &record) else { panic!() };
    drop(room.send(2, b"dropped").unwrap());
    room.callback(&calls);
    let flushed = Arc::clone(&room.shared);
    let mut flushing = Flushing::new(&flushed);
    let context = Context::from_waker(Waker::noop());
    assert!(flushing.poll(&context).is_pending());

    let Room { shared, engine, undelivered, .. } = room;
    drop(engine);
    for handle in [&mut early, &mut open] {
        let error = handle.try_get().expect("an outcome").unwrap_err();
        assert_eq!((error.kind(), error.persisted()), (ErrorKind::Closed, Persisted::Possibly));
        assert_eq!(error.topic(), "t");
    }
    assert_eq!(polled(|context| flushing.poll(context)), Ok(()));
    assert_eq!(polled(|context| Closing::new(&shared).poll(context)), 4);
    shared.join_callbacks();
    assert_eq!((calls.load(Ordering::Relaxed), undelivered.load(Ordering::Relaxed)), (1, 1));
    let error = Sending::handle(&shared).poll(None, &record);
    assert!(matches!(error, Poll::Ready(Err(SendError::Closed))));
}

#[test]
fn who_waits_for_memory_is_tried_again_without_its_serializer() {
    use felice_core::serializer::{Scratch, Serialize, SerializeError};
    struct Counted<'c>(&'c AtomicUsize);
    impl Serialize for Counted<'_> {
        fn serialize<'a>(&'a self, scratch: &'a mut dyn Scratch) -> Result<Option<&'a [u8]>, SerializeError> {
            self.0.fetch_add(1, Ordering::Relaxed);
            scratch.write(&[7; 3_000])?;
            Ok(Some(scratch.bytes()))
        }
    }
    let mut room = room(|settings| settings.buffer_memory = 16 * 1024);
    let runs = AtomicUsize::new(0);
    let record = ProducerRecord::new("t", Counted(&runs)).partition(0);
    let mut accepted = 0;
    while Sending::handle(&room.shared).poll(None, &record).ready_and(Result::is_ok) {
        accepted += 1;
    }
    assert_eq!(runs.swap(0, Ordering::Relaxed), accepted + 1);
    let waiter = Arc::new(Count::default());
    let waker = Waker::from(Arc::clone(&waiter));
    let context = Context::from_waker(&waker);
    let mut first = Sending::handle(&room.shared);
    assert!(first.poll(Some(&context), &record).is_pending());
    let mut second = Sending::handle(&room.shared);
    assert!(second.poll(Some(&context), &record).is_pending());
    drop(first);
    assert_eq!(waiter.0.swap(0, Ordering::Relaxed), 1, "who leaves passes its turn on");
    assert!(second.poll(Some(&context), &record).is_pending());
    assert_eq!(runs.load(Ordering::Relaxed), 2);

    room.engine.turn(room.shared.clock().now() + Duration::from_secs(121));
    // The batch comes back behind the report of its records, on the callbacks' thread.
    while waiter.0.load(Ordering::Relaxed) == 0 {
        std::thread::yield_now();
    }
    assert!(second.poll(Some(&context), &record).ready_and(Result::is_ok));
    assert_eq!(runs.load(Ordering::Relaxed), 2, "the user's code ran once for each record");
    drop(second);
}

trait ReadyAnd<T> {
    fn ready_and(self, test: impl FnOnce(&T) -> bool) -> bool;
}

impl<T> ReadyAnd<T> for Poll<T> {
    fn ready_and(self, test: impl FnOnce(&T) -> bool) -> bool {
        matches!(self, Poll::Ready(value) if test(&value))
    }
}

#[test]
fn who_gives_up_waiting_leaves_nothing_behind() {
    let room = room(|_| ());
    let shared = &room.shared;
    let kept = room.send(1, b"held").unwrap();
    for _ in 0..100 {
        let task = Arc::new(Count::default());
        let waker = Waker::from(Arc::clone(&task));
        let context = Context::from_waker(&waker);
        let (mut flushing, mut closing) = (Flushing::new(shared), Closing::new(shared));
        let mut partitions = Partitions::new(shared, "t");
        for _ in 0..2 {
            assert!(flushing.poll(&context).is_pending() && closing.poll(&context).is_pending());
            assert!(partitions.poll(&context).is_pending());
        }
        drop((flushing, closing, partitions));
        drop(waker);
        assert_eq!(Arc::strong_count(&task), 1, "no waker is left");
    }
    drop(kept);
}

#[test]
fn what_fits_behind_others_does_not_wait_with_those_who_need_memory() {
    let room = room(|settings| {
        settings.buffer_memory = 16 * 1024;
        settings.batch_size = Some(4 * 1024);
    });
    let send = |partition, value: &[u8], context| {
        let record = ProducerRecord::new("t", value).partition(partition);
        let mut sending = Sending::handle(&room.shared);
        let result = sending.poll(context, &record);
        (result.map(|result| result.map(Option::unwrap)), sending)
    };
    // The topic is known, so the first record has a batch of its partition's own.
    let partitions = TopicView::Known { partitions: 4 };
    room.shared.with(|state, _| {
        let topic = state.topic("t").map(|(topic, _)| topic).unwrap_or(TopicId(0));
        state.accumulator.handle_topic(topic, partitions);
    });
    assert!(matches!(send(0, b"21.5", None).0, Poll::Ready(Ok(_))));
    // Half of the memory is one's share.
    for partition in [1, 2] {
        while matches!(send(partition, &[7; 900], None).0, Poll::Ready(Ok(_))) {}
    }
    let context = Context::from_waker(Waker::noop());
    let waits = send(2, &[7; 900], Some(&context));
    assert!(waits.0.is_pending());

    assert!(matches!(send(0, b"21.6", None).0, Poll::Ready(Ok(_))), "there is room behind the first");
    assert_eq!(send(3, b"21.7", None).0.map(Result::unwrap_err), Poll::Ready(SendError::WouldBlock));
}
