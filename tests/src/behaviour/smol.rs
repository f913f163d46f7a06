//! The smol front-end joins the suite: each call waits here for its future.

use std::time::Duration;

use felice_smol::{
    CloseError, Delivery, FlushError, PartitionsError, ProduceError, Producer, ProducerRecord,
    RecordMetadata, SendError, Serialize,
};
use smol::block_on;
use smol::future::or;

use super::{Closure, FrontEnd, Handle, NoMetadata};

impl FrontEnd for Producer {
    const NAME: &'static str = "smol";

    type Handle = Delivery;

    fn send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Delivery, SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        block_on(self.send(record))
    }

    fn try_send<K, V>(&self, record: &ProducerRecord<'_, K, V>) -> Result<Delivery, SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        self.try_send(record)
    }

    fn send_with<K, V>(&self, record: &ProducerRecord<'_, K, V>, callback: Closure) -> Result<(), SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        block_on(self.send_with(record, callback))
    }

    fn send_with_token<K, V>(&self, record: &ProducerRecord<'_, K, V>, token: u64) -> Result<(), SendError>
    where
        K: Serialize + Sync,
        V: Serialize + Sync,
    {
        block_on(self.send_with_token(record, token))
    }

    fn flush(&self) -> Result<(), FlushError> {
        block_on(self.flush())
    }

    fn close(&self, timeout: Duration) -> Result<(), CloseError> {
        block_on(self.close(timeout))
    }

    fn partitions_for(&self, topic: &str) -> Result<i32, PartitionsError> {
        block_on(self.partitions_for(topic))
    }

    fn failed(&self) -> u64 {
        self.failed()
    }

    fn callback_panics(&self) -> u64 {
        self.callback_panics()
    }
}

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

    fn try_get(&mut self) -> Option<Result<RecordMetadata, ProduceError>> {
        self.try_get()
    }
}
