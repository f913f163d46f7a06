//! The producer of a device against a broker in the same thread, on a clock that only these tests move.

mod broker;

use core::time::Duration;
use std::boxed::Box;
use std::cell::RefCell;
use std::format;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

use super::{Driver, Memory, Outcome, Static};
use crate::compression::Compression;
use crate::compression::tests::Runs;
use crate::config::{AccumulatorConfig, SenderConfig};
use crate::error::{AppendError, ErrorKind, Failure, TopicError};
use crate::id::Ticket;
use crate::producer::SendError;
use crate::record::ProducerRecord;
use crate::sender::Address;
use crate::serializer::SerializeError;
use crate::time::{Instant, Timestamp};
use broker::{Broker, Loop};

type Small = Memory<256, 16, 8, 2, 4, 2>;
const BLOCKS: u32 = 16;

/// A device: its driver, its clock, and what it was told.
struct Device {
    driver: Driver<Static<256>, Loop>,
    now: Instant,
    outcomes: Vec<Outcome>,
    /// The longest sleep: the network wakes the device as often, or never.
    sleep: Duration,
}

impl Device {
    fn new(broker: &Rc<RefCell<Broker>>) -> Self {
        let mut device = Self::without_clock(broker);
        device.driver.producer().set_clock(device.now, Timestamp::from_millis(1_700_000_000_000));
        device
    }

    fn without_clock(broker: &Rc<RefCell<Broker>>) -> Self {
        let memory: &'static mut Small = Box::leak(Box::new(Memory::new()));
        let mut producer = memory.producer("device", AccumulatorConfig::default(), SenderConfig::default());
        assert!(producer.add_bootstrap("broker", 9092));
        Self {
            driver: Driver::new(producer, Loop(broker.clone())),
            now: Instant::from_micros(1_000),
            outcomes: Vec::new(),
            sleep: Duration::MAX,
        }
    }

    fn send(&mut self, record: ProducerRecord<'_, Option<&str>, &str>) -> Ticket {
        self.driver.send(self.now, record).unwrap()
    }

    /// What the main loop does at one moment.
    fn poll(&mut self) {
        while let Some(outcome) = self.driver.poll(self.now) {
            self.outcomes.push(outcome);
        }
    }

    /// The main loop, until every record has its outcome; time flies to the next deadline.
    fn run(&mut self) {
        for _ in 0..10_000 {
            self.poll();
            if self.driver.producer().is_empty() {
                return;
            }
            let due = self.driver.poll_timeout().unwrap().max(self.now + Duration::from_micros(1));
            self.now = due.min(self.now + self.sleep);
        }
        panic!("not done: {:?}", self.driver);
    }

    /// The outcome of a record, which must be the only one.
    fn outcome(&self, accepted: Ticket) -> Result<i64, Failure> {
        let mut ticket = accepted;
        let mut found = Vec::new();
        for outcome in &self.outcomes {
            match outcome {
                Outcome::Reassigned(moved) if moved.from == ticket => ticket = moved.to,
                Outcome::Reassigned(_) | Outcome::Token(_) | Outcome::CompressionRefused { .. } => {}
                Outcome::Completed(completed) => found.extend(completed.outcome_of(ticket)),
            }
        }
        assert_eq!(found.len(), 1, "{accepted:?} in {:?}", self.outcomes);
        found[0]
    }
}

fn plain(value: &str) -> ProducerRecord<'_, Option<&'static str>, &str> {
    ProducerRecord::new("readings", value).key(None)
}

#[test]
fn a_record_goes_all_the_way() {
    let broker = Broker::new();
    let mut device = Device::new(&broker);
    let ticket = device.send(ProducerRecord::new("readings", "21.5").key(Some("sensor-7")));
    device.run();
    assert_eq!(device.outcome(ticket), Ok(0));
    let stored = &broker.borrow().log[&("readings".into(), 0)];
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].key.as_deref(), Some(&b"sensor-7"[..]));
    assert_eq!(stored[0].value.as_deref(), Some(&b"21.5"[..]));
    assert_eq!(device.driver.producer().free_blocks(), BLOCKS);
}

/// One `static` more, and no heap. With wrong credentials the record fails at once.
#[cfg(feature = "sasl")]
#[test]
fn a_device_says_who_it_is() {
    use super::SaslMemory;
    use crate::sasl::Credentials;
    for (password, stored) in [("secret", true), ("wrong", false)] {
        let broker = Broker::new();
        broker.borrow_mut().password = Some(b"\0device\0secret");
        let mut device = Device::new(&broker);
        let memory: &'static mut SaslMemory<2, 512> = Box::leak(Box::new(SaslMemory::new()));
        let credentials = Credentials::plain("device", password).unwrap();
        assert!(device.driver.producer().set_sasl(memory.tables(credentials)));
        let ticket = device.send(plain("21.5"));
        device.run();
        let outcome = device.outcome(ticket);
        assert_eq!(outcome.is_ok(), stored);
        assert_eq!(broker.borrow().values("readings", 0).len(), usize::from(stored));
        if let Err(failure) = outcome {
            assert!(matches!(failure.kind, ErrorKind::Authentication(_)), "{failure}");
            assert!(device.now < Instant::from_micros(5_000_000));
        }
    }
}

#[test]
fn a_device_may_compress() {
    let broker = Broker::new();
    let memory: &'static mut Small = Box::leak(Box::new(Memory::new()));
    let config = SenderConfig { compression: Compression::Lz4, ..SenderConfig::default() };
    let mut producer = memory.compressing_producer("device", AccumulatorConfig::default(), config, Runs);
    assert_eq!(producer.free_blocks(), BLOCKS - 4, "a fifth is for compressed batches");
    assert!(producer.add_bootstrap("broker", 9092));
    producer.allow_unset_clock();
    let mut driver = Driver::new(producer, Loop(broker.clone()));
    let (mut now, value) = (Instant::from_micros(1_000), "x".repeat(500));
    for _ in 0..3 {
        driver.send(now, plain(&value)).unwrap();
        while !driver.producer().is_empty() {
            while driver.poll(now).is_some() {}
            now = driver.poll_timeout().unwrap_or(now).max(now + Duration::from_micros(1));
        }
    }
    assert_eq!(broker.borrow().values("readings", 0), [&*value; 3]);
    assert_eq!((broker.borrow().compressed, driver.producer().free_blocks()), (3, BLOCKS - 4));
}

#[test]
fn a_network_of_single_bytes_changes_nothing() {
    let broker = Broker::new();
    broker.borrow_mut().piece = 1;
    broker.borrow_mut().choppy = true;
    broker.borrow_mut().partitions = 3;
    let mut device = Device::new(&broker);
    device.sleep = Duration::from_millis(1);
    let keys = ["a", "b", "c", "d", "e"];
    let mut tickets = Vec::new();
    for round in 0..4 {
        for key in keys {
            let value = format!("{key}{round}");
            tickets.push(device.send(plain(&value).key(Some(key))));
        }
        device.poll();
    }
    device.run();
    assert!(device.outcomes.iter().any(|outcome| matches!(outcome, Outcome::Reassigned(_))));
    tickets.iter().for_each(|ticket| assert!(device.outcome(*ticket).is_ok()));
    let broker = broker.borrow();
    let all: Vec<String> = (0..3).flat_map(|partition| broker.values("readings", partition)).collect();
    assert_eq!(all.len(), tickets.len());
    for key in keys {
        let of_key: Vec<&String> = all.iter().filter(|value| value.starts_with(key)).collect();
        assert_eq!(
            of_key,
            ["0", "1", "2", "3"].map(|round| format!("{key}{round}")).iter().collect::<Vec<_>>()
        );
    }
    assert_eq!(device.driver.producer().free_blocks(), BLOCKS);
}

#[test]
fn a_device_behind_a_nat_maps_addresses() {
    let broker = Broker::new();
    broker.borrow_mut().advertised = ("127.0.0.1", 9092);
    broker.borrow_mut().listens = ("10.0.2.2", 19092);
    let mut device = Device::new(&broker);
    let unmapped = device.send(plain("lost"));
    device.run();
    assert!(matches!(device.outcome(unmapped), Err(Failure { kind: ErrorKind::DeliveryTimeout(_), .. })));

    let mut device = Device::new(&broker);
    device.driver =
        device.driver.with_address_map(|address| Address { host: "10.0.2.2", port: address.port + 10_000 });
    let ticket = device.send(plain("21.5"));
    device.run();
    assert_eq!(device.outcome(ticket), Ok(0));
}

#[test]
fn a_refused_and_a_slow_connection_are_waited_for() {
    let broker = Broker::new();
    broker.borrow_mut().refused = 3;
    broker.borrow_mut().delay = 5;
    let mut device = Device::new(&broker);
    device.sleep = Duration::from_millis(1);
    let ticket = device.send(plain("21.5"));
    device.run();
    assert_eq!(device.outcome(ticket), Ok(0));
    assert!(device.now < Instant::from_micros(10_000_000));
}

#[test]
fn a_lost_answer_is_asked_for_again_and_nothing_is_stored_twice() {
    let broker = Broker::new();
    let mut device = Device::new(&broker);
    let first = device.send(plain("0"));
    device.run();
    broker.borrow_mut().answers_lost = 2;
    let second = device.send(plain("1"));
    device.run();
    assert_eq!((device.outcome(first), device.outcome(second)), (Ok(0), Ok(1)));
    assert_eq!(broker.borrow().values("readings", 0), ["0", "1"]);
    assert_eq!(broker.borrow().produce_requests, 4);
    assert!(device.now < Instant::from_micros(5_000_000), "a closed connection is seen at once");
}

#[test]
fn memory_runs_out_and_comes_back() {
    let broker = Broker::new();
    let mut device = Device::new(&broker);
    let long = "x".repeat(200);
    let mut sent = 0;
    for round in 0..10 {
        let error = loop {
            match device.driver.send(device.now, plain(&long)) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
            assert!(sent < 1_000, "memory does not run out");
        };
        assert_eq!(error, SendError::Append(AppendError::NoMemory), "round {round}");
        assert!(error.is_retriable());
        device.run();
        assert_eq!(device.driver.producer().free_blocks(), BLOCKS);
    }
    assert!(sent >= 100, "{sent} records in 4 KiB, ten times over");
    assert_eq!(broker.borrow().values("readings", 0).len(), sent);
}

#[test]
fn what_cannot_be_sent_is_refused_and_leaves_nothing() {
    let broker = Broker::new();
    let mut device = Device::new(&broker);
    let now = device.now;
    let driver = &mut device.driver;
    let formatted = driver.send(now, ProducerRecord::new("readings", format_args!("{:300}", 1)));
    assert_eq!(formatted, Err(SendError::Serialize(SerializeError::SCRATCH_FULL)));
    assert!(!driver.send(now, plain("").partition(-1)).unwrap_err().is_retriable());
    assert_eq!(
        driver.send(now, ProducerRecord::new("not a name", "")),
        Err(SendError::Topic(TopicError::InvalidName))
    );
    let large = "x".repeat(2000);
    let too_large = driver.send(now, plain(&large)).unwrap_err();
    assert!(
        matches!(too_large, SendError::Append(AppendError::RecordTooLarge { max: 1024, .. })),
        "{too_large}"
    );
    driver.send(now, ProducerRecord::new("second", "")).unwrap();
    let third = driver.send(now, ProducerRecord::new("third", ""));
    assert_eq!(third, Err(SendError::Topic(TopicError::TooManyTopics { max: 2 })));
    device.run();
    assert_eq!(device.outcomes.len(), 1);
    assert_eq!(device.driver.producer().free_blocks(), BLOCKS);
}

#[test]
fn nothing_leaves_with_a_clock_that_is_not_set_unless_that_is_allowed() {
    let broker = Broker::new();
    let mut device = Device::without_clock(&broker);
    let refused = device.driver.send(device.now, plain("too early")).unwrap_err();
    assert_eq!((refused, refused.is_retriable()), (SendError::ClockNotSet, false));
    assert_eq!(device.driver.producer().free_blocks(), BLOCKS);
    let own = device.send(plain("of its own").timestamp(Timestamp::from_millis(5)));
    device.driver.producer().allow_unset_clock();
    let without = device.send(plain("without"));
    device.run();
    device.driver.producer().set_clock(device.now, Timestamp::from_millis(1_700_000_000_000));
    device.now = device.now + Duration::from_millis(1_500);
    device.driver.producer().allow_unset_clock();
    let from_clock = device.send(plain("from the clock"));
    device.run();
    assert_eq!([own, without, from_clock].map(|ticket| device.outcome(ticket)), [Ok(0), Ok(1), Ok(2)]);
    let broker = broker.borrow();
    let times: Vec<i64> = broker.log[&("readings".into(), 0)].iter().map(|record| record.timestamp).collect();
    assert_eq!(times, [5, -1, 1_700_000_001_500]);
}

#[test]
fn close_sends_what_is_held_and_abort_fails_it() {
    let broker = Broker::new();
    let mut device = Device::new(&broker);
    let sent = device.send(plain("sent"));
    device.driver.producer().close();
    device.run();
    assert_eq!(device.outcome(sent), Ok(0));
    assert_eq!(device.driver.send(device.now, plain("late")), Err(SendError::Append(AppendError::Closed)));

    broker.borrow_mut().silent = true;
    drop(device);
    let mut device = Device::new(&broker);
    let held = device.send(plain("held"));
    device.poll();
    let now = device.now;
    device.driver.producer().abort(now);
    device.poll();
    assert!(device.driver.producer().is_empty());
    assert!(matches!(device.outcome(held), Err(Failure { kind: ErrorKind::Closed, .. })));
    assert_eq!((device.driver.poll_timeout(), broker.borrow().open), (None, 0));
}

#[test]
fn flush_does_not_wait_for_the_linger() {
    let broker = Broker::new();
    let mut device = Device::new(&broker);
    device.send(plain("the topic becomes known"));
    device.run();
    let before = device.now;
    device.send(plain("lingers"));
    device.poll();
    assert!(!device.driver.producer().is_empty());
    device.driver.producer().flush();
    device.poll();
    assert!(device.driver.producer().is_empty());
    assert_eq!(device.now, before);
}

#[test]
fn an_idle_device_has_nothing_to_wake_up_for() {
    let broker = Broker::new();
    let mut device = Device::new(&broker);
    device.send(plain("21.5"));
    device.run();
    let idle = device.driver.poll_timeout().expect("an idle connection is closed at some time");
    assert!(idle >= Instant::ZERO + Duration::from_secs(540));
    device.now = idle;
    device.poll();
    assert_eq!((device.driver.poll_timeout(), broker.borrow().open), (None, 0));
    let later = device.send(plain("21.6"));
    device.run();
    assert_eq!(device.outcome(later), Ok(1));
}

#[test]
fn a_peer_that_never_stops_does_not_keep_the_device() {
    let broker = Broker::new();
    broker.borrow_mut().endless = true;
    broker.borrow_mut().silent = true;
    let mut device = Device::new(&broker);
    let ticket = device.send(plain("21.5"));
    device.poll();
    assert_eq!(device.driver.poll_timeout(), Some(Instant::ZERO), "there is always more to read");
    let mut polls = 0;
    while device.outcomes.is_empty() {
        device.poll();
        device.now = device.now + Duration::from_secs(1);
        polls += 1;
        assert!(polls < 1_000, "the delivery timeout ends it: {:?}", device.driver);
    }
    assert!(matches!(device.outcome(ticket), Err(Failure { kind: ErrorKind::DeliveryTimeout(_), .. })));
}
