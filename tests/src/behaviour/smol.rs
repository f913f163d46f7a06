//! The smol front-end joins the suite: each call waits here for its future.

use std::ops::Deref;
use std::thread;
use std::time::Duration;

use felice_host::{BuildError, Settings, Start, StartWithDriver};
use felice_smol::{
    CloseError, Delivery, FlushError, Metrics, PartitionsError, ProduceError, Producer, ProducerRecord,
    RecordMetadata, SendError, Serialize,
};
use smol::block_on;
use smol::future::or;

use super::{Closure, FrontEnd, Handle, NoMetadata};

/// A producer whose I/O runs as a task, as on an executor of the user's. The others have a thread for it, which is the
/// blocking front-end's, too.
#[derive(Clone, Debug)]
pub struct Driven(Producer);

impl Start for Driven {
    fn start(settings: Settings) -> Result<Self, BuildError> {
        let (producer, driver) = Producer::start_with_driver(settings)?;
        thread::Builder::new().name("driver".into()).spawn(move || block_on(driver))?;
        Ok(Self(producer))
    }
}

impl Deref for Driven {
    type Target = Producer;

    fn deref(&self) -> &Producer {
        &self.0
    }
}

macro_rules! front_end {
    ($producer:ty, $name:literal) => {
        impl FrontEnd for $producer {
            const NAME: &'static str = $name;

            type Handle = Delivery;

            fn send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Delivery, SendError>
            where
                K: Serialize + Sync,
                V: Serialize + Sync,
            {
                block_on(Producer::send(self, record))
            }

            fn try_send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Delivery, SendError>
            where
                K: Serialize + Sync,
                V: Serialize + Sync,
            {
                Producer::try_send(self, record)
            }

            fn send_with<K, V>(
                &self,
                record: &ProducerRecord<'_, K, V>,
                callback: Closure,
            ) -> Result<(), SendError>
            where
                K: Serialize + Sync,
                V: Serialize + Sync,
            {
                block_on(Producer::send_with(self, record, callback))
            }

            fn send_with_token<K, V>(
                &self,
                record: &ProducerRecord<'_, K, V>,
                token: u64,
            ) -> Result<(), SendError>
            where
                K: Serialize + Sync,
                V: Serialize + Sync,
            {
                block_on(Producer::send_with_token(self, record, token))
            }

            fn flush(&self) -> Result<(), FlushError> {
                block_on(Producer::flush(self))
            }

            fn close(&self, timeout: Duration) -> Result<(), CloseError> {
                block_on(Producer::close(self, timeout))
            }

            fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError> {
                block_on(Producer::partitions_for(self, topic))
            }

            fn failed(&self) -> u64 {
                Producer::failed(self)
            }

            fn callback_panics(&self) -> u64 {
                Producer::callback_panics(self)
            }

            fn metrics(&self) -> Metrics {
                Producer::metrics(self)
            }
        }
    };
}

front_end!(Producer, "smol");
front_end!(Driven, "driven");

impl Handle for Delivery {
    fn get(self) -> Result<RecordMetadata, NoMetadata> {
        block_on(self).map_err(NoMetadata::Failed)
    }

    fn get_timeout(&mut self, timeout: Duration) -> Result<RecordMetadata, NoMetadata> {
        block_on(or(async { self.await.map_err(NoMetadata::Failed) }, async {
            smol::Timer::after(timeout).await;
            Err(NoMetadata::TimedOut)
        }))
    }

    fn spooled(&mut self) -> Result<(), NoMetadata> {
        block_on(self.spooled()).map_err(NoMetadata::Failed)
    }

    fn try_get(&mut self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.try_get()
    }
}
