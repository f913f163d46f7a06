//! librdkafka, by its Rust wrapper.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use felice_tests::proxy::Link;
use rdkafka::ClientContext;
use rdkafka::config::ClientConfig;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::{Peer, RECORDS, Run, Task, VALUE_BYTES};

pub(crate) struct Librdkafka {
    bootstrap: String,
}

/// Counts what is stored.
#[derive(Clone, Default)]
struct Stored(Arc<AtomicUsize>);

impl ClientContext for Stored {}

impl ProducerContext for Stored {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        assert!(result.is_ok(), "{result:?}");
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Librdkafka {
    pub(crate) fn new(bootstrap: &str) -> Self {
        Self { bootstrap: bootstrap.to_owned() }
    }
}

impl Peer for Librdkafka {
    fn name(&self) -> &'static str {
        "librdkafka"
    }

    fn run(&mut self, task: Task, topic: &str, link: &Link) -> Run {
        let stored = Stored::default();
        let (mut before, mut begun) = (link.turns(), Instant::now());
        let producer: BaseProducer<Stored> = ClientConfig::new()
            .set("bootstrap.servers", &self.bootstrap)
            .set("enable.idempotence", "true")
            .create_with_context(stored.clone())
            .expect("the settings fit");
        let send = |count: usize| {
            let value = [b'x'; VALUE_BYTES];
            let wanted = stored.0.load(Ordering::Relaxed) + count;
            for _ in 0..count {
                producer.send(BaseRecord::<(), [u8]>::to(topic).payload(&value)).expect("there is room");
            }
            while stored.0.load(Ordering::Relaxed) < wanted {
                producer.poll(Duration::from_millis(100));
            }
        };
        if let Task::First | Task::Warm = task {
            send(1);
        }
        if let Task::Warm = task {
            (before, begun) = (link.turns(), Instant::now());
        }
        if let Task::Cold | Task::Warm = task {
            send(RECORDS);
        }
        let run = Run { time: begun.elapsed(), turns: link.turns() - before };
        producer.flush(Duration::from_secs(60)).expect("nothing is left");
        run
    }
}
