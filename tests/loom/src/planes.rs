//! Both planes, with a driver that has no network: time goes by leaps, so that what is held fails, and its memory comes
//! back.

use std::task::Poll;
use std::time::Duration;

use felice_core::record::ProducerRecord;

use crate::host::config::Settings;
use crate::host::{self, Delivery, Engine, ProduceError, RecordMetadata, SendError, Sending, Shared};
use crate::parker;
use crate::sync::Arc;

/// Beyond every timeout.
const LEAP: Duration = Duration::from_secs(24 * 60 * 60);

/// What the thread that makes it drives.
pub(crate) struct Planes {
    pub(crate) shared: Arc<Shared>,
    /// A model's stack is small.
    engine: Box<Engine>,
    leaps: u32,
}

impl Planes {
    /// The smallest ones.
    pub(crate) fn new() -> Self {
        let settings = Settings {
            bootstrap_servers: vec!["kafka:9092".into()],
            linger: Duration::ZERO,
            // Blocks of 1 KiB.
            batch_size: Some(4 * 1024),
            buffer_memory: 16 * 1024,
            max_request_size: Some(8 * 1024),
            topics_max: 2,
            partitions_max: 2,
            partitions_known_max: 4,
            brokers_max: 2,
            ..Settings::default()
        };
        let driver = parker::wait(None, |context| Poll::Ready(context.waker().clone()));
        let (shared, engine) = host::start(settings, driver.expect("it is there")).expect("they fit");
        Self { shared, engine: Box::new(engine), leaps: 0 }
    }

    /// Turns once. After a leap what is held has timed out.
    pub(crate) fn turn(&mut self, leap: bool) {
        self.leaps += u32::from(leap);
        self.engine.turn(self.shared.clock().now() + LEAP * self.leaps);
        while self.engine.poll_action().is_some() {}
    }

    /// Turns when it is woken, with a leap so many times at most, until the producer is closed.
    pub(crate) fn drive(mut self, mut leaps: u32) {
        let mut begun = false;
        parker::wait(None, |_| {
            if std::mem::replace(&mut begun, true) {
                self.turn(leaps > 0);
                leaps = leaps.saturating_sub(1);
            }
            if self.engine.is_ended() { Poll::Ready(()) } else { Poll::Pending }
        });
    }
}

/// As the blocking front-end does.
pub(crate) fn send(shared: &Shared, value: &[u8]) -> Result<Delivery, SendError> {
    let record = ProducerRecord::new("t", value);
    let mut sending = Sending::handle(shared);
    let sent = parker::wait(None, |context| sending.poll(Some(context), &record));
    Sending::delivery(sent.expect("without a deadline it is accepted or refused"))
}

pub(crate) fn get(mut delivery: Delivery) -> Result<RecordMetadata, ProduceError> {
    parker::wait(None, |context| delivery.poll_outcome(context)).expect("there is no deadline")
}
