//! Does one thing many times, to be counted by callgrind: `instructions OPERATION TIMES`.

use felice_core::record::ProducerRecord;
use felice_host::{BuildError, Builder, Engine, Sending, Settings, Shared, Start};
use std::sync::Arc;
use std::task::Waker;

struct Planes {
    shared: Arc<Shared>,
    _engine: Engine,
}
impl Start for Planes {
    fn start(settings: Settings) -> Result<Self, BuildError> {
        let (shared, engine) = felice_host::start(settings, Waker::noop().clone())?;
        Ok(Self { shared, _engine: engine })
    }
}

fn main() {
    let times: usize = std::env::args().nth(2).unwrap().parse().unwrap();
    let planes: Planes = Builder::new()
        .bootstrap_servers("127.0.0.1:9")
        .batch_size(128 * 1024)
        .buffer_memory(32 << 20)
        .on_undelivered(|_| {})
        .build()
        .unwrap();
    let value = [7_u8; 100];
    for _ in 0..times {
        let record = ProducerRecord::new("readings", &value[..])
            .partition(0)
            .timestamp(felice_core::time::Timestamp::from_millis(1_700_000_000_000));
        let delivery = Sending::delivery(Sending::handle(&planes.shared).attempt(&record));
        drop(delivery.unwrap());
    }
}
