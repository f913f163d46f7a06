//! felice for plain threads, as a contender: one process, one run, one line of JSON.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use bench_harness::{Keys, Meter, Mode, Options, Payloads};
use felice_blocking::{Delivery, Producer, ProducerRecord};

/// How many handles are kept before the oldest one is waited for.
const HANDLES: usize = 100_000;

fn main() {
    let options = Options::parse();
    let producer: Producer = bench_suite::producer(&options);
    assert_eq!(producer.partitions_for(&options.topic), Ok(options.partitions));
    let payloads = Payloads::new(options.size);

    let mut meter = Meter::start(&options);
    let acknowledged = match options.mode {
        Mode::Sync => one_at_a_time(&producer, &options, &payloads, &mut meter),
        Mode::Rate => evenly(&producer, &options, &payloads),
        _ => thread::scope(|scope| {
            let of_thread = |thread| {
                let (producer, options, payloads) = (&producer, &options, &payloads);
                scope.spawn(move || at_full_speed(producer, options, payloads, thread))
            };
            let threads: Vec<_> = (1..options.threads).map(of_thread).collect();
            let own = at_full_speed(&producer, &options, &payloads, 0);
            own + threads.into_iter().map(|thread| thread.join().expect("it ends")).sum::<u64>()
        }),
    };
    producer.flush().expect("this is no callback");
    meter.finish(acknowledged - producer.failed(), producer.failed(), &options);
    producer.close(Duration::from_secs(5)).expect("nothing is left");
}

/// Sends a thread's part of the records, as fast as it can. How many have been accepted.
fn at_full_speed(producer: &Producer, options: &Options, payloads: &Payloads, thread: u64) -> u64 {
    let mut keys = Keys::of_thread(thread);
    let mut handles = Handles::default();
    let called = Arc::new(AtomicU64::new(0));
    let mut count = 0;
    for index in options.turns(thread) {
        count += 1;
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        let key = options.keys.then(|| keys.key());
        let record = record.key(key.as_ref().map(|key| &key[..]));
        match options.mode {
            Mode::Callback => {
                let called = Arc::clone(&called);
                let count = move |outcome: Result<_, _>| {
                    called.fetch_add(u64::from(outcome.is_ok()), Ordering::Relaxed);
                };
                producer.send_with(record, count).expect("it is accepted");
            }
            Mode::Handle => handles.keep(producer.send(record).expect("it is accepted")),
            _ => drop(producer.send(record).expect("it is accepted")),
        }
    }
    if options.mode == Mode::Callback {
        producer.flush().expect("this is no callback");
        assert_eq!(called.load(Ordering::Relaxed), count, "callbacks");
    }
    handles.wait_for_all();
    count
}

/// Handles that are waited for later.
#[derive(Default)]
struct Handles(VecDeque<Delivery>);

impl Handles {
    fn keep(&mut self, handle: Delivery) {
        if self.0.len() == HANDLES {
            self.0.pop_front().map(Delivery::get).expect("there are many").expect("it is stored");
        }
        self.0.push_back(handle);
    }

    fn wait_for_all(self) {
        for handle in self.0 {
            handle.get().expect("it is stored");
        }
    }
}

fn one_at_a_time(producer: &Producer, options: &Options, payloads: &Payloads, meter: &mut Meter) -> u64 {
    for index in 0..options.records {
        let record = ProducerRecord::new(&options.topic, payloads.get(index));
        let begun = Instant::now();
        producer.send(record).expect("it is accepted").get().expect("it is stored");
        meter.latency(begun.elapsed());
    }
    options.records
}

fn evenly(producer: &Producer, options: &Options, payloads: &Payloads) -> u64 {
    let begun = Instant::now();
    for index in 0..options.records {
        thread::sleep((begun + options.due(index)).saturating_duration_since(Instant::now()));
        drop(
            producer.send(ProducerRecord::new(&options.topic, payloads.get(index))).expect("it is accepted"),
        );
    }
    options.records
}
